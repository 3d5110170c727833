"""Which access set decides: the latest that is known, whole and unspoilt, or nothing at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from strongroom_service.adapters.access_control import CedarAccess
from strongroom_service.adapters.dynamodb.access_codec import decode_pointer, encode_pointer
from strongroom_service.domain.access import AccessRequest, Action, Resource
from strongroom_service.domain.access_set import AccessPointer, AccessSet, CedarText
from strongroom_service.domain.errors import AccessSetUnavailable, InvalidRequest, StoreUnavailable
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.ports import Metric, Policy
from tests.support.access import FakeAccessItems
from tests.support.auditing import FakeMeasurements

APP, OTHER = "iam:app", "iam:other"
READ = AccessRequest(
    APP, Action.READ, Resource("default", "prod", "x"), "192.0.2.1", datetime(2030, 1, 1, tzinfo=UTC), "us-east-1"
)
NOTHING = AccessSet("default", 1)
OPEN = NOTHING.with_policy("p", RoleBinding(role=Role.READER, principal=APP))
CLOSED = OPEN.without_policy("p")


class Stored:
    """The access ports over a table in memory."""

    def __init__(self) -> None:
        self.items = FakeAccessItems()
        self.measurements = FakeMeasurements()
        initial = {"default": [RoleBinding(role=Role.READER, principal=OTHER)]}
        self.access = CedarAccess(items=self.items, initial=initial, measurements=self.measurements)

    @property
    def rung(self) -> int:
        return self.measurements.counts[Metric.ACCESS_BROKEN]


@pytest.fixture
def stored() -> Stored:
    return Stored()


def who(policy: Policy) -> list[str]:
    return [principal for principal in (APP, OTHER) if policy.decide(replace(READ, principal=principal)).allowed]


def test_before_the_first_set_the_deployments_options_decide(stored: Stored) -> None:
    assert who(stored.access.at("default", None)) == [OTHER]
    assert who(stored.access.at("unheard-of", None)) == []


def test_a_moved_pointer_decides_the_next_request(stored: Stored) -> None:
    opened = stored.items.put(OPEN)
    assert who(stored.access.at("default", opened)) == [APP]
    assert who(stored.access.at("default", stored.items.put(CLOSED))) == []


def test_a_set_is_loaded_once(stored: Stored) -> None:
    pointer = stored.items.put(OPEN)
    for _ in range(3):
        stored.access.at("default", pointer)
    assert stored.items.failures.calls["access.document"] == 1


def test_a_pointer_that_goes_backwards_opens_nothing(stored: Stored) -> None:
    """Copies of the pointer arrive in a region one by one; what was taken away must not come back meanwhile."""
    before, after = stored.items.put(OPEN), stored.items.put(CLOSED)
    assert who(stored.access.at("default", after)) == []
    assert who(stored.access.at("default", before)) == []
    assert who(stored.access.at("default", None)) == []


def test_a_later_writers_set_is_later_whatever_its_revision(stored: Stored) -> None:
    old = stored.items.put(replace(CLOSED, revision=9))
    new = stored.items.put(OPEN, epoch=2)
    assert who(stored.access.at("default", new)) == [APP]
    assert who(stored.access.at("default", old)) == [APP]


def test_tenants_are_apart(stored: Stored) -> None:
    pointer = stored.items.put(OPEN)
    theirs = stored.items.put(replace(OPEN, tenant="other"))
    assert who(stored.access.at("default", pointer)) == [APP]
    assert who(stored.access.at("other", theirs)) == []


def test_few_sets_are_kept(stored: Stored) -> None:
    for number in range(70):
        stored.access.at(f"tenant-{number}", None)
    assert len(stored.access._known) == 64


def missing(items: FakeAccessItems, pointer: AccessPointer) -> None:
    del items.documents["default", pointer.digest]


def spoilt(items: FakeAccessItems, pointer: AccessPointer) -> None:
    items.documents["default", pointer.digest] = CLOSED.encode()


def of_another_tenant(items: FakeAccessItems, pointer: AccessPointer) -> None:
    other = replace(OPEN, tenant="other")
    items.documents["default", pointer.digest] = other.encode()


def not_compiling(items: FakeAccessItems, pointer: AccessPointer) -> None:
    broken = replace(OPEN, policies={**OPEN.policies, "q": CedarText("permit(")})
    del items.documents["default", pointer.digest]
    items.put(broken)


def too_deep(items: FakeAccessItems, pointer: AccessPointer) -> None:
    deep = f"permit(principal, action, resource) when {{ {'(' * 4000}true{')' * 4000} }};"
    del items.documents["default", pointer.digest]
    items.put(replace(OPEN, policies={**OPEN.policies, "q": CedarText(deep)}))


@pytest.mark.parametrize("spoil", [missing, spoilt, of_another_tenant, not_compiling, too_deep])
def test_a_set_that_is_not_sound_decides_nothing(
    stored: Stored, spoil: Callable[[FakeAccessItems, AccessPointer], None]
) -> None:
    """Nor does the one before it, nor what the deployment's options said."""
    stored.access.at("default", stored.items.put(AccessSet("default", 1)))
    spoil(stored.items, stored.items.put(OPEN))
    for _ in range(2):
        with pytest.raises(AccessSetUnavailable):
            stored.access.at("default", stored.items.pointers["default"])
        with pytest.raises(AccessSetUnavailable):
            stored.access.current("default")


def test_a_sound_set_decides_again(stored: Stored) -> None:
    pointer = stored.items.put(OPEN)
    missing(stored.items, pointer)
    with pytest.raises(AccessSetUnavailable):
        stored.access.at("default", pointer)
    assert who(stored.access.at("default", stored.items.put(OPEN))) == [APP]


def test_a_table_that_does_not_answer_decides_nothing(stored: Stored) -> None:
    pointer = stored.items.put(OPEN)
    stored.items.failures.plan("access.document", StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        stored.access.at("default", pointer)


def test_an_evaluation_that_errs_denies_and_rings(stored: Stored) -> None:
    overflow = "9223372036854775807 + context.authenticationAge > 0"
    err = CedarText(f"forbid(principal, action, resource) unless {{ {overflow} }};")
    policy = stored.access.at("default", stored.items.put(OPEN.with_policy("err", err)))
    assert policy.decide(READ).allowed
    decision = policy.decide(replace(READ, authentication_age=1))
    assert (decision.allowed, decision.is_broken, stored.rung) == (False, True, 1)


def test_a_proposal_rings_nothing(stored: Stored) -> None:
    err = CedarText("forbid(principal, action, resource) when { 9223372036854775807 + 1 > 0 };")
    assert stored.access.proposal_of(OPEN.with_policy("err", err)).decide(READ).is_broken
    with pytest.raises(InvalidRequest):
        stored.access.proposal_of(replace(OPEN, policies={"q": CedarText("permit(canary")}))
    assert stored.rung == 0


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": None},
        {"revision": {"S": "1"}},
        {"revision": {"N": "one"}},
        {"digest": {"N": "1"}},
        {"digest": {}},
        {"chunks": {"N": "0"}},
        {"chunks": {"N": "5"}},
        {"chunks": "1"},
    ],
)
def test_a_damaged_pointer_refuses(change: dict[str, object]) -> None:
    """Taken for none at all it would bring back what the deployment's options said."""
    sound = encode_pointer(AccessPointer.to(OPEN, epoch=1))
    assert decode_pointer(sound) == AccessPointer.to(OPEN, epoch=1)
    with pytest.raises(AccessSetUnavailable):
        decode_pointer({**sound, **change})
