"""What the reader and the admin function are both made of."""

from strongroom_service.adapters.access_control import CedarAccess
from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.audit_index import DynamoAuditIndex
from strongroom_service.adapters.envelope.encryption import KmsEncryption
from strongroom_service.adapters.envelope.kms import RegionalKms
from strongroom_service.adapters.system import SystemClock
from strongroom_service.usecases.ports import AuditIndex, Measurements, Randomness

from .environment import Environment


def audit_index(environment: Environment, client: AwsClient) -> AuditIndex:
    """The index over this region's audit records."""
    return DynamoAuditIndex(client=client, table=environment.audit_index, clock=SystemClock())


def encryption(
    environment: Environment, client: AwsClient, *, randomness: Randomness, measurements: Measurements
) -> KmsEncryption:
    """The envelope encryption, by this region's KMS and, when it does not answer, by the others'."""
    others = {region: AwsClient(region=region) for region in environment.regions if region != environment.region}
    kms = RegionalKms(
        clients={environment.region: client, **others},
        key_arn=environment.envelope_key,
        measurements=measurements,
    )
    return KmsEncryption(kms=kms, randomness=randomness, measurements=measurements)


def access_control(
    environment: Environment, client: AwsClient, *, randomness: Randomness, measurements: Measurements
) -> CedarAccess:
    """Who may what, by the access sets in the secrets table."""
    items = DynamoAccessItems(client=client, table=environment.table, randomness=randomness)
    return CedarAccess(items=items, initial=environment.roles, measurements=measurements)
