"""A deployed local cloud for the session, and a clean one for each test."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.borrowing import borrowed_cloud
from infra.local.client import LocalCloud
from infra.local.requests import Answer
from tests.cloud.platform import CANARY, Platform
from tests.support.canary import is_in


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What searches for the traces of all other tests comes last."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


class WatchedCloud(LocalCloud):
    """A cloud none of whose refusals may hold a value."""

    def request(self, method: str, path: str, **said: Any) -> Answer:
        """As the cloud's own, with the answer looked through unless it is a success."""
        answer = super().request(method, path, **said)
        if answer.status not in range(200, 300):
            told = answer.body + repr(sorted(answer.headers.items())).encode()
            assert not is_in(CANARY, told), f"{method} answered {answer.status} with a value"
        return answer


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[LocalCloud]:
    """The cloud of the session: a running one made of these sources, or one started for it and stopped after it."""
    with (
        borrowed_cloud("tests", lambda line: print(line, file=sys.__stderr__)) as cloud,
        WatchedCloud(cloud.description) as watched,
    ):
        yield watched


@pytest.fixture
def cloud(local_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The cloud with no fault in force; whatever a test asked for ends with it.

    So does what functions have learnt from faults: for half a minute they would go around the stream or a region's KMS.
    """
    before = local_cloud.faults.last_request()
    yield local_cloud
    local_cloud.reset()
    if any(it["fault"] and it["service"] in {"kinesis", "kms"} for it in local_cloud.faults.requests_after(before)):
        local_cloud.end_environments()


@pytest.fixture
def platform(cloud: LocalCloud) -> Platform:
    """The platform as its callers see it."""
    return Platform(cloud)
