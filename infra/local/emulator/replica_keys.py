"""`AWS::KMS::ReplicaKey` in CloudFormation, on MiniStack's own ReplicateKey."""

import json
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import kms
from ministack.services.cloudformation import provisioners

from infra.local.emulator import patching

_HTTP_OK = 200


def install() -> None:
    """Register the resource type."""
    replicate = patching.original(kms, "_replicate_key")
    apply_properties = patching.original(provisioners, "_kms_apply_key_props")
    tags_of = patching.original(provisioners, "_kms_tags")
    delete_key = patching.original(provisioners, "_kms_key_delete")

    def attributes(record: dict[str, Any]) -> dict[str, str]:
        return {"Arn": record["Arn"], "KeyId": record["KeyId"]}

    def create(logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        primary = str(properties["PrimaryKeyArn"])
        region = get_region()
        request = {
            "KeyId": primary,
            "ReplicaRegion": region,
            "Description": properties.get("Description", ""),
            "Tags": tags_of(properties),
            "Policy": json.dumps(properties["KeyPolicy"]),
        }
        # ReplicateKey is a call to the primary's region; the stack lives in the replica's.
        with request_scope(get_account_id(), primary.split(":")[3]):
            status, _headers, body = replicate(request)
        if status != _HTTP_OK:
            raise ValueError(f"AWS::KMS::ReplicaKey {logical_id}: {json.loads(body).get('message')}")
        record = kms._keys[json.loads(body)["ReplicaKeyMetadata"]["KeyId"]]  # noqa: SLF001 - the engine's own store
        apply_properties(record, {k: v for k, v in properties.items() if k == "Enabled"})
        return record["KeyId"], attributes(record)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        if old.get("PrimaryKeyArn") != new.get("PrimaryKeyArn"):
            raise ValueError("AWS::KMS::ReplicaKey: PrimaryKeyArn cannot be changed")
        record = kms._keys[physical_id]  # noqa: SLF001 - the engine's own store
        record["Description"] = new.get("Description", "")
        record["Policy"] = json.dumps(new["KeyPolicy"])
        record["Tags"] = tags_of(new)
        apply_properties(record, {k: v for k, v in new.items() if k == "Enabled"})
        return physical_id, attributes(record)

    provisioners._RESOURCE_HANDLERS["AWS::KMS::ReplicaKey"] = {  # noqa: SLF001 - the engine's own registry
        "create": create,
        "update": update,
        "delete": delete_key,
    }
