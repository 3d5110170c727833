"""A proposed set over recorded requests: what would be decided differently, all of it, page by page."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.domain import limits
from strongroom_service.domain.access_set import CedarText, PolicyEntry
from strongroom_service.domain.audit import AuditAction, AuditEvent, Phase
from strongroom_service.domain.errors import AccessDenied, AuditUnavailable, InvalidRequest, StoreUnavailable, Throttled
from strongroom_service.domain.grants import Grant, GrantScope
from strongroom_service.domain.ids import uuid7
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.access_proposal import AccessProposal
from strongroom_service.usecases.replay_access import Replayed, ReplayQuery, replay
from tests.support.access import APP, AUDITOR, OTHER, Governed, caller
from tests.support.auditing import EVENT
from tests.support.deployment import REPLICA

TENANT = "default"


@pytest.fixture
def governed() -> Governed:
    return Governed()


def id_of(governed: Governed, number: int, *, tail: int = 0) -> str:
    """The id of an event of so many minutes ago: it begins with its time, as every event's does."""
    return uuid7(governed.clock.now() - timedelta(minutes=number), tail.to_bytes(10, "big"))


def event(governed: Governed, number: int = 0, **said: Any) -> AuditEvent:
    """A read that was allowed, so many minutes ago."""
    return replace(
        EVENT,
        event_id=id_of(governed, number),
        operation_id=f"operation-{number:04}",
        request_id=f"asked-{number}",
        time=governed.clock.now() - timedelta(minutes=number),
        actor=APP,
        path=said.pop("path", f"payments/{number}"),
        permissions=said.pop("permissions", ("secret:read",)),
        authentication="iam",
        **said,
    )


def run(
    governed: Governed,
    policies: dict[str, PolicyEntry | None] | None = None,
    *,
    actor: str = AUDITOR,
    region: str = "us-east-1",
    **said: Any,
) -> Replayed:
    proposal = AccessProposal(policies=policies or {}, groups=said.pop("groups", {}))
    query = ReplayQuery(**{"proposal": proposal, "days": 7, "limit": 100, **said})
    return replay(query, caller=caller(actor), ports=governed.write_ports(region=region))


def everything(governed: Governed, policies: dict[str, PolicyEntry | None], **said: Any) -> list[Replayed]:
    pages = [run(governed, policies, **said)]
    while pages[-1].next_cursor is not None:
        pages.append(run(governed, policies, cursor=pages[-1].next_cursor, **said))
    return pages


def ids(pages: Iterable[Replayed]) -> list[str]:
    return [it.request.event_id for page in pages for it in page.changed]


WITHOUT_THE_READER: dict[str, PolicyEntry | None] = {"deployment-3": None}


def test_each_decision_that_would_change_is_listed_with_what_was_and_would_be(governed: Governed) -> None:
    governed.audit.events += [
        event(governed, 1),
        event(governed, 2, allowed=False, phase=Phase.DENIAL, reasons=("no-permit",), path="other/x"),
    ]
    other = RoleBinding(role=Role.READER, principal=APP, environment="prod", prefix="other")
    replayed = run(governed, {"deployment-3": None, "other": other})
    assert (replayed.examined, replayed.not_replayable, replayed.next_cursor) == (2, 0, None)
    told = [
        (it.request.event_id, it.request.allowed, it.in_force.allowed, it.proposed.allowed, it.proposed.reasons)
        for it in replayed.changed
    ]
    assert told == [
        (id_of(governed, 1), True, True, False, ("no-permit",)),
        (id_of(governed, 2), False, False, True, ("other role:reader@prod/other",)),
    ]


def test_what_stays_is_not_listed(governed: Governed) -> None:
    governed.audit.events += [event(governed, 1)]
    forbid = CedarText('forbid(principal, action, resource in Environment::"test");')
    assert run(governed, {"p": forbid}).changed == ()


def test_a_grant_of_now_changes_nothing_of_what_was_decided_before_it(governed: Governed) -> None:
    denied = event(governed, 1, allowed=False, phase=Phase.DENIAL, reasons=("no-permit",), path="elsewhere/x")
    governed.audit.events += [denied]
    scope = GrantScope(environment="prod", path="elsewhere/x")
    until = governed.clock.now() + timedelta(minutes=10)
    governed.items.put(governed.in_force().with_grant("bg", Grant(principal=APP, scope=scope, until=until)))
    assert ids(everything(governed, {})) == []


def test_what_was_decided_by_policies_of_before_is_listed_too(governed: Governed) -> None:
    """The record says otherwise than what is in force; the reader sees all three."""
    governed.audit.events += [event(governed, 1, path="other/x")]
    (changed,) = run(governed).changed
    assert (changed.request.allowed, changed.in_force.allowed, changed.proposed.allowed) == (True, False, False)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ('context.sourceAddress.isInRange(ip("10.0.0.0/8"))', {"source_ip": "10.1.2.3"}),
        ('context.region == "us-west-2"', {"region": "us-west-2"}),
        ('context.time < datetime("2029-12-31T00:00:00Z")', {"number": 60 * 24 * 3}),
        ("context.authenticationAge == 77", {"authentication_age": 77}),
        (f'principal == Principal::"{OTHER}"', None),
    ],
)
def test_requests_are_asked_again_in_the_circumstances_of_then(
    governed: Governed, condition: str, said: dict[str, Any] | None
) -> None:
    matching = replace(event(governed, 2), actor=OTHER) if said is None else event(governed, **{"number": 2, **said})
    governed.audit.events += [event(governed, 1), matching]
    forbid = CedarText(f'forbid(principal, action == Action::"secret:read", resource) when {{ {condition} }};')
    open_to_other = RoleBinding(role=Role.READER, principal=OTHER)
    governed.items.put(governed.in_force().with_policy("other", open_to_other))
    assert ids([run(governed, {"p": forbid})]) == [matching.event_id]


def test_a_change_needs_all_of_its_permissions(governed: Governed) -> None:
    put = event(governed, 1, permissions=("secret:write", "secret:promote"), action=AuditAction.PUT, allowed=False)
    governed.audit.events += [put]
    rotator = RoleBinding(role=Role.ROTATOR, principal=APP)
    (changed,) = run(governed, {"p": rotator}).changed
    assert changed.proposed.allowed
    writes = CedarText(f'permit(principal == Principal::"{APP}", action == Action::"secret:write", resource);')
    assert run(governed, {"p": writes}).changed == ()


@pytest.mark.parametrize(
    ("permission", "environment", "path"),
    [
        ("policy:write", "", "policies/x"),
        ("policy:read", "prod", "payments/x"),
        ("audit:read", "", ""),
        ("secret:rewrap", "prod", "payments/x"),
        ("secret:list", "prod", ""),
        ("secret:list", "prod", "payments/"),
        ("secret:read", "", ""),
    ],
)
def test_each_action_is_asked_on_its_own_kind_of_resource(
    governed: Governed, permission: str, environment: str, path: str
) -> None:
    """By what is recorded: a policy's name is no secret's path."""
    governed.audit.events += [event(governed, 1, permissions=(permission,), environment=environment, path=path)]
    everything_ = CedarText(f'permit(principal == Principal::"{APP}", action, resource);')
    tenant = CedarText("forbid(principal, action, resource) when { resource is Tenant };")
    environments = CedarText("forbid(principal, action, resource) when { resource is Environment };")
    governed.items.put(governed.in_force().with_policy("all", everything_))
    on_tenant = permission in {"policy:write", "policy:read", "audit:read"}
    on_environment = permission == "secret:rewrap" or (permission == "secret:list" and not path)
    changed = {it.request.event_id for it in run(governed, {"p": tenant}).changed}
    assert (id_of(governed, 1) in changed) is on_tenant
    changed = {it.request.event_id for it in run(governed, {"p": environments}).changed}
    assert (id_of(governed, 1) in changed) is on_environment


def test_what_no_policy_decided_is_counted(governed: Governed) -> None:
    """Grants, records from before questions were recorded, and what is no record at all."""
    governed.audit.events += [
        event(governed, 1, permissions=()),
        event(governed, 2, action=AuditAction.BREAK_GLASS),
        replace(event(governed, 3), authentication=""),
    ]
    stamp = "2030-01-01T11:00:00.000Z"
    kept = {"secretId": "", "actor": APP, "requestId": "r"}
    first = {
        **kept, "formatVersion": 1, "eventId": id_of(governed, 60), "operationId": "o", "phase": "RELEASE",
        "time": stamp, "tenant": TENANT, "environment": "prod", "path": "x", "action": "READ", "decision": "ALLOW",
        "reason": [], "sourceIp": "", "region": "us-east-1",
    }  # fmt: skip
    governed.index.others += [
        first,
        {**kept, "eventId": id_of(governed, 60, tail=1), "time": stamp, "tenant": TENANT},
        {**first, "eventId": id_of(governed, 60, tail=2), "action": "FROM_THE_FUTURE"},
        {**first, "eventId": id_of(governed, 60, tail=3), "permissions": ["secret:unknown"]},
    ]
    replayed = run(governed, WITHOUT_THE_READER)
    assert (replayed.examined, replayed.not_replayable, replayed.changed) == (7, 7, ())


def test_an_intent_and_its_outcome_are_one_decision(governed: Governed) -> None:
    intent = event(governed, 1, phase=Phase.INTENT)
    outcome = replace(intent, event_id=id_of(governed, 1, tail=9), phase=Phase.OUTCOME)
    governed.audit.events += [
        intent,
        outcome,
        replace(intent, event_id=id_of(governed, 1, tail=5), path="payments/another"),
    ]
    assert len(run(governed, WITHOUT_THE_READER).changed) == 2


@pytest.mark.parametrize("limit", [1, 7, 100, 500])
def test_pages_have_every_record_once(governed: Governed, limit: int) -> None:
    """Over days and the index's own pages; what is recorded meanwhile moves nothing."""
    step = 60 * 5
    events = [event(governed, number * step) for number in range(1, 30)]
    governed.audit.events += events
    pages = everything(governed, WITHOUT_THE_READER, limit=limit)
    assert ids(pages) == [it.event_id for it in events]
    assert all(page.examined <= limit for page in pages)
    assert sum(page.examined for page in pages) >= len(events)


def test_only_the_days_that_were_asked_for_are_replayed(governed: Governed) -> None:
    day = 24 * 60
    governed.audit.events += [event(governed, number) for number in (2 * day - 1, 2 * day + 1)]
    assert len(ids([run(governed, WITHOUT_THE_READER, days=2)])) == 1
    assert len(ids([run(governed, WITHOUT_THE_READER, days=3)])) == 2


def test_a_call_ends_when_its_time_is_over_and_says_where(governed: Governed) -> None:
    governed.audit.events += [event(governed, number) for number in range(1, 250)]
    search = governed.index.search

    def slow(query: Any) -> Any:
        governed.clock.advance(limits.REPLAY_BUDGET)
        return search(query)

    governed.index.search = slow  # type: ignore[method-assign]  # a fake's own method
    first = run(governed, WITHOUT_THE_READER, limit=500)
    assert (first.examined, first.next_cursor is not None) == (100, True)
    assert len(ids(everything(governed, WITHOUT_THE_READER, limit=500))) == 249


@pytest.mark.parametrize(
    "change",
    [
        {"days": 8},
        {"policies": {}},
        {"groups": {"team": [APP]}},
        {"region": REPLICA},
        {"cursor": "W10." + "0" * 64},
        {"cursor": "made-up"},
        {"cursor": "!." + "0" * 64},
    ],
)
def test_a_cursor_is_good_for_its_query_only(governed: Governed, change: dict[str, Any]) -> None:
    governed.audit.events += [event(governed, number) for number in range(1, 5)]
    said = {"policies": WITHOUT_THE_READER, "cursor": run(governed, WITHOUT_THE_READER, limit=1).next_cursor}
    with pytest.raises(InvalidRequest, match="cursor"):
        run(governed, **{**said, **change})


def test_another_tenants_records_are_not_replayed(governed: Governed) -> None:
    governed.audit.events += [replace(event(governed, 1), tenant="other")]
    assert ids([run(governed, WITHOUT_THE_READER)]) == []


@pytest.mark.parametrize("actor", [APP, OTHER])
def test_who_may_not_replay_is_denied(governed: Governed, actor: str) -> None:
    with pytest.raises(AccessDenied):
        run(governed, actor=actor)
    assert governed.audit.events[-1].permissions == ("policy:read", "audit:read")
    assert "index.search" not in governed.failures.calls


def test_seeing_policies_is_not_enough(governed: Governed) -> None:
    """A replay shows records of the audit."""
    text = CedarText(f'permit(principal == Principal::"{OTHER}", action == Action::"policy:read", resource);')
    governed.items.put(governed.in_force().with_policy("p", text))
    with pytest.raises(AccessDenied):
        run(governed, actor=OTHER)


@pytest.mark.parametrize("error", [StoreUnavailable(), Throttled()])
def test_an_index_that_does_not_answer_is_an_error(governed: Governed, error: StoreUnavailable | Throttled) -> None:
    governed.failures.plan("index.search", error)
    with pytest.raises(type(error)):
        run(governed)


def test_nothing_is_told_without_a_record(governed: Governed) -> None:
    governed.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        run(governed)
    assert "index.search" not in governed.failures.calls


def test_broken_proposals_ring_nothing(governed: Governed) -> None:
    governed.audit.events += [event(governed, 1)]
    text = CedarText("forbid(principal, action, resource) when { 9223372036854775807 + 1 > 0 };")
    (changed, *_) = run(governed, {"p": text}).changed
    assert changed.proposed.reasons == ("evaluation-error",)
    assert governed.rung == 0
