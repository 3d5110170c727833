"""Fakes of what break-glass stands on: requests, access sets beside them, the audit's index, announcements."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.audit import AuditEvent, Chain
from strongroom_service.domain.break_glass import BreakGlass
from strongroom_service.domain.errors import RegionFenced
from strongroom_service.domain.times import from_rfc3339
from strongroom_service.usecases.ports import (
    Announcement,
    AuditPage,
    AuditQuery,
    ChangeLost,
    GrantChange,
    GrantPage,
    HeadQuery,
    NotAnnounced,
    Snapshot,
)
from tests.support.fakes import Failures, FakeHeads, FakeTable, Fence, Key


def check_fence(table: FakeTable, epoch: int) -> None:
    if table.items.get(("fence",), Fence(1)) != Fence(epoch):
        raise RegionFenced


def checked_changes(table: FakeTable, change: GrantChange) -> dict[Key, object]:
    """What a change writes; raises `ChangeLost`."""
    before, after = change.before, change.after
    key: Key = ("grant", after.tenant, after.id)
    stored = table.items.get(key)
    if _state(stored) != _state(before):
        raise ChangeLost
    changes: dict[Key, object] = {key: after}
    if before is None:
        changes["open grant", after.tenant, after.id] = True
    elif before.is_open and not after.is_open:
        changes["open grant", after.tenant, after.id] = None
    if change.token is not None:
        token: Key = ("grant token", after.tenant, change.token)
        if token in table.items:
            raise ChangeLost
        changes[token] = after.id
    return changes


def _state(request: object) -> tuple[int, int] | None:
    return (request.epoch, request.revision) if isinstance(request, BreakGlass) else None


class FakeGrants:
    """The grant store port over a table in memory."""

    def __init__(self, table: FakeTable, failures: Failures | None = None) -> None:
        self.table = table
        self.failures = failures or Failures()

    def load(self, tenant: str, grant_id: str) -> BreakGlass | None:
        self.failures.check("grants.load")
        found = self.table.items.get(("grant", tenant, grant_id))
        return found if isinstance(found, BreakGlass) else None

    def find(self, tenant: str, token: str) -> BreakGlass | None:
        self.failures.check("grants.find")
        grant_id = self.table.items.get(("grant token", tenant, token))
        return self.load(tenant, grant_id) if isinstance(grant_id, str) else None

    def page(self, tenant: str, *, after: str | None, limit: int) -> GrantPage:
        self.failures.check("grants.page")
        mine = [it for key, it in self.table.items.items() if key[:2] == ("grant", tenant)]
        found = sorted((it for it in mine if isinstance(it, BreakGlass)), key=lambda it: it.id, reverse=True)
        left = [it for it in found if after is None or it.id < after]
        page = left[:limit]
        return GrantPage(tuple(page), page[-1].id if len(page) == limit else None)

    def open_requests(self) -> Sequence[tuple[str, str]]:
        self.failures.check("grants.open_requests")
        return sorted((str(key[1]), str(key[2])) for key in self.table.items if key[0] == "open grant")

    def commit(self, change: GrantChange, *, epoch: int) -> None:
        self.failures.check("grants.commit")
        check_fence(self.table, epoch)
        self.table.write(checked_changes(self.table, change))


class FakeAccessItems:
    """Where access sets are stored, for the real access control."""

    def __init__(self, table: FakeTable, failures: Failures | None = None) -> None:
        self.table = table
        self.failures = failures or Failures()

    def pointer(self, tenant: str) -> AccessPointer | None:
        self.failures.check("access.pointer")
        return pointer_in(self.table, tenant)

    def document(self, tenant: str, pointer: AccessPointer) -> bytes | None:
        self.failures.check("access.document")
        found = self.table.items.get(("access document", tenant, pointer.digest))
        return found if isinstance(found, bytes) else None

    def replace(
        self,
        tenant: str,
        before: AccessPointer | None,
        after: AccessPointer,
        document: bytes,
        *,
        epoch: int,
        grants: Sequence[GrantChange] = (),
    ) -> None:
        self.failures.check("access.replace")
        check_fence(self.table, epoch)
        self.table.write({("access document", tenant, after.digest): document})
        if pointer_in(self.table, tenant) != before:
            raise ChangeLost
        changes: dict[Key, object] = {("access pointer", tenant): after}
        for change in grants:
            changes |= checked_changes(self.table, change)
        self.table.write(changes)


def pointer_in(table: FakeTable, tenant: str) -> AccessPointer | None:
    found = table.items.get(("access pointer", tenant))
    return found if isinstance(found, AccessPointer) else None


class HeadsAndAccess(FakeHeads):
    """The head reader with the pointer to the access set beside the heads."""

    def fetch(self, queries: Sequence[HeadQuery]) -> Snapshot:
        return replace(super().fetch(queries), access=pointer_in(self.table, queries[0].name.tenant))


@dataclass
class FakeIndex:
    """One region's audit index over the events that a log holds; those of `late` have not arrived yet."""

    events: Sequence[AuditEvent]
    region: str
    failures: Failures = field(default_factory=Failures)
    late: Callable[[AuditEvent], bool] = lambda _event: False

    def search(self, query: AuditQuery) -> AuditPage:
        self.failures.check(f"index.{self.region}")
        assert query.secret_id or query.actor or query.request_id
        found = [
            record
            for event in self.events
            if event.region == self.region and not self.late(event) and _matches(record := as_record(event), query)
        ]
        start = int(query.after or 0)
        # A page of two: whoever does not go on sees too little.
        end = start + min(query.limit, 2)
        return AuditPage(tuple(found[start:end]), str(end) if end < len(found) else None)

    def find(self, tenant: str, event_id: str) -> dict[str, Any] | None:
        raise NotImplementedError


def as_record(event: AuditEvent) -> dict[str, Any]:
    """An event as it stands in the index."""
    record: dict[str, Any] = json.loads(Chain("0" * 32).seal([event])[0].line)
    return record


def _matches(record: dict[str, Any], query: AuditQuery) -> bool:
    time = from_rfc3339(record["time"])
    return (
        record["tenant"] == query.tenant
        and query.actor in {None, record["actor"]}
        and (query.since is None or time >= query.since)
        and (query.until is None or time <= query.until)
    )


@dataclass
class FakeAnnouncements:
    """The announcements port, kept; those whose title is in `refused` are not taken."""

    made: list[Announcement] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def publish(self, announcement: Announcement) -> None:
        if announcement.title in self.refused:
            raise NotAnnounced
        self.made.append(announcement)
