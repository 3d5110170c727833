"""Asking the audit: by whom, how far back, page by page; and what asking leaves behind."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.domain.access import Action, Caller, Resource
from strongroom_service.domain.audit import AuditAction, Phase, canonical
from strongroom_service.domain.audit_record import AuditLine
from strongroom_service.domain.errors import AccessDenied, AuditUnavailable, InvalidRequest, NotFound, StoreUnavailable
from strongroom_service.usecases.ask_audit import Answered, Question, ask_audit, read_receipt
from strongroom_service.usecases.ports import Kept
from tests.support.audit_index import Records
from tests.support.deployment import CALLER, NAME, Deployment

SECRET = "sec_0123-4567-89ab-cdef01234567"
NOTHING = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def add(deployment: Deployment, *ages: float, **said: Any) -> list[AuditLine]:
    """Records of so many seconds ago."""
    records = Records(deployment.randomness)
    made = [records.at(deployment.clock.now() - timedelta(seconds=age), **said) for age in ages]
    assert set(deployment.index.add(made)) == {Kept.STORED}
    return sorted(made, key=lambda record: record.event_id, reverse=True)


def ask(deployment: Deployment, **said: Any) -> Answered:
    return ask_audit(Question(**{"limit": 50, **said}), caller=CALLER, ports=deployment.write_ports())


def ids(answered: Answered) -> list[str]:
    return [str(proof.record["eventId"]) for proof in answered.records]


def last_event(deployment: Deployment) -> tuple[Phase, AuditAction, str]:
    event = deployment.audit.events[-1]
    return event.phase, event.action, event.outcome


def test_records_come_with_their_proof(deployment: Deployment) -> None:
    """A record that was changed where it lies does not pass for itself."""
    sound, other = add(deployment, 1, 2)
    deployment.index.lines.remove(other.line)
    deployment.index.lines.add(canonical({**other.fields, "outcome": "changed"}))
    first, second = ask(deployment, actor=sound.fields["actor"]).records
    assert (first.record, first.is_proven) == (sound.fields, True)
    assert str(first.receipt).startswith(f"{sound.event_id}.{'0' * 32}.")
    assert (second.record["outcome"], second.is_proven) == ("changed", False)


def test_asking_is_recorded_before_it_is_answered(deployment: Deployment) -> None:
    add(deployment, 1)
    ask(deployment, actor="iam:somebody", request_id="r-1")
    assert last_event(deployment) == (Phase.RELEASE, AuditAction.READ_AUDIT, "")
    assert deployment.audit.events[-1].path == "audit?actor=iam%3Asomebody&requestId=r-1"
    with deployment.failures.failing("audit", AuditUnavailable()), pytest.raises(AuditUnavailable):
        ask(deployment, actor="iam:somebody")


def test_an_index_that_does_not_answer_is_recorded_as_such(deployment: Deployment) -> None:
    for operation, call in (
        ("search", lambda: ask(deployment, actor="a")),
        ("find", lambda: read_receipt(NOTHING, caller=CALLER, ports=deployment.write_ports())),
    ):
        with (
            deployment.failures.failing(f"index.{operation}", StoreUnavailable()),
            pytest.raises(StoreUnavailable),
        ):
            call()
    assert (Phase.OUTCOME, AuditAction.READ_AUDIT, "store_unavailable") in [
        (event.phase, event.action, event.outcome) for event in deployment.audit.events
    ]


def test_the_tenants_audit_is_for_who_may_read_it(deployment: Deployment) -> None:
    deployment.policy.allowed = set(Action) - {Action.AUDIT_READ}
    with pytest.raises(AccessDenied):
        ask(deployment, actor="a")
    assert last_event(deployment) == (Phase.DENIAL, AuditAction.READ_AUDIT, "access_denied")
    assert deployment.failures.calls["index.search"] == 0


def test_owners_may_ask_about_their_secret_only(deployment: Deployment) -> None:
    """Who may have its denials explained; not about a secret that is not there, nor about anything else."""
    target = deployment.stored("value")
    (record,) = add(deployment, 1, secret_id=target.secret_id, environment=NAME.environment, path=NAME.path)
    add(deployment, 2)
    deployment.policy.allowed = {Action.EXPLAIN}
    assert ids(ask(deployment, secret_id=target.secret_id)) == [record.event_id]
    assert read_receipt(record.event_id, caller=CALLER, ports=deployment.write_ports()).is_proven
    for said in ({"secret_id": SECRET}, {"actor": "a"}, {"request_id": "r"}):
        with pytest.raises(AccessDenied):
            ask(deployment, **said)
    with pytest.raises(AccessDenied):
        read_receipt(NOTHING, caller=CALLER, ports=deployment.write_ports())


def test_the_policy_is_asked_about_the_secret(deployment: Deployment) -> None:
    """So an auditor of a part of a tenant sees that part."""
    target = deployment.stored("value")
    deployment.policy.rule = lambda _, resource: resource == Resource.of(NAME)
    (record,) = add(deployment, 1, secret_id=target.secret_id, environment=NAME.environment, path=NAME.path)
    (elsewhere,) = add(deployment, 1, environment=NAME.environment, path="other/secret")
    (tenant_wide,) = add(deployment, 1, environment="", path="policies/readers", secret_id="")
    assert ids(ask(deployment, secret_id=target.secret_id)) == [record.event_id]
    assert read_receipt(record.event_id, caller=CALLER, ports=deployment.write_ports()).is_proven
    for denied in (elsewhere, tenant_wide):
        with pytest.raises(AccessDenied):
            read_receipt(denied.event_id, caller=CALLER, ports=deployment.write_ports())


def test_a_secret_that_is_gone_can_still_be_asked_about(deployment: Deployment) -> None:
    """By who may read the tenant's audit."""
    (record,) = add(deployment, 1, secret_id=SECRET)
    assert ids(ask(deployment, secret_id=SECRET)) == [record.event_id]


def test_a_question_about_no_one_spans_a_day_at_most(deployment: Deployment) -> None:
    now = deployment.clock.now()
    made = add(deployment, 10, 12 * 3600, 13 * 3600, 23 * 3600)
    day = timedelta(days=1)
    assert len(ids(ask(deployment, since=now - day))) == len(made)
    assert ids(ask(deployment, since=now - day, limit=2)) == [record.event_id for record in made[:2]]
    wide: list[dict[str, Any]] = [
        {}, {"until": now}, {"since": now - day * 1.01}, {"since": now - day * 3, "until": now - day}
    ]  # fmt: skip
    for said in wide:
        with pytest.raises(InvalidRequest, match="at most 24 hours"):
            ask(deployment, **said)
    empty: list[dict[str, Any]] = [{"since": now}, {"since": now, "until": now - day, "actor": "a"}]
    for said in empty:
        with pytest.raises(InvalidRequest, match="must lie before to"):
            ask(deployment, **said)


def test_pages_go_on_over_midnight(deployment: Deployment) -> None:
    made = add(deployment, *range(0, 23 * 3600, 1800))
    since = deployment.clock.now() - timedelta(days=1)
    found: list[str] = []
    cursor = None
    for _ in range(20):
        answered = ask(deployment, since=since, limit=7, cursor=cursor)
        found += ids(answered)
        cursor = answered.next_cursor
        if cursor is None:
            break
    assert found == [record.event_id for record in made]


def test_a_cursor_belongs_to_its_tenant_and_question(deployment: Deployment) -> None:
    add(deployment, 1, 2, 3, actor="iam:a", request_id="r")
    cursor = ask(deployment, actor="iam:a", limit=1).next_cursor
    assert cursor is not None
    assert len(ids(ask(deployment, actor="iam:a", limit=10, cursor=cursor))) == 2
    other = replace(CALLER, tenant="other")
    encoded, _, binding = cursor.partition(".")
    misused: list[tuple[Caller, dict[str, Any]]] = [
        (CALLER, {"actor": "iam:b", "cursor": cursor}),
        (CALLER, {"actor": "iam:a", "request_id": "r", "cursor": cursor}),
        (other, {"actor": "iam:a", "cursor": cursor}),
        (CALLER, {"actor": "iam:a", "cursor": f"{encoded}A.{binding}"}),
        (CALLER, {"actor": "iam:a", "cursor": f"{encoded}.{'0' * 64}"}),
        (CALLER, {"actor": "iam:a", "cursor": f"____.{binding}"}),
    ]
    for caller, said in misused:
        with pytest.raises(InvalidRequest, match="nextCursor of the same query"):
            ask_audit(Question(limit=1, **said), caller=caller, ports=deployment.write_ports())


def test_a_receipt_is_looked_up_and_recorded(deployment: Deployment) -> None:
    (record,) = add(deployment, 1)
    proof = read_receipt(record.event_id, caller=CALLER, ports=deployment.write_ports())
    assert (proof.record, proof.is_proven) == (record.fields, True)
    assert last_event(deployment) == (Phase.RELEASE, AuditAction.READ_RECEIPT, "")
    assert deployment.audit.events[-1].secret_id == record.fields["secretId"]
    with pytest.raises(NotFound):
        read_receipt(NOTHING, caller=CALLER, ports=deployment.write_ports())
    assert last_event(deployment) == (Phase.OUTCOME, AuditAction.READ_RECEIPT, "not_found")


def test_who_may_not_know_is_told_the_same_whether_there_is_one(deployment: Deployment) -> None:
    (record,) = add(deployment, 1)
    deployment.policy.allowed = {Action.READ, Action.LIST}
    for event_id in (record.event_id, NOTHING):
        with pytest.raises(AccessDenied):
            read_receipt(event_id, caller=CALLER, ports=deployment.write_ports())
        assert last_event(deployment) == (Phase.DENIAL, AuditAction.READ_RECEIPT, "access_denied")
    assert deployment.failures.calls["index.find"] == 2
