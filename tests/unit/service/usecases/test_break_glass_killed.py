"""The process dies at any point of any change of a grant; and several act at once.

The points are found as in `test_killed`: before and after every call to what is behind the use cases.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.audit import Phase
from strongroom_service.domain.break_glass import BreakGlass, GrantStatus
from strongroom_service.domain.errors import AccessDenied, Conflict, DomainError
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases import break_glass
from strongroom_service.usecases.ports import ChangeLost, WritePorts
from strongroom_service.usecases.tend_grants import tend_grants
from tests.support.emergency import APPROVER, APPROVER2, RESPONDER, SCOPE, Emergency
from tests.unit.service.usecases.test_killed import Killable, Killed, Killer

ASK = break_glass.Ask(scope=SCOPE, reason="why", ticket="INC-1", minutes=15, client_token="token-of-a-call")


@dataclass(frozen=True)
class Step:
    """A change, and what has to be there before it."""

    call: Callable[[BreakGlass | None, WritePorts, Emergency], object]
    before: Callable[[Emergency], BreakGlass | None]


def tend(_request: BreakGlass | None, ports: WritePorts, emergency: Emergency) -> object:
    tended = tend_grants(emergency.indexes(), request_id="minute", ports=ports, has_time=lambda: True)
    if tended.failure:
        raise tended.failure
    return tended


def over(emergency: Emergency) -> BreakGlass:
    request = emergency.granted()
    emergency.read()
    emergency.clock.advance(timedelta(minutes=16))
    return request


def late(emergency: Emergency) -> BreakGlass:
    request = emergency.ask()
    emergency.clock.advance(timedelta(hours=1))
    return request


def by_id(call: Callable[..., BreakGlass]) -> Callable[[BreakGlass | None, WritePorts, Emergency], object]:
    def made(request: BreakGlass | None, ports: WritePorts, _emergency: Emergency) -> object:
        assert request is not None
        return call(request.id, caller=APPROVER, ports=ports)

    return made


STEPS = {
    "ask": Step(lambda _, ports, __: break_glass.request_grant(ASK, caller=RESPONDER, ports=ports), lambda _: None),
    "approve": Step(by_id(break_glass.approve_grant), lambda it: it.ask()),
    "refuse": Step(by_id(break_glass.refuse_grant), lambda it: it.ask()),
    "revoke": Step(by_id(break_glass.revoke_grant), lambda it: it.granted()),
    "end": Step(tend, over),
    "lapse": Step(tend, late),
}


def prepared(step: Step) -> tuple[Emergency, BreakGlass | None]:
    emergency = Emergency()
    emergency.deployment.stored("the-value")
    return emergency, step.before(emergency)


def killable(ports: WritePorts, killer: Killer) -> WritePorts:
    mortal: dict[str, Any] = {
        name: Killable(getattr(ports, name), killer) for name in ("store", "audit", "grants", "access")
    }
    return replace(ports, **mortal)


def state(emergency: Emergency) -> object:
    """Everything that is stored about grants and secrets, but for ids made by chance and numbers of tries."""
    requests = []
    for key, value in sorted(emergency.deployment.table.items.items(), key=repr):
        if isinstance(value, BreakGlass):
            settling = value.settling
            requests.append((value.status, len(value.approvals), value.until, settling and settling.reads))
        elif key[0] in {"open grant", "grant token"}:
            requests.append((key[0],))  # type: ignore[arg-type]  # only compared
    due = emergency.deployment.head().rotation_due
    return requests, len(emergency.set_in_force().grants), due and (due.reason, due.version)


def assert_whole(emergency: Emergency) -> None:
    """The access set has just those grants whose requests are active, and open requests are listed."""
    table = emergency.deployment.table.items
    requests = [it for it in table.values() if isinstance(it, BreakGlass)]
    active = {it.id for it in requests if it.status is GrantStatus.ACTIVE}
    assert set(emergency.set_in_force().grants) == active
    assert {key[2] for key in table if key[0] == "open grant"} == {it.id for it in requests if it.is_open}


@pytest.mark.parametrize("name", STEPS)
def test_a_change_that_was_killed_anywhere_is_completed_by_the_next_call(name: str) -> None:
    step = STEPS[name]
    finished, request = prepared(step)
    killer = Killer()
    step.call(request, killable(finished.write_ports(), killer), finished)
    assert killer.points > 6, "a change without store and audit"
    for point in range(1, killer.points + 1):
        emergency, request = prepared(step)
        before, recorded = state(emergency), len(emergency.events)
        with pytest.raises(Killed):
            step.call(request, killable(emergency.write_ports(), Killer(at=point)), emergency)
        assert_whole(emergency)
        if state(emergency) != before:
            phases = {event.phase for event in emergency.events[recorded:]}
            assert Phase.INTENT in phases, f"{point}: a change without its intent"
        step.call(request, emergency.write_ports(), emergency)
        assert_whole(emergency)
        assert state(emergency) == state(finished), f"killed at {point}"


class Interleaved:
    """A port during whose first write another call is made whole."""

    def __init__(self, port: Any, name: str, other: Callable[[], object]) -> None:
        self._port, self._name, self._other = port, name, other

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name != self._name:
            return found

        def call(*args: Any, **said: Any) -> Any:
            other, self._other = self._other, lambda: None
            other()
            return found(*args, **said)

        return call


def interleaved(ports: WritePorts, other: Callable[[], object]) -> WritePorts:
    """Just before the first write of these ports, `other` happens."""
    done: list[bool] = []

    def once() -> None:
        if not done:
            done.append(True)
            other()

    wrapped: dict[str, Any] = {
        "grants": Interleaved(ports.grants, "commit", once),
        "access": Interleaved(ports.access, "replace", once),
    }
    return replace(ports, **wrapped)


def test_two_approvals_at_once_are_both_counted_and_start_one_grant() -> None:
    emergency = Emergency(approvals=2)
    request = emergency.ask()
    ports = interleaved(emergency.write_ports(), lambda: emergency.approve(request, APPROVER2))
    done = break_glass.approve_grant(request.id, caller=APPROVER, ports=ports)
    assert (done.status, len(done.approvals)) == (GrantStatus.ACTIVE, 2)
    assert emergency.stored(request) == done
    assert_whole(emergency)


def test_of_two_last_approvals_at_once_one_counts_and_the_other_is_told() -> None:
    emergency = Emergency()
    request = emergency.ask()
    ports = interleaved(emergency.write_ports(), lambda: emergency.approve(request, APPROVER2))
    with pytest.raises(Conflict, match="ACTIVE already"):
        break_glass.approve_grant(request.id, caller=APPROVER, ports=ports)
    stored = emergency.stored(request)
    assert (stored.status, [it.principal for it in stored.approvals]) == (
        GrantStatus.ACTIVE,
        [APPROVER2.principal.id],
    )
    assert emergency.set_in_force().revision == 1
    assert_whole(emergency)


def test_two_requests_with_one_client_token_at_once_are_one() -> None:
    emergency = Emergency()

    def ask(ports: WritePorts) -> BreakGlass:
        return break_glass.request_grant(ASK, caller=RESPONDER, ports=ports)

    made = ask(interleaved(emergency.write_ports(), lambda: ask(emergency.write_ports())))
    (other,) = emergency.write_ports().grants.open_requests()
    assert other == ("default", made.id)


def test_who_loses_the_right_to_approve_meanwhile_does_not() -> None:
    emergency = Emergency()
    request = emergency.ask()

    def withdraw() -> None:
        pointer, found = emergency.access().load("default")
        for name, entry in found.policies.items():
            if isinstance(entry, RoleBinding) and entry.role is Role.APPROVER:
                found = replace(found.without_policy(name), revision=1)
        emergency.access().replace(pointer, found, epoch=1)

    ports = interleaved(emergency.write_ports(), withdraw)
    with pytest.raises(AccessDenied):
        break_glass.approve_grant(request.id, caller=APPROVER, ports=ports)
    assert emergency.stored(request).status is GrantStatus.PENDING
    assert emergency.events[-1].outcome == "access_denied"


@pytest.mark.parametrize("operation", ["commit", "replace"])
def test_changes_that_keep_coming_first_end_in_a_conflict(operation: str) -> None:
    emergency = Emergency()
    request = emergency.ask()

    class Losing:
        def __init__(self, port: Any) -> None:
            self._port = port

        def __getattr__(self, name: str) -> Any:
            return self._lose if name == operation else getattr(self._port, name)

        @staticmethod
        def _lose(*_args: object, **_said: object) -> None:
            raise ChangeLost

    ports = emergency.write_ports()
    losing: Any = {"grants": Losing(ports.grants), "access": Losing(ports.access)}
    ports = replace(ports, **losing)
    calls: dict[str, tuple[Callable[[], object], ...]] = {
        "commit": (
            lambda: break_glass.request_grant(ASK, caller=RESPONDER, ports=ports),
            lambda: break_glass.refuse_grant(request.id, caller=APPROVER, ports=ports),
        ),
        "replace": (lambda: break_glass.approve_grant(request.id, caller=APPROVER, ports=ports),),
    }
    for call in calls[operation]:
        with pytest.raises(Conflict, match="coming first"):
            call()
    assert emergency.deployment.slept
    assert emergency.stored(request) == request


def test_a_grant_that_is_missing_from_the_access_set_still_ends() -> None:
    """Whoever puts an older set in force by hand takes grants out with it."""
    emergency = Emergency()
    request = emergency.granted()
    pointer, found = emergency.access().load("default")
    emergency.access().replace(pointer, found.without_grant(request.id), epoch=1)
    revision = emergency.set_in_force().revision
    assert emergency.revoke(request).status is GrantStatus.REVOKED
    assert emergency.set_in_force().revision == revision


def test_a_revocation_and_an_approval_at_once_leave_no_grant() -> None:
    emergency = Emergency()
    request = emergency.ask()
    ports = interleaved(emergency.write_ports(), lambda: emergency.revoke(request, RESPONDER))
    with pytest.raises(DomainError, match="REVOKED"):
        break_glass.approve_grant(request.id, caller=APPROVER, ports=ports)
    assert_whole(emergency)
    assert emergency.set_in_force().grants == {}


def test_two_workers_at_once_end_a_grant_once() -> None:
    emergency = Emergency()
    emergency.deployment.stored("the-value")
    over(emergency)
    ports = interleaved(emergency.write_ports(), emergency.tend)
    tended = tend_grants(emergency.indexes(), request_id="minute", ports=ports, has_time=lambda: True)
    assert (tended.closed, tended.failure) == (0, None)
    assert emergency.deployment.head().rotation_due is not None
    assert_whole(emergency)


def test_a_worker_and_a_revocation_at_once() -> None:
    emergency = Emergency()
    emergency.deployment.stored("the-value")
    request = emergency.granted()
    other = emergency.granted()
    ports = interleaved(emergency.write_ports(), lambda: emergency.revoke(other))
    break_glass.revoke_grant(request.id, caller=APPROVER, ports=ports)
    assert {emergency.stored(it).status for it in (request, other)} == {GrantStatus.REVOKED}
    assert_whole(emergency)


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "approve", "refuse", "revoke", "tend", "read"]),
        st.sampled_from([RESPONDER, APPROVER, APPROVER2]),
        st.integers(0, 3),
        st.timedeltas(timedelta(0), timedelta(minutes=20)),
        st.none() | st.integers(1, 12),
    ),
    max_size=16,
)


@settings(max_examples=150, deadline=None)
@given(calls=CALLS)
def test_in_any_order_with_deaths_in_between_access_and_requests_agree(
    calls: list[tuple[str, Any, int, timedelta, int | None]],
) -> None:
    """And who reads without a role has an active grant that another approved, whatever happened before."""
    emergency = Emergency()
    emergency.deployment.stored("the-value")
    made: list[BreakGlass] = []
    for verb, caller, which, later, death in calls:
        emergency.clock.advance(later)
        ports = killable(emergency.write_ports(), Killer(at=death))
        request = made[which % len(made)] if made else None
        try:
            if verb == "ask":
                made.append(break_glass.request_grant(replace(ASK, client_token=None), caller=caller, ports=ports))
            elif verb == "tend":
                tend(None, ports, emergency)
            elif verb == "read":
                emergency.read(caller=caller)
                now = emergency.clock.now()
                holds = [emergency.stored(it) for it in made if it.requester == caller.principal.id]
                assert any(
                    it.status is GrantStatus.ACTIVE
                    and it.until is not None
                    and now < it.until
                    and all(by.principal != it.requester for by in it.approvals)
                    for it in holds
                )
            elif request is not None:
                getattr(break_glass, f"{verb}_grant")(request.id, caller=caller, ports=ports)
        except (DomainError, Killed):
            pass
        assert_whole(emergency)
