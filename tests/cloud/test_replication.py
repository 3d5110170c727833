"""What readers of a replica are told while its copies are late, out of order, or of different ages."""

import random
from collections.abc import Iterator

import pytest

from infra.local.client import LocalCloud
from tests.cloud.platform import ENVIRONMENT, Platform, Stored


@pytest.fixture
def held_back(cloud: LocalCloud) -> Iterator[str]:
    """The replica's region, with nothing arriving there but by `step`."""
    with cloud.replication.paused(cloud.replica.name):
        yield cloud.replica.name


def test_a_secret_that_has_not_arrived_is_not_there(cloud: LocalCloud, platform: Platform, held_back: str) -> None:
    stored = platform.store("made-up-value")
    answer = stored.read(region=cloud.replica)
    assert (answer.status, answer.error_code) == (404, "not_found")
    cloud.replication.reset()
    assert stored.read(region=cloud.region(held_back)).status == 200


def test_a_promotion_that_has_not_arrived_leaves_the_version_before(
    cloud: LocalCloud, platform: Platform, held_back: str
) -> None:
    stored = platform.store("first") if cloud.replication.waiting(held_back) == 0 else pytest.fail("not paused afresh")
    cloud.replication.step(held_back, 1000)
    token = stored.promote(stored.propose("second"), 1)
    assert stored.read(region=cloud.replica).json()["plaintextValue"] == "first"
    behind = stored.read(region=cloud.replica, minToken=token)
    assert (behind.status, behind.error_code) == (425, "replica_behind")
    assert behind.json()["error"]["details"]["writerRegion"] == cloud.writer.name
    cloud.replication.step(held_back, 1000)
    assert stored.read(region=cloud.replica, minToken=token).json()["plaintextValue"] == "second"


def test_a_head_that_arrives_before_its_version_says_so(cloud: LocalCloud, platform: Platform, held_back: str) -> None:
    """The version's own item is late: a read by number is behind, a read of the alias is whole."""
    stored = platform.store("first")
    for value in ("second", "third", "fourth"):
        number = stored.propose(value)
        stored.promote(number, number - 1)
    head_only(cloud, stored, held_back)
    assert stored.read(region=cloud.replica).json()["plaintextValue"] == "fourth"
    answer = stored.read(region=cloud.replica, version="v1")
    assert (answer.status, answer.error_code) == (425, "replica_behind")


def head_only(cloud: LocalCloud, stored: Stored, region: str) -> None:
    """Put the writer's head into the replica's table, past the items that wait."""
    key = {"PK": {"S": f"S#default#{ENVIRONMENT}#{stored.path}"}, "SK": {"S": "HEAD"}}
    table = "strongroom-local-secrets"
    head = cloud.aws("dynamodb", cloud.writer.name).get_item(TableName=table, Key=key)["Item"]
    cloud.aws("dynamodb", region).put_item(TableName=table, Item=head)


@pytest.mark.parametrize("seed", range(4))
def test_no_state_that_never_was_is_served(cloud: LocalCloud, platform: Platform, seed: int) -> None:
    """Writes arrive one by one in any order; after each, every read is of one state that was, and never goes past it.

    A version is served only when it was promoted, under the number of its own value, and not once the head that has
    arrived calls it disabled or destroyed.
    """
    chance, replica = random.Random(seed), cloud.replica  # noqa: S311 - order, not secrecy
    cloud.replication.set(replica.name, paused=True, reorder=True, seed=seed)
    stored = platform.store("value-1")
    promoted, pending = {1}, stored.propose("value-2")
    stored.promote(pending, 1)
    promoted.add(pending)
    never = stored.propose("value-3")
    if chance.random() < 0.5:
        stored.change(pending, "disable")
        gone = pending
    else:
        stored.change(1, "destroy")
        gone = 1
    arrived = True
    while arrived:
        arrived = cloud.replication.step(replica.name, 1) > 0
        versions = stored_statuses(cloud, stored, replica.name)
        for version in ("current", "previous", "next", "v1", "v2", "v3"):
            answer = stored.read(region=replica, version=version)
            if answer.status != 200:
                assert answer.status in {404, 409, 410, 425}, answer.error_code
                continue
            number = answer.json()["versionNumber"]
            assert answer.json()["plaintextValue"] == f"value-{number}"
            assert number in promoted
            assert number != never
            assert versions[number] not in {"DISABLED", "DESTROYED"}
    gone_answer = stored.read(region=replica, version=f"v{gone}")
    assert gone_answer.error_code in {"version_disabled", "version_destroyed"}


def stored_statuses(cloud: LocalCloud, stored: Stored, region: str) -> dict[int, str]:
    """Each version's status by the head of a region's own table."""
    key = {"PK": {"S": f"S#default#{ENVIRONMENT}#{stored.path}"}, "SK": {"S": "HEAD"}}
    table = "strongroom-local-secrets"
    head = cloud.aws("dynamodb", region).get_item(TableName=table, Key=key).get("Item")
    if head is None:
        return {}
    return {int(number): record["M"]["status"]["S"] for number, record in head["versions"]["M"].items()}
