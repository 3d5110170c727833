"""Regions, clocks and clients for the tests of the SDK."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strongroom import Client
from tests.unit.sdk.scripted_region import Clock, ScriptedRegion, client_for


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine decides a test."""
    for name in ("REGIONS", "CONFIG", "IDENTITY", "TENANT"):
        monkeypatch.delenv(f"STRONGROOM_{name}", raising=False)


@pytest.fixture
def east() -> Iterator[ScriptedRegion]:
    """The first region, which is taken for the writer."""
    region = ScriptedRegion("us-east-1")
    yield region
    region.close()


@pytest.fixture
def west() -> Iterator[ScriptedRegion]:
    """The second region."""
    region = ScriptedRegion("us-west-2")
    yield region
    region.close()


@pytest.fixture
def clock() -> Clock:
    """Time that stands still until it is moved."""
    return Clock()


@pytest.fixture
def make_client() -> Iterator[Callable[..., Client]]:
    """Makes clients, and closes them."""
    made: list[Client] = []

    def make(*regions: Any, **options: Any) -> Client:
        client = client_for(*regions, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
