"""What the admin function is made of."""

import time

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.grant_items import DynamoGrantStore
from strongroom_service.adapters.dynamodb.store import DynamoSecretStore
from strongroom_service.adapters.registry_control import CheckedRegistry
from strongroom_service.adapters.system import SystemClock, SystemRandomness
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.usecases.ports import Measurements, WritePorts

from .audit_wiring import audit_log
from .environment import INITIAL_EPOCH, Environment
from .shared_wiring import access_control, audit_index, encryption


def write_ports(environment: Environment, measurements: Measurements) -> WritePorts:
    """The write side's ports over AWS. Nothing is called and no credential is looked up yet."""
    client = AwsClient(region=environment.region)
    randomness = SystemRandomness()
    items = DynamoAccessItems(client=client, table=environment.table, randomness=randomness)
    return WritePorts(
        region=environment.region,
        regions=environment.regions,
        clock=SystemClock(),
        randomness=randomness,
        store=DynamoSecretStore(table=environment.table, region=environment.region),
        encryption=encryption(environment, client, randomness=randomness, measurements=measurements),
        audit=audit_log(environment, client, randomness=randomness, measurements=measurements),
        index=audit_index(environment, client),
        access=access_control(environment, client, randomness=randomness, measurements=measurements),
        grants=DynamoGrantStore(client=client, table=environment.table, randomness=randomness),
        required_approvals=environment.break_glass_approvals,
        registry=CheckedRegistry(items=items, initial=environment.registry, measurements=measurements),
        writership=ConfiguredWriter(region=environment.writer_region, epoch=INITIAL_EPOCH),
        sleep=time.sleep,
    )
