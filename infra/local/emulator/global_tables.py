"""`Replicas` of `AWS::DynamoDB::GlobalTable`, on MiniStack's own replication.

The engine accepts the property and ignores it. Here each replica becomes a real one in its region; a replica's own
settings (point-in-time recovery, deletion protection, tags) are applied to it. A witness holds no readable copy.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from infra.local.emulator import patching

STRONG = "strongroom:multi-region-strong-consistency"
"""Marks a table's record whose replicas are strongly consistent: the replication knob leaves it alone."""

_TYPE = "AWS::DynamoDB::GlobalTable"


def _replicas(properties: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(replica["Region"]): replica for replica in properties.get("Replicas", [])}


def _apply_own_settings(name: str, region: str, replica: dict[str, Any]) -> None:
    """Apply what a template says of one replica alone."""
    with request_scope(get_account_id(), region):
        table = dynamodb._tables[name]  # noqa: SLF001 - the engine's own store
        table["DeletionProtectionEnabled"] = bool(replica.get("DeletionProtectionEnabled"))
        recovery = replica.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        patching.original(dynamodb, "_update_continuous_backups")(
            {
                "TableName": name,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": bool(recovery)},
            }
        )


def _mark_consistency(name: str, properties: dict[str, Any]) -> None:
    """Note on every replica whether the template wants strong consistency."""
    for region in {get_region(), *_replicas(properties)}:
        with request_scope(get_account_id(), region):
            table = dynamodb._tables[name]  # noqa: SLF001 - the engine's own store
            table[STRONG] = properties.get("MultiRegionConsistency") == "STRONG"


def _reconcile(name: str, old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> None:
    """Create and delete replicas until the table's regions are those of the template."""
    home = get_region()
    table = dynamodb._tables[name]  # noqa: SLF001 - the engine's own store
    updates = [{"Create": {"RegionName": region}} for region in sorted(new.keys() - old.keys() - {home})]
    updates += [{"Delete": {"RegionName": region}} for region in sorted(old.keys() - new.keys() - {home})]
    for update in updates:
        failure = patching.original(dynamodb, "_apply_replica_updates")(name, table, [update])
        if failure:
            raise ValueError(f"{_TYPE} {name}: {failure[2]!r}")
    for region, replica in new.items():
        _apply_own_settings(name, region, replica)


def install() -> None:
    """Wrap the engine's handlers of the resource type."""
    create_table = patching.original(provisioners, "_ddb_global_table_create")
    update_table = patching.original(provisioners, "_ddb_global_table_update")
    delete_table = patching.original(provisioners, "_ddb_global_table_delete")

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        name, attributes = create_table(logical_id, properties, stack)
        _reconcile(name, {}, _replicas(properties))
        _mark_consistency(name, properties)
        return name, attributes

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        name, attributes = update_table(physical_id, old, new, stack)
        _reconcile(name, _replicas(old), _replicas(new))
        return name, attributes

    def delete(physical_id: str, properties: dict[str, Any]) -> None:
        if physical_id in dynamodb._tables:  # noqa: SLF001 - the engine's own store
            _reconcile(physical_id, _replicas(properties), {})
        delete_table(physical_id, properties)

    handler = provisioners._RESOURCE_HANDLERS[_TYPE]  # noqa: SLF001 - the engine's own registry
    handler.update({"create": create, "update": update, "delete": delete})
