"""What the reader function is made of."""

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.head_reader import DynamoHeadReader
from strongroom_service.adapters.envelope.encryption import KmsEncryption
from strongroom_service.adapters.kinesis import KinesisAuditLog
from strongroom_service.adapters.static_policy import StaticPolicy
from strongroom_service.adapters.system import SystemClock, SystemRandomness
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.usecases.ports import ReadPorts

from .environment import INITIAL_EPOCH, Environment


def read_ports(environment: Environment) -> ReadPorts:
    """The read path's ports over AWS. Nothing is called and no credential is looked up yet."""
    client = AwsClient(region=environment.region)
    randomness = SystemRandomness()
    writership = ConfiguredWriter(region=environment.writer_region, epoch=INITIAL_EPOCH)
    return ReadPorts(
        region=environment.region,
        clock=SystemClock(),
        randomness=randomness,
        heads=DynamoHeadReader(client=client, table=environment.table, writership=writership),
        envelopes=KmsEncryption(client=client, key_arn=environment.envelope_key, randomness=randomness),
        audit=KinesisAuditLog(client=client, stream=environment.audit_stream, randomness=randomness),
        policy=StaticPolicy(environment.roles),
        writership=writership,
    )
