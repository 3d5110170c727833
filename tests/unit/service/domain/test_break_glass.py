"""Requests for grants in any order of calls and times: who counts, when it ends, and that nothing leads back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.domain import break_glass, limits
from strongroom_service.domain.access import Resource
from strongroom_service.domain.break_glass import BreakGlass, GrantStatus, SecretRead, Settling
from strongroom_service.domain.errors import AccessDenied, Conflict, InvalidRequest
from strongroom_service.domain.grants import GrantScope

NOW = datetime(2030, 1, 1, 12, 0, 0, 700_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REQUESTER, OTHERS = "iam:requester", ("iam:a", "iam:b", "iam:c")
SCOPE = GrantScope(environment="prod", prefix="payments")


def pending(*, required: int = 1, minutes: int = 15) -> BreakGlass:
    return BreakGlass(
        id="bg_1",
        tenant="default",
        requester=REQUESTER,
        scope=SCOPE,
        reason="why",
        ticket="INC-1",
        minutes=minutes,
        required=required,
        requested_at=NOW,
        epoch=1,
    )


def approve(request: BreakGlass, principal: str = "iam:a", *, required: int = 1, now: datetime = NOW) -> BreakGlass:
    return break_glass.approve(request, principal, required=required, epoch=1, now=now)


def active() -> BreakGlass:
    return approve(pending())


def ended(now: datetime = NOW + 15 * MINUTE) -> BreakGlass:
    return break_glass.at_time(active(), epoch=1, now=now)


def test_an_approval_starts_the_time_in_whole_seconds() -> None:
    request = active()
    assert (request.status, request.active_from) == (GrantStatus.ACTIVE, NOW)
    assert request.until == NOW.replace(microsecond=0) + 15 * MINUTE


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["approve", "refuse", "revoke", "time"]),
        st.sampled_from([REQUESTER, *OTHERS]),
        st.timedeltas(timedelta(0), timedelta(minutes=40)),
    ),
    max_size=14,
)
FINAL = {GrantStatus.ENDED, GrantStatus.REFUSED, GrantStatus.REVOKED, GrantStatus.LAPSED}


@given(steps=STEPS, required=st.integers(1, 3), minutes=st.integers(1, limits.MAX_GRANT_MINUTES))
def test_in_any_order_of_calls_and_times(steps: list[tuple[str, str, timedelta]], required: int, minutes: int) -> None:
    """Approvers are others and count once; a grant lasts its minutes and no longer; what is over stays over."""
    request, now = pending(required=required, minutes=minutes), NOW
    for step, principal, later in steps:
        now += later
        before = request
        try:
            if step == "approve":
                request = approve(request, principal, required=required, now=now)
            elif step == "refuse":
                request = break_glass.refuse(request, principal, epoch=1, now=now)
            elif step == "revoke":
                request = break_glass.revoke(request, principal, epoch=1, now=now)
            else:
                request = break_glass.at_time(request, epoch=1, now=now)
        except (AccessDenied, Conflict):
            request = before
        approvers = [it.principal for it in request.approvals]
        assert REQUESTER not in approvers
        assert len(set(approvers)) == len(approvers)
        assert request.revision == before.revision + (request is not before)
        if before.status in FINAL:
            assert request is before
        if request.until is not None:
            assert request.active_from is not None
            assert len(approvers) >= required
            assert request.active_from < NOW + limits.GRANT_REQUEST_TIME
            assert request.until - request.active_from <= timedelta(minutes=minutes)
            assert before.until in {None, request.until}
        if request.status is GrantStatus.ACTIVE and request is not before:
            assert request.grant().is_active(now)
        if request.status in FINAL:
            assert request.closed_at is not None
            assert request.closed_at <= now
            assert (request.settling is not None) == (request.until is not None)


@pytest.mark.parametrize("required", [1, 2, 3])
def test_as_many_others_as_are_required_approve(required: int) -> None:
    request = pending(required=required)
    for count, principal in enumerate(OTHERS[:required], 1):
        assert request.status is GrantStatus.PENDING
        request = approve(request, principal, required=required)
        assert len(request.approvals) == count
    assert request.status is GrantStatus.ACTIVE


def test_the_requester_is_told_so() -> None:
    with pytest.raises(AccessDenied, match="their own"):
        approve(pending(), REQUESTER)


def test_an_hour_later_it_is_too_late() -> None:
    late = NOW + limits.GRANT_REQUEST_TIME
    assert approve(pending(), now=late - timedelta(milliseconds=1)).status is GrantStatus.ACTIVE
    with pytest.raises(Conflict, match="LAPSED"):
        approve(pending(), now=late)
    with pytest.raises(Conflict, match="LAPSED"):
        break_glass.refuse(pending(), "b", epoch=1, now=late)


def test_a_grant_that_is_over_is_approved_revoked_or_refused_no_more() -> None:
    over = NOW + 15 * MINUTE
    with pytest.raises(Conflict, match="ENDED"):
        approve(active(), now=over)
    for change in (break_glass.revoke, break_glass.refuse):
        with pytest.raises(Conflict, match="ENDED"):
            change(active(), "b", epoch=1, now=over)


def test_time_closes_at_its_own_moment_however_late_it_is_seen() -> None:
    assert ended(NOW + timedelta(days=3)).closed_at == active().until
    lapsed = break_glass.at_time(pending(), epoch=1, now=NOW + timedelta(days=3))
    assert (lapsed.status, lapsed.closed_at, lapsed.is_open) == (
        GrantStatus.LAPSED,
        NOW + limits.GRANT_REQUEST_TIME,
        False,
    )


def read(secret: str = "sec_1", version: int = 1, at: datetime = NOW) -> SecretRead:  # an id
    return SecretRead(secret, f"payments/{secret}", version, at)


def test_what_was_read_is_gathered_over_searches() -> None:
    """Each secret once, with its highest version and latest time, by path."""
    request = break_glass.searched(ended(), [read("sec_2"), read("sec_1")], [], epoch=1, now=NOW + 15 * MINUTE)
    more = [read("sec_2", version=3, at=NOW + MINUTE), read("sec_3")]
    request = break_glass.searched(request, more, [], epoch=1, now=NOW + 20 * MINUTE)
    assert request.settling is not None
    assert request.settling.reads == (read("sec_1"), read("sec_2", version=3, at=NOW + MINUTE), read("sec_3"))


def test_searches_grow_rarer_and_come_back_each_minute_while_a_region_is_silent() -> None:
    request, waits = ended(), []
    for unanswered in ([], [], ["us-west-2"], [], [], [], []):
        now = request.settling.due  # type: ignore[union-attr]  # it is over
        request = break_glass.searched(request, [], unanswered, epoch=1, now=now)
        waits.append((request.settling.due - now) // MINUTE)  # type: ignore[union-attr]
    assert waits == [2, 4, 1, 8, 16, 32, 32]


def test_a_list_is_final_once_all_regions_answered_late_enough() -> None:
    late = NOW + 15 * MINUTE + limits.GRANT_SETTLING_TIME
    early = break_glass.searched(ended(), [], [], epoch=1, now=late - MINUTE)
    silent = break_glass.searched(ended(), [], ["us-west-2"], epoch=1, now=late)
    assert (early.is_open, silent.is_open) == (True, True)
    settled = break_glass.searched(silent, [], [], epoch=1, now=late + MINUTE)
    assert (settled.is_open, settled.settling) == (
        False,
        Settling(due=late + 3 * MINUTE, scans=1, is_settled=True),
    )


def test_only_a_grant_that_was_active_and_is_over_has_reads() -> None:
    lapsed = break_glass.at_time(pending(), epoch=1, now=NOW + timedelta(days=1))
    for request in (pending(), active(), lapsed):
        with pytest.raises(ValueError, match="no reads"):
            break_glass.searched(request, [], [], epoch=1, now=NOW)
    with pytest.raises(ValueError, match="no grant"):
        pending().grant()


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({"environment": "prod"}, ["path"]),
        ({"environment": "prod", "path": "a", "prefix": "b"}, ["path"]),
        ({"environment": "PROD", "path": "a"}, ["environment"]),
        ({"environment": "prod", "path": "a//b"}, ["path"]),
        ({"environment": "prod", "prefix": ""}, ["prefix"]),
        ({"environment": "prod", "prefix": "/"}, ["prefix"]),
        ({"environment": "prod", "prefix": "../a"}, ["prefix"]),
    ],
)
def test_a_scope_is_one_path_or_one_prefix(said: dict[str, str], fields: list[str]) -> None:
    """A whole environment is none."""
    with pytest.raises(InvalidRequest) as refused:
        GrantScope.parse(environment=said["environment"], path=said.get("path"), prefix=said.get("prefix"))
    assert [it.field for it in refused.value.violations] == fields


@pytest.mark.parametrize(
    ("path", "covered"),
    [("payments", True), ("payments/a", True), ("payments/a/b", True), ("payments2/a", False), ("a/payments", False)],
)
def test_a_prefix_covers_whole_segments(path: str, covered: bool) -> None:  # noqa: FBT001  # pytest's parameter
    assert SCOPE.covers(Resource("default", "prod", path)) is covered
    assert not SCOPE.covers(Resource("default", "dev", path))
    assert not SCOPE.covers(Resource("default", "prod"))


def test_a_path_covers_itself_alone() -> None:
    scope = GrantScope(environment="prod", path="payments")
    assert scope.covers(Resource("default", "prod", "payments"))
    assert not scope.covers(Resource("default", "prod", "payments/a"))


def test_two_requests_are_the_same_by_what_they_ask_for() -> None:
    request = pending()
    assert request.asks_the_same(replace(request, id="bg_2", requested_at=NOW + MINUTE))
    for said in ({"minutes": 2}, {"reason": "other"}, {"ticket": "2"}, {"requester": "x"}):
        assert not request.asks_the_same(replace(request, **said))
