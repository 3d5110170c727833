"""Asking the audit of this region: who did what, and whether a receipt is of a record that is there.

Who may read the audit of a tenant may ask anything of it; who may read that of a secret, or may have denials of it
explained (its owners), may ask for the records about this one secret. Asking is recorded before it is answered.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Caller, Decision, Resource
from strongroom_service.domain.audit import AuditAction, Phase, Receipt
from strongroom_service.domain.audit_record import is_event_id, proves_itself, receipt_of
from strongroom_service.domain.errors import AccessDenied, DomainError, InvalidRequest, NotFound, Violation
from strongroom_service.domain.times import rfc3339

from .authorising import decide
from .changing import Target, locate
from .ports import AuditPage, AuditQuery, WritePorts
from .recording import Recorder, Subject

_CURSOR: Final = Violation("cursor", "must be the nextCursor of the same query")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. Times are `since` (included) and `until` (not included)."""

    secret_id: str | None = None
    actor: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    limit: int

    def conditions(self) -> Mapping[str, str]:
        """The question in a few words, without where to go on."""
        asked = {
            "secretId": self.secret_id,
            "actor": self.actor,
            "requestId": self.request_id,
            "from": None if self.since is None else rfc3339(self.since),
            "to": None if self.until is None else rfc3339(self.until),
        }
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Proof:
    """A record as it is stored, its receipt, and whether its hash is the one that its fields make."""

    record: Mapping[str, Any]
    receipt: Receipt
    is_proven: bool

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Proof":
        """Calculate the hash anew."""
        return cls(record, receipt_of(record), proves_itself(record))


@dataclass(frozen=True, slots=True)
class Answered:
    """One page, newest first; a page may be short or empty and still have a next one."""

    records: tuple[Proof, ...]
    next_cursor: str | None


def ask_audit(question: Question, *, caller: Caller, ports: WritePorts) -> Answered:
    """Look for records.

    Raises:
        AccessDenied: the caller may read neither the tenant's audit nor that of the secret.
        InvalidRequest: the question spans too much, or the cursor is another question's.
        AuditUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.READ_AUDIT)
    decision, subject = _authorise(question, caller=caller, ports=ports)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    _check_range(question, now=ports.clock.now())
    after = _open_cursor(question, tenant=caller.tenant)
    try:
        page = _search(question, after, tenant=caller.tenant, ports=ports)
    except DomainError as error:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=error.code))
        raise
    recorder.record(recorder.event(Phase.RELEASE, decision, subject))
    return Answered(
        tuple(map(Proof.of, page.records)),
        None if page.last is None else _seal_cursor(page.last, question, tenant=caller.tenant),
    )


def read_receipt(event_id: str, *, caller: Caller, ports: WritePorts) -> Proof:
    """The record of one event.

    Raises:
        AccessDenied: the caller may not know what the record is about, or whether there is one.
        NotFound, AuditUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.READ_RECEIPT)
    record = ports.index.find(caller.tenant, event_id)
    subject = Subject() if record is None else _subject_of(record)
    decision = _decide(caller, _resource_of(caller.tenant, record), ports, explains=bool(subject.secret_id))
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    if record is None:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=NotFound.code))
        raise NotFound("There is no such record in this region, or it is older than 90 days.")
    recorder.record(recorder.event(Phase.RELEASE, decision, subject))
    return Proof.of(record)


def _authorise(question: Question, *, caller: Caller, ports: WritePorts) -> tuple[Decision, Subject]:
    if question.secret_id is None:
        decision = _decide(caller, Resource(caller.tenant), ports, explains=False)
        return decision, Subject(path=f"audit?{urlencode(question.conditions())}")
    located = locate(Target(caller.tenant, secret_id=question.secret_id), ports)
    # An unknown secret is asked of the tenant: who may ask anything hears of nothing, everybody else is refused.
    resource = Resource.of(located.name) if located.name else Resource(caller.tenant)
    decision = _decide(caller, resource, ports, explains=located.name is not None)
    if located.name is None:
        return decision, Subject(secret_id=question.secret_id)
    return decision, Subject(located.name.environment, located.name.path, question.secret_id)


def _decide(caller: Caller, resource: Resource, ports: WritePorts, *, explains: bool) -> Decision:
    """May the audit be read; or, of one secret, may its denials be explained."""
    policy = ports.access.current(caller.tenant)
    decision = decide(policy, caller, [Action.AUDIT_READ], resource, ports)
    if decision.allowed or not explains:
        return decision
    explained = decide(policy, caller, [Action.EXPLAIN], resource, ports)
    return explained if explained.allowed else decision


def _subject_of(record: Mapping[str, Any]) -> Subject:
    return Subject(record["environment"], record["path"], record["secretId"], int(record["version"]))


def _resource_of(tenant: str, record: Mapping[str, Any] | None) -> Resource:
    """What a record is about: a secret, a part of an environment, or the tenant as a whole. So is no record."""
    if record is None:
        return Resource(tenant)
    environment = record["environment"]
    return Resource(tenant, environment, record["path"] or None) if environment else Resource(tenant)


def _check_range(question: Question, *, now: datetime) -> None:
    """Raises `InvalidRequest`."""
    since, until = question.since, question.until
    if since is not None and since >= (until or now):
        raise InvalidRequest([Violation("from", "must lie before to, and in the past")])
    if question.secret_id is None and question.actor is None and question.request_id is None:
        hours = limits.MAX_OPEN_AUDIT_RANGE // timedelta(hours=1)
        rule = f"must be given, and lie at most {hours} hours before to, without secretId, actor and requestId"
        if since is None or (until or now) - since > limits.MAX_OPEN_AUDIT_RANGE:
            raise InvalidRequest([Violation("from", rule)])


def _search(question: Question, after: str | None, *, tenant: str, ports: WritePorts) -> AuditPage:
    query = AuditQuery(
        tenant=tenant,
        secret_id=question.secret_id,
        actor=question.actor,
        request_id=question.request_id,
        since=question.since,
        until=question.until,
        after=after,
        limit=question.limit,
    )
    if question.secret_id is not None or question.actor is not None or question.request_id is not None:
        return ports.index.search(query)
    found: list[Mapping[str, Any]] = []
    for day_query in _day_by_day(query, now=ports.clock.now()):
        page = ports.index.search(replace(day_query, limit=query.limit - len(found)))
        found += page.records
        if page.last is not None or len(found) >= query.limit:
            # A day that ends with a full page has, for all that is known, another before it.
            last = page.last or str(found[-1]["eventId"])
            return AuditPage(tuple(found), last)
    return AuditPage(tuple(found), None)


def _day_by_day(query: AuditQuery, *, now: datetime) -> Iterator[AuditQuery]:
    """The days of a range, the latest first."""
    day = (query.until or now).date()
    first = (query.since or now).date()
    while day >= first:
        yield replace(query, day=day)
        day -= timedelta(days=1)


def _seal_cursor(event_id: str, question: Question, *, tenant: str) -> str:
    encoded = base64.urlsafe_b64encode(event_id.encode()).decode("ascii").rstrip("=")
    return f"{encoded}.{_binding(event_id, question, tenant=tenant)}"


def _open_cursor(question: Question, *, tenant: str) -> str | None:
    """The event to go on after. Raises `InvalidRequest` for a cursor of another question."""
    if question.cursor is None:
        return None
    encoded, _, binding = question.cursor.partition(".")
    try:
        event_id = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        raise InvalidRequest([_CURSOR]) from None
    if not is_event_id(event_id) or binding != _binding(event_id, question, tenant=tenant):
        raise InvalidRequest([_CURSOR])
    return event_id


def _binding(event_id: str, question: Question, *, tenant: str) -> str:
    """What binds a cursor to its tenant and question.

    No secret: every page is authorised anew, and a cursor that was made up shows nothing that the question does not.
    """
    parts = (tenant, urlencode(question.conditions()), event_id)
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
