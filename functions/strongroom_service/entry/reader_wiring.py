"""What the reader function is made of."""

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.head_reader import DynamoHeadReader
from strongroom_service.adapters.measured import MeasuredEnvelopes, MeasuredHeads
from strongroom_service.adapters.registry import StoredRegistry
from strongroom_service.adapters.system import SystemClock, SystemRandomness
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.usecases.ports import Measurements, ReadPorts

from .audit_wiring import audit_log
from .environment import INITIAL_EPOCH, Environment
from .shared_wiring import access_control, encryption


def read_ports(environment: Environment, measurements: Measurements) -> ReadPorts:
    """The read path's ports over AWS. Nothing is called and no credential is looked up yet."""
    client = AwsClient(region=environment.region)
    randomness = SystemRandomness()
    items = DynamoAccessItems(client=client, table=environment.table, randomness=randomness)
    writership = ConfiguredWriter(region=environment.writer_region, epoch=INITIAL_EPOCH)
    heads = DynamoHeadReader(client=client, table=environment.table, writership=writership, randomness=randomness)
    envelopes = encryption(environment, client, randomness=randomness, measurements=measurements)
    return ReadPorts(
        region=environment.region,
        clock=SystemClock(),
        randomness=randomness,
        heads=MeasuredHeads(heads, measurements),
        envelopes=MeasuredEnvelopes(envelopes, measurements),
        audit=audit_log(environment, client, randomness=randomness, measurements=measurements),
        access=access_control(environment, client, randomness=randomness, measurements=measurements),
        registry=StoredRegistry(items=items, initial=environment.registry, measurements=measurements),
        writership=writership,
    )
