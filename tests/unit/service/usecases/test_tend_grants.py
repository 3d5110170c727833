"""The worker of grants: what is over is closed, what was read is flagged, in time and however late it is known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom_service.domain import limits
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.break_glass import BreakGlass, GrantStatus
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    Conflict,
    DomainError,
    RegionFenced,
    StoreUnavailable,
)
from strongroom_service.domain.grants import GrantScope, reason_of
from strongroom_service.domain.names import Alias, Namespace, Selector
from strongroom_service.domain.secret import RotationDue, SecretStatus
from strongroom_service.usecases.change_secret import purge_secret
from strongroom_service.usecases.changing import Target
from strongroom_service.usecases.list_secrets import Query, list_secrets
from strongroom_service.usecases.ports import AuditPage, AuditQuery, ChangeLost
from strongroom_service.usecases.read_values import ReadItem, read_value
from strongroom_service.usecases.tend_grants import WORKER, tend_grants
from tests.support.break_glass_fakes import FakeIndex
from tests.support.deployment import CALLER, NAME, REPLICA, WRITER
from tests.support.emergency import RESPONDER, Emergency
from tests.support.fakes import Fence

MINUTE = timedelta(minutes=1)


@pytest.fixture
def emergency() -> Emergency:
    found = Emergency()
    found.deployment.stored("the-value")
    return found


def due(emergency: Emergency) -> RotationDue | None:
    return emergency.deployment.head().rotation_due


def ended(emergency: Emergency) -> BreakGlass:
    """A grant under which the secret was read, a minute after its end."""
    request = emergency.granted()
    emergency.read()
    emergency.clock.advance(16 * MINUTE)
    return request


def test_a_request_that_nobody_approved_lapses(emergency: Emergency) -> None:
    request = emergency.ask()
    assert emergency.tend().closed == 0
    emergency.clock.advance(limits.GRANT_REQUEST_TIME)
    assert emergency.tend().closed == 1
    assert emergency.stored(request).status is GrantStatus.LAPSED
    assert emergency.write_ports().grants.open_requests() == []
    assert "grant-lapsed" in emergency.events[-1].reasons


def test_a_grant_whose_time_is_over_leaves_the_access_set(emergency: Emergency) -> None:
    request = ended(emergency)
    assert set(emergency.set_in_force().grants) == {request.id}
    tended = emergency.tend()
    assert (tended.closed, tended.searched, tended.failure) == (1, 1, None)
    assert emergency.set_in_force().grants == {}
    assert emergency.stored(request).status is GrantStatus.ENDED


def test_the_end_is_audited_as_the_workers(emergency: Emergency) -> None:
    request = ended(emergency)
    before = len(emergency.events)
    emergency.tend({})
    events = emergency.events[before:]
    assert [(it.action, it.phase, it.outcome) for it in events] == [
        (AuditAction.END_GRANT, Phase.INTENT, ""),
        (AuditAction.END_GRANT, Phase.OUTCOME, "ok"),
    ]
    assert {it.actor for it in events} == {WORKER}
    assert {it.reasons for it in events} == {(reason_of(request.id), "grant-ended")}


def test_what_was_read_is_flagged_and_listed(emergency: Emergency) -> None:
    request = ended(emergency)
    emergency.tend()
    flag = due(emergency)
    assert flag is not None
    assert (flag.reason, flag.grant_id, flag.version) == ("break-glass", request.id, 1)
    assert flag.since == emergency.clock.now() - 16 * MINUTE
    reads = emergency.see(request).settling
    assert reads is not None
    assert [(it.path, it.version) for it in reads.reads] == [(NAME.path, 1)]
    update = [it for it in emergency.events if it.action is AuditAction.UPDATE]
    assert [(it.phase, it.reasons) for it in update] == [
        (Phase.INTENT, (reason_of(request.id),)),
        (Phase.OUTCOME, (reason_of(request.id),)),
    ]


def test_what_was_not_read_under_it_is_not_flagged(emergency: Emergency) -> None:
    """Neither the other secrets of the prefix, nor what the holder read by a role or under another grant."""
    other = replace(NAME, path="payments/other")
    emergency.deployment.stored("other-value", name=other)
    emergency.granted(scope=GrantScope(environment="prod", prefix="payments"))
    emergency.read(name=other)
    emergency.read(caller=CALLER)
    emergency.clock.advance(16 * MINUTE)
    emergency.tend()
    assert due(emergency) is None
    assert emergency.deployment.head(other).rotation_due is not None


def test_many_reads_are_found_page_by_page(emergency: Emergency) -> None:
    names = [replace(NAME, path=f"payments/{number}") for number in range(7)]
    for name in names:
        emergency.deployment.stored("v", name=name)
    request = emergency.granted(scope=GrantScope(environment="prod", prefix="payments"))
    for name in names:
        emergency.read(name=name)
    emergency.clock.advance(16 * MINUTE)
    emergency.tend()
    assert all(emergency.deployment.head(name).rotation_due for name in names)
    settling = emergency.stored(request).settling
    assert settling is not None
    assert [it.path for it in settling.reads] == [name.path for name in names]


def test_a_read_in_a_replica_region_is_flagged_where_is_written(emergency: Emergency) -> None:
    emergency.granted()
    emergency.deployment.arrive()
    emergency.read(region=REPLICA)
    emergency.clock.advance(16 * MINUTE)
    emergency.tend()
    assert due(emergency) is not None


def test_a_revoked_grants_reads_are_flagged_at_once(emergency: Emergency) -> None:
    request = emergency.granted()
    emergency.read()
    emergency.revoke(request)
    assert emergency.tend().searched == 1
    assert due(emergency) is not None


def test_a_region_that_does_not_answer_is_shown_and_asked_again(emergency: Emergency) -> None:
    """What the others told counts meanwhile."""
    request = ended(emergency)
    emergency.failures.plan(f"index.{REPLICA}", StoreUnavailable())
    tended = emergency.tend()
    assert (tended.searched, tended.unanswered, tended.failure) == (1, 1, None)
    assert due(emergency) is not None
    settling = emergency.stored(request).settling
    assert settling is not None
    assert settling.unanswered == (REPLICA,)
    emergency.clock.advance(MINUTE)
    assert emergency.tend().searched == 1
    settling = emergency.stored(request).settling
    assert settling is not None
    assert settling.unanswered == ()


def test_a_region_without_an_index_is_one_that_does_not_answer(emergency: Emergency) -> None:
    request = ended(emergency)
    indexes = {WRITER: FakeIndex(emergency.events, WRITER), REPLICA: None}
    emergency.clock.advance(limits.GRANT_SETTLING_TIME)
    emergency.tend(indexes)
    assert emergency.stored(request).is_open


@pytest.mark.parametrize("damage", [{"version": "one"}, {"time": "yesterday"}, {"path": "a//b"}, {"secretId": None}])
def test_a_record_that_cannot_be_understood_is_not_passed_over(emergency: Emergency, damage: dict[str, object]) -> None:
    """Its region counts as one that does not answer: the list does not become final without it."""
    request = ended(emergency)

    class Damaged(FakeIndex):
        def search(self, query: AuditQuery) -> AuditPage:
            page = super().search(query)
            spoilt = [{name: value for name, value in (it | damage).items() if value} for it in page.records]  # type: ignore[operator]  # records are dicts
            return replace(page, records=tuple(spoilt))

    emergency.clock.advance(limits.GRANT_SETTLING_TIME)
    assert emergency.tend({WRITER: Damaged(emergency.events, WRITER)}).unanswered == 1
    assert emergency.stored(request).is_open


def test_a_record_that_comes_late_is_found_by_a_later_search(emergency: Emergency) -> None:
    request = ended(emergency)
    late = FakeIndex(emergency.events, WRITER, late=lambda event: event.action is AuditAction.BREAK_GLASS)
    emergency.tend({WRITER: late})
    assert due(emergency) is None
    emergency.clock.advance(limits.GRANT_SETTLING_TIME / 2)
    emergency.tend()
    assert due(emergency) is not None
    assert emergency.stored(request).is_open


def test_after_some_hours_the_list_is_final(emergency: Emergency) -> None:
    request = ended(emergency)
    minutes = 0
    while emergency.stored(request).is_open:
        emergency.tend()
        emergency.clock.advance(MINUTE)
        minutes += 1
    assert timedelta(minutes=minutes) >= limits.GRANT_SETTLING_TIME - 2 * MINUTE
    # At growing distances: not once a minute.
    assert emergency.failures.calls[f"index.{WRITER}"] < 60
    settling = emergency.see(request).settling
    assert settling is not None
    assert settling.is_settled
    assert emergency.write_ports().grants.open_requests() == []
    emergency.failures.calls.clear()
    emergency.tend()
    assert emergency.failures.calls == {"grants.open_requests": 1}


def test_a_later_version_clears_the_flag_and_no_search_brings_it_back(emergency: Emergency) -> None:
    ended(emergency)
    emergency.tend()
    target = Target("default", name=NAME)
    emergency.deployment.promote(target, emergency.deployment.propose(target), 1)
    assert due(emergency) is None
    emergency.clock.advance(timedelta(hours=2))
    assert emergency.tend().searched == 1
    assert due(emergency) is None


def test_a_value_that_was_replaced_before_the_search_is_not_flagged(emergency: Emergency) -> None:
    ended(emergency)
    target = Target("default", name=NAME)
    emergency.deployment.promote(target, emergency.deployment.propose(target), 1)
    emergency.tend()
    assert due(emergency) is None


def test_rolling_back_clears_no_flag(emergency: Emergency) -> None:
    """Version 2 was read; version 1 is no later one."""
    target = Target("default", name=NAME)
    emergency.deployment.promote(target, emergency.deployment.propose(target), 1)
    ended(emergency)
    emergency.tend()
    emergency.deployment.promote(target, 1, 2)
    flag = due(emergency)
    assert flag is not None
    assert flag.version == 2


def test_a_pending_version_that_was_read_is_not_the_one_that_replaces_it(emergency: Emergency) -> None:
    """Both were read, so promoting the later of them leaves its value known."""
    target = Target("default", name=NAME)
    number = emergency.deployment.propose(target)
    emergency.deployment.move(target, Alias.NEXT, number, None)
    emergency.granted()
    for version in (None, "next"):
        item = ReadItem(NAME, Selector.parse(version))
        read_value(item, caller=RESPONDER, ports=emergency.read_ports())
    emergency.clock.advance(16 * MINUTE)
    emergency.tend()
    emergency.deployment.promote(target, number, 1)
    assert due(emergency) is not None
    emergency.deployment.promote(target, emergency.deployment.propose(target), number)
    assert due(emergency) is None


def test_a_second_grant_keeps_the_first_flag(emergency: Emergency) -> None:
    first = ended(emergency)
    emergency.tend()
    ended(emergency)
    emergency.tend()
    flag = due(emergency)
    assert flag is not None
    assert flag.grant_id == first.id


def test_a_secret_that_is_gone_is_not_flagged(emergency: Emergency) -> None:
    request = ended(emergency)
    purge_secret(target=Target("default", name=NAME), caller=CALLER, ports=emergency.deployment.write_ports())
    assert emergency.tend().failure is None
    assert emergency.deployment.head().status is SecretStatus.PURGED
    emergency.deployment.register()
    emergency.clock.advance(timedelta(hours=1))
    emergency.tend()
    assert due(emergency) is None
    settling = emergency.stored(request).settling
    assert settling is not None
    assert len(settling.reads) == 1


def test_the_flag_is_told_by_listings(emergency: Emergency) -> None:
    emergency.deployment.stored("v", name=replace(NAME, path="payments/other"))
    ended(emergency)
    emergency.tend()
    listed = list_secrets(
        Query(namespace=Namespace("default", "prod"), rotation_due=True, limit=50),
        caller=CALLER,
        ports=emergency.write_ports(),
    )
    assert [head.name.path for head in listed.heads] == [NAME.path]


def test_where_nothing_is_written_nothing_is_done(emergency: Emergency) -> None:
    ended(emergency)
    emergency.deployment.arrive()
    emergency.failures.calls.clear()
    tended = emergency.tend(region=REPLICA)
    assert not tended.is_writer
    assert emergency.failures.calls == {}


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("grants.load", StoreUnavailable()),
        ("grants.commit", StoreUnavailable()),
        ("access.pointer", StoreUnavailable()),
        ("access.replace", RegionFenced()),
        ("audit", AuditUnavailable()),
        ("store.load", StoreUnavailable()),
        ("store.commit", StoreUnavailable()),
    ],
)
def test_whatever_fails_the_next_minute_completes_it(emergency: Emergency, operation: str, error: DomainError) -> None:
    request = ended(emergency)
    with emergency.failures.failing(operation, error):
        tended = emergency.tend()
        assert tended.failure is error
        with pytest.raises((AccessDenied, DomainError)):
            emergency.read()
    emergency.clock.advance(MINUTE)
    assert emergency.tend().failure is None
    assert emergency.stored(request).status is GrantStatus.ENDED
    assert emergency.set_in_force().grants == {}
    assert due(emergency) is not None


def test_one_request_that_fails_does_not_keep_the_others_waiting(emergency: Emergency) -> None:
    first, second = emergency.granted(), emergency.granted()
    emergency.clock.advance(16 * MINUTE)
    emergency.failures.plan("access.replace", StoreUnavailable())
    tended = emergency.tend({})
    assert tended.closed == 1
    assert isinstance(tended.failure, StoreUnavailable)
    states = {emergency.stored(it).status for it in (first, second)}
    assert states == {GrantStatus.ACTIVE, GrantStatus.ENDED}


def test_when_its_time_is_over_it_stops_between_two_requests(emergency: Emergency) -> None:
    for _ in range(3):
        emergency.granted()
    emergency.clock.advance(16 * MINUTE)
    ticks = iter([True, True, False])
    tended = tend_grants({}, request_id="r", ports=emergency.write_ports(), has_time=lambda: next(ticks))
    assert tended.closed == 2


def test_a_fenced_region_closes_nothing(emergency: Emergency) -> None:
    request = ended(emergency)
    emergency.deployment.store.set_fence(Fence(2))
    assert isinstance(emergency.tend().failure, RegionFenced)
    assert emergency.stored(request).status is GrantStatus.ACTIVE


def test_a_secret_that_keeps_changing_is_flagged_by_a_later_minute(emergency: Emergency) -> None:
    request = ended(emergency)

    def always_lost(*_args: object, **_said: object) -> None:
        raise ChangeLost

    ports = emergency.write_ports()
    ports.store.commit = always_lost  # type: ignore[method-assign]  # a fake's own method
    tended = tend_grants(emergency.indexes(), request_id="r", ports=ports, has_time=lambda: True)
    del ports.store.commit
    assert isinstance(tended.failure, Conflict)
    settling = emergency.stored(request).settling
    assert settling is not None
    assert settling.scans == 0
    emergency.tend()
    assert due(emergency) is not None
