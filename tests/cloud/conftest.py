"""A deployed local cloud for the session, and a clean one for each test."""

import sys
from collections.abc import Iterator

import pytest

from infra.local.borrowing import borrowed_cloud
from infra.local.client import LocalCloud
from tests.cloud.platform import Platform


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[LocalCloud]:
    """The cloud of the session: a running one made of these sources, or one started for it and stopped after it."""
    with borrowed_cloud("tests", lambda line: print(line, file=sys.__stderr__)) as cloud:
        yield cloud


@pytest.fixture
def cloud(local_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The cloud with no fault in force; whatever a test asked for ends with it."""
    yield local_cloud
    local_cloud.reset()


@pytest.fixture
def platform(cloud: LocalCloud) -> Platform:
    """The platform as its callers see it."""
    return Platform(cloud)
