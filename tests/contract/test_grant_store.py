"""What every grant store promises, alone and together with the access set that a grant stands in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from strongroom_service.adapters.access_control import CedarAccess
from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.grant_items import DynamoGrantStore
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain import break_glass
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.break_glass import BreakGlass, GrantStatus, SecretRead
from strongroom_service.domain.errors import RegionFenced
from strongroom_service.domain.grants import GrantScope
from strongroom_service.domain.ids import grant_id
from strongroom_service.usecases.ports import ChangeLost, GrantChange, GrantStore
from tests.support.auditing import FakeMeasurements
from tests.support.break_glass_fakes import FakeAccessItems, FakeGrants
from tests.support.fakes import FakeTable, Fence
from tests.support.local_aws import REGION, TABLE, LocalAws

NOW = datetime(2030, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)


@dataclass
class Stored:
    """A store, the access sets in the same table, and its fences."""

    grants: GrantStore
    access: CedarAccess
    set_fence: Callable[[int, bool], None]

    def put(self, request: BreakGlass, token: str | None = None) -> BreakGlass:
        self.grants.commit(GrantChange(None, request, token), epoch=1)
        return request

    def in_force(self) -> tuple[AccessPointer | None, AccessSet]:
        return self.access.load("default")


@pytest.fixture(params=["fake", "dynamodb"])
def stored(request: pytest.FixtureRequest) -> Iterator[Stored]:
    if request.param == "fake":
        table = FakeTable()

        def set_fence(epoch: int, is_open: bool) -> None:  # noqa: FBT001  # a test's switch
            table.items["fence",] = Fence(epoch, is_open)

        items = FakeAccessItems(table)
        yield Stored(
            FakeGrants(table), CedarAccess(items=items, initial={}, measurements=FakeMeasurements()), set_fence
        )
        return
    aws: LocalAws = request.getfixturevalue("aws")
    aws.empty()
    with closing(AwsClient(region=REGION)) as client:
        randomness = SystemRandomness()
        dynamo = DynamoAccessItems(client=client, table=TABLE, randomness=randomness)
        yield Stored(
            DynamoGrantStore(client=client, table=TABLE, randomness=randomness),
            CedarAccess(items=dynamo, initial={}, measurements=FakeMeasurements()),
            lambda epoch, is_open: aws.set_fences(epoch=epoch, is_open=is_open),
        )


def pending(number: int = 0, *, tenant: str = "default") -> BreakGlass:
    time = NOW + timedelta(seconds=number)
    return BreakGlass(
        id=grant_id(time, SystemRandomness().token(10)),
        tenant=tenant,
        requester="iam:responder",
        scope=GrantScope(environment="prod", prefix="payments"),
        reason="why",
        ticket="INC-1",
        minutes=15,
        required=1,
        requested_at=time,
        epoch=1,
    )


def approved(request: BreakGlass, by: str = "iam:approver") -> BreakGlass:
    return break_glass.approve(request, by, required=1, epoch=1, now=NOW)


def settled(request: BreakGlass) -> BreakGlass:
    over = break_glass.at_time(request, epoch=1, now=NOW + timedelta(hours=1))
    read = SecretRead("sec_01234567", "payments/a", 2, NOW)
    return break_glass.searched(over, [read], [], epoch=1, now=NOW + timedelta(days=1))


def test_a_request_is_read_as_it_was_stored(stored: Stored) -> None:
    request = stored.put(pending())
    assert stored.grants.load("default", request.id) == request
    assert stored.grants.load("other", request.id) is None
    assert stored.grants.load("default", pending().id) is None


def test_a_change_is_stored_if_nothing_came_before_it(stored: Stored) -> None:
    request = stored.put(pending())
    refused = break_glass.refuse(request, "iam:a", epoch=1, now=NOW)
    stored.grants.commit(GrantChange(request, refused), epoch=1)
    assert stored.grants.load("default", request.id) == refused
    for before in (request, None):
        with pytest.raises(ChangeLost):
            stored.grants.commit(GrantChange(before, refused), epoch=1)


def test_a_client_token_is_used_once(stored: Stored) -> None:
    first = stored.put(pending(), "0f")
    other = pending()
    with pytest.raises(ChangeLost):
        stored.put(other, "0f")
    assert stored.grants.load("default", other.id) is None
    assert stored.grants.find("default", "0f") == first
    assert stored.grants.find("default", "1f") is None
    assert stored.grants.find("other", "0f") is None


def test_a_page_has_the_latest_first_and_goes_on(stored: Stored) -> None:
    made = [stored.put(pending(number), f"token-{number}") for number in range(5)]
    stored.put(pending(9, tenant="other"))
    found: list[BreakGlass] = []
    after = None
    while True:
        page = stored.grants.page("default", after=after, limit=2)
        assert len(page.requests) <= 2
        found += page.requests
        after = page.last
        if after is None:
            break
    assert found == made[::-1]
    assert stored.grants.page("nobody", after=None, limit=2).requests == ()


def test_open_requests_are_listed_until_nothing_is_left_to_do(stored: Stored) -> None:
    request, foreign = stored.put(pending()), stored.put(pending(tenant="other"))
    active = approved(request)
    over = break_glass.at_time(active, epoch=1, now=NOW + timedelta(hours=1))
    for before, after in ((request, active), (active, over)):
        stored.grants.commit(GrantChange(before, after), epoch=1)
        assert set(stored.grants.open_requests()) == {("default", request.id), ("other", foreign.id)}
    done = settled(active)
    stored.grants.commit(GrantChange(over, done), epoch=1)
    assert stored.grants.open_requests() == [("other", foreign.id)]
    assert stored.grants.load("default", request.id) == done


def test_a_grant_is_in_force_with_its_request_or_not_at_all(stored: Stored) -> None:
    request = stored.put(pending())
    active = approved(request)
    pointer, before = stored.in_force()
    after = before.with_grant(active.id, active.grant())
    stored.access.replace(pointer, after, epoch=1, grants=[GrantChange(request, active)])
    assert stored.in_force()[1].grants == {active.id: active.grant()}
    assert stored.grants.load("default", request.id) == active
    revoked = break_glass.revoke(active, "iam:a", epoch=1, now=NOW)
    pointer, before = stored.in_force()
    stored.access.replace(pointer, before.without_grant(active.id), epoch=1, grants=[GrantChange(active, revoked)])
    assert stored.in_force()[1].grants == {}


def test_a_request_that_has_changed_keeps_the_access_set_as_it_is(stored: Stored) -> None:
    request = stored.put(pending())
    refused = break_glass.refuse(request, "iam:a", epoch=1, now=NOW)
    stored.grants.commit(GrantChange(request, refused), epoch=1)
    active = approved(request)
    pointer, before = stored.in_force()
    with pytest.raises(ChangeLost):
        stored.access.replace(
            pointer, before.with_grant(active.id, active.grant()), epoch=1, grants=[GrantChange(request, active)]
        )
    assert stored.in_force() == (pointer, before)


def test_an_access_set_that_has_changed_keeps_the_request_as_it_is(stored: Stored) -> None:
    request = stored.put(pending())
    pointer, before = stored.in_force()
    stored.access.replace(pointer, before.with_group("team", []), epoch=1)
    active = approved(request)
    with pytest.raises(ChangeLost):
        stored.access.replace(
            pointer, before.with_grant(active.id, active.grant()), epoch=1, grants=[GrantChange(request, active)]
        )
    assert stored.grants.load("default", request.id) == request
    assert stored.in_force()[1].grants == {}


def test_a_closed_fence_keeps_everything_as_it_is(stored: Stored) -> None:
    request = stored.put(pending())
    active = approved(request)
    pointer, before = stored.in_force()
    for epoch, is_open in ((1, False), (2, True)):
        stored.set_fence(epoch, is_open)
        with pytest.raises(RegionFenced):
            stored.grants.commit(GrantChange(request, active), epoch=1)
        with pytest.raises(RegionFenced):
            stored.access.replace(
                pointer, before.with_grant(active.id, active.grant()), epoch=1, grants=[GrantChange(request, active)]
            )
    assert stored.grants.load("default", request.id) == request
    assert stored.in_force()[0] is None


def test_of_racing_changes_one_wins(aws: LocalAws) -> None:
    """Approvals from as many processes at once: one of them is stored, the others decide anew."""
    aws.empty()
    with closing(AwsClient(region=REGION)) as client:
        store = DynamoGrantStore(client=client, table=TABLE, randomness=SystemRandomness())
        request = pending()
        store.commit(GrantChange(None, request), epoch=1)

        def attempt(number: int) -> bool:
            waiting = replace(request, required=99)
            after = break_glass.approve(waiting, f"iam:{number}", required=99, epoch=1, now=NOW)
            try:
                store.commit(GrantChange(request, after), epoch=1)
            except ChangeLost:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(8))) == 1
        found = store.load("default", request.id)
        assert found is not None
        assert (found.status, len(found.approvals)) == (GrantStatus.PENDING, 1)
