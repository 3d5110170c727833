"""Each port's promises, held against the fake that other tests stand on and against the real adapter."""

from collections.abc import Iterator

import pytest

from tests.support.local_aws import LocalAws, local_aws


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """AWS in this process."""
    with local_aws() as found:
        yield found
