"""A fake of both sides of the audit index, and records to put into it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from strongroom_service.domain.audit import AuditEvent, Chain
from strongroom_service.domain.audit_record import AuditLine, parse_line
from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.ids import uuid7, uuid7_time
from strongroom_service.usecases.ports import AuditPage, AuditQuery, Kept, UnreadableLine
from tests.support.auditing import EVENT
from tests.support.fakes import Failures, FakeAuditLog, FakeClock, FakeRandomness

_KEPT = timedelta(days=90)


@dataclass
class FakeAuditIndex:
    """Records in memory, looked through from the newest on."""

    clock: FakeClock = field(default_factory=FakeClock)
    failures: Failures = field(default_factory=Failures)
    lines: set[bytes] = field(default_factory=set)
    aside: list[UnreadableLine] = field(default_factory=list)
    outcomes: dict[str, Kept] = field(default_factory=dict)
    """What becomes of the records of certain events; of all others: stored."""
    takes_aside: bool = True
    log: FakeAuditLog | None = None
    """What is recorded here is found too, as if it had been indexed at once."""
    others: list[dict[str, Any]] = field(default_factory=list)
    """Records from elsewhere: as they were stored, of whatever format."""

    def add(self, records: Sequence[AuditLine]) -> Sequence[Kept]:
        kept = [self.outcomes.get(record.event_id, Kept.STORED) for record in records]
        self.lines |= {record.line for record, it in zip(records, kept, strict=True) if it is Kept.STORED}
        return kept

    def keep_aside(self, lines: Sequence[UnreadableLine]) -> bool:
        if self.takes_aside:
            self.aside += lines
        return self.takes_aside

    def search(self, query: AuditQuery) -> AuditPage:
        self.failures.check("index.search")
        wanted = [it for it in self._newest_first(query.tenant) if _is_wanted(it, query)]
        end = query.limit
        # Different records of one event are not torn apart: a page's end is told by an event.
        while end < len(wanted) and wanted[end]["eventId"] == wanted[end - 1]["eventId"]:
            end += 1
        page = wanted[:end]
        return AuditPage(tuple(page), page[-1]["eventId"] if len(wanted) > len(page) else None)

    def find(self, tenant: str, event_id: str) -> Mapping[str, Any] | None:
        self.failures.check("index.find")
        found = [it for it in self._newest_first(tenant) if it["eventId"] == event_id]
        if len(found) > 1:
            raise IntegrityFailure
        return found[0] if found else None

    def search_all(self, tenant: str = "default") -> list[Mapping[str, Any]]:
        """Every record of a tenant, for tests to look at."""
        return self._newest_first(tenant)

    def _newest_first(self, tenant: str) -> list[Mapping[str, Any]]:
        oldest = self.clock.now() - _KEPT
        logged = [it.line for it in Chain("0" * 32).seal(self.log.events)] if self.log else []
        records = [*(json.loads(line) for line in (*self.lines, *logged)), *self.others]
        kept = [it for it in records if it["tenant"] == tenant and uuid7_time(it["eventId"]) > oldest]
        return sorted(kept, key=lambda it: (it["eventId"], it.get("hash", "")), reverse=True)


def _is_wanted(record: Mapping[str, Any], query: AuditQuery) -> bool:
    made = uuid7_time(record["eventId"])
    return (
        query.secret_id in {None, record["secretId"]}
        and query.actor in {None, record["actor"]}
        and query.request_id in {None, record["requestId"]}
        and query.day in {None, made.date()}
        and (query.since is None or query.since <= made)
        and (query.until is None or made < query.until)
        and (query.after is None or record["eventId"] < query.after)
    )


@dataclass
class Records:
    """Makes records as the platform does: chained, each with an id of its time."""

    randomness: FakeRandomness = field(default_factory=FakeRandomness)
    chain: Chain = field(default_factory=lambda: Chain("0" * 32))

    def at(self, time: datetime, **said: Any) -> AuditLine:
        event: AuditEvent = replace(EVENT, **{"event_id": uuid7(time, self.randomness.token(10)), "time": time, **said})
        (sealed,) = self.chain.seal([event])
        return parse_line(sealed.line.removesuffix(b"\n"))
