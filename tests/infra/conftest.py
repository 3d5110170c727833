import pytest

import infra  # noqa: F401  # chooses the Node that the CDK starts, so it comes before the CDK
from tests.infra.synthesized import ONE_REGION, TWO_REGIONS, Application, synthesize


@pytest.fixture(scope="session")
def two_regions(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The deployment of cdk.json, with callers of other accounts."""
    return synthesize(TWO_REGIONS, tmp_path_factory.mktemp("two-regions"))


@pytest.fixture(scope="session")
def one_region(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The smallest deployment, with the options that the other one leaves alone."""
    return synthesize(ONE_REGION, tmp_path_factory.mktemp("one-region"))
