"""Puts the replication knob between a table's write and its replicas."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb

from infra.local.emulator import patching
from infra.local.emulator.global_tables import STRONG
from infra.local.emulator.patching import Untyped
from infra.local.emulator.replicator import Replicator, Write


def install() -> Replicator:
    """Put the knob between a table's write and its replicas."""
    replicate_at_once = patching.original(dynamodb, "_replicate_write")
    key_value = patching.original(dynamodb, "_extract_key_val")
    replicator = Replicator()

    def wake(delay: float) -> None:
        asyncio.get_running_loop().call_later(delay, replicator.deliver_due)

    replicator.wake = wake

    def send_to(region: str, table: dict[str, Any], event: str, old: Untyped, new: Untyped) -> Callable[[], None]:
        account, source = get_account_id(), get_region()
        # As they are now: the source's table may change the very same objects before they arrive.
        old, new = copy.deepcopy(old), copy.deepcopy(new)

        def apply() -> None:
            # The original sends to the whole group: a copy that names this destination alone narrows it.
            with request_scope(account, source):
                replicate_at_once({**table, "_global_regions": [source, region]}, event, old, new)

        return apply

    def replicate(table: dict[str, Any], event: str, old: Untyped, new: Untyped) -> None:
        regions = [region for region in table.get("_global_regions") or [] if region != get_region()]
        if not regions:
            return
        if table.get(STRONG):
            # Strongly consistent replicas acknowledge a write together: there is no lag to turn.
            replicate_at_once(table, event, old, new)
            return
        item = new if new is not None else old
        parts = [table["pk_name"], table["sk_name"]]
        key = "\x1f".join(str(key_value(item.get(name))) for name in parts if name)
        account, source, name, written_at = get_account_id(), get_region(), table["TableName"], replicator.stamp()
        replicator.note_local(account=account, region=source, table=name, key=key, written_at=written_at)
        for region in regions:
            replicator.send(
                Write(
                    account=account,
                    source=source,
                    destination=region,
                    table=name,
                    key=key,
                    written_at=written_at,
                    due=replicator.clock() + replicator.delay_of(region),
                    apply=send_to(region, table, event, old, new),
                )
            )

    patching.replace(dynamodb, "_replicate_write", replicate)
    return replicator
