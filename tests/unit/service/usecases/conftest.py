"""The use cases over fakes of all their ports."""

import pytest

from tests.support.deployment import Deployment


@pytest.fixture
def deployment() -> Deployment:
    """A fresh deployment of two regions."""
    return Deployment()
