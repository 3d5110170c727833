"""What the authorizer function is made of."""

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.key_sets import PublishedKeys
from strongroom_service.adapters.registry import StoredRegistry
from strongroom_service.adapters.system import SystemClock, SystemRandomness
from strongroom_service.adapters.tokens import JwsTokens
from strongroom_service.domain.registry import Registry
from strongroom_service.usecases.ports import AuthenticationPorts, Measurements

from .audit_wiring import audit_log
from .environment import AuthorizerEnvironment


def authentication_ports(environment: AuthorizerEnvironment, measurements: Measurements) -> AuthenticationPorts:
    """The ports over AWS. Nothing is called and no credential is looked up yet."""
    client = AwsClient(region=environment.region)
    randomness = SystemRandomness()
    items = DynamoAccessItems(client=client, table=environment.table, randomness=randomness)
    return AuthenticationPorts(
        region=environment.region,
        clock=SystemClock(),
        randomness=randomness,
        # Before the first registry is written there are no issuers, so nobody is let in by a token.
        registry=StoredRegistry(items=items, initial=Registry(), measurements=measurements),
        tokens=JwsTokens(),
        keys=PublishedKeys(measurements=measurements),
        audit=audit_log(environment, client, randomness=randomness, measurements=measurements),
        measurements=measurements,
    )
