"""What works beside the API. For now the seeder, which opens a deployment for writing, in its primary region."""

from datetime import timedelta

from aws_cdk import CustomResource, Duration
from constructs import Construct

from infra.config import Options
from infra.constructs import permissions
from infra.constructs.layers import layer, service_code
from infra.constructs.service_function import FunctionShape, ServiceFunction
from infra.naming import SEEDER
from infra.stacks.base import StrongroomStack

SEEDER_TIMEOUT = timedelta(minutes=1)
FIRST_EPOCH = "1"


class WorkersStack(StrongroomStack):
    """The functions that no caller reaches."""

    def __init__(self, scope: Construct, *, options: Options, region: str, table_key_arn: str) -> None:
        super().__init__(
            scope, "Workers", options=options, region=region, per_region=True, stateful=False, description="workers"
        )
        names = self.names
        seeder = ServiceFunction(
            self,
            "Seeder",
            shape=FunctionShape(
                name=SEEDER,
                handler="strongroom_service.entry.seed.handler",
                purpose="Writes the fences and the control item where they are absent",
                memory_mb=256,
                timeout=SEEDER_TIMEOUT,
                # Runs once in a deployment: a snapshot would be paid for and never used.
                snap_start=False,
                reserved_concurrency=options.reserved_concurrency.workers if options.reserved_concurrency else None,
            ),
            names=names,
            region=region,
            code=service_code(options.target),
            layer=layer(self, "admin", names=names, target=options.target),
            environment={
                "STRONGROOM_STAGE": options.stage,
                "STRONGROOM_TABLE": names.secrets_table,
                "STRONGROOM_CONTROL_TABLE": names.control_table,
            },
            statements=[
                permissions.put_items("SeedFences", names.table_arn(region, names.secrets_table)),
                permissions.put_items("SeedControl", names.table_arn(region, names.control_table)),
                permissions.write_encrypted_table(table_key_arn, region),
            ],
            retention=options.log_retention,
        )
        CustomResource(
            self,
            "Seed",
            resource_type="Custom::StrongroomSeed",
            service_token=seeder.function.function_arn,
            # CloudFormation would otherwise wait an hour for an answer that does not come.
            service_timeout=Duration.minutes(5),
            properties={"WriterRegion": options.primary_region, "Epoch": FIRST_EPOCH},
        )
