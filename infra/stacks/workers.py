"""What works beside the API: the drain in every region, and the seeder where a deployment begins to write."""

from datetime import timedelta
from typing import Final

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.config import Options
from infra.constructs import permissions
from infra.constructs.indexing import INDEXER_TIMEOUT, not_indexed_queue, poll_stream
from infra.constructs.layers import layer, service_code
from infra.constructs.service_function import FunctionShape, ServiceFunction
from infra.naming import DRAIN, INDEXER, SEEDER
from infra.stacks.api import RegionKeys
from infra.stacks.audit import AuditStack
from infra.stacks.base import StrongroomStack

SEEDER_TIMEOUT: Final = timedelta(minutes=1)
DRAIN_EVERY: Final = timedelta(minutes=1)
DRAIN_TIMEOUT: Final = timedelta(seconds=58)
"""Below the interval: two drains at once would be harmless, and of no use."""
FIRST_EPOCH: Final = "1"


class WorkersStack(StrongroomStack):
    """The functions that no caller reaches."""

    def __init__(self, scope: Construct, *, options: Options, region: str, keys: RegionKeys, audit: AuditStack) -> None:
        super().__init__(
            scope, "Workers", options=options, region=region, per_region=True, stateful=False, description="workers"
        )
        self._options = options
        self._code = service_code(options.target)
        self._layer = layer(self, "admin", names=self.names, target=options.target)
        self._add_drain(audit)
        self._add_indexer(audit)
        if region == options.primary_region:
            self._add_seed(keys)

    def _add_drain(self, audit: AuditStack) -> None:
        names, region = self.names, self.place
        drain = self._worker(
            FunctionShape(
                name=DRAIN,
                handler="strongroom_service.entry.drain.handler",
                purpose="Moves buffered audit records into the stream",
                memory_mb=512,
                timeout=DRAIN_TIMEOUT,
                snap_start=False,
                reserved_concurrency=self._reserved_concurrency,
            ),
            environment={
                "STRONGROOM_STAGE": names.stage,
                "STRONGROOM_AUDIT_STREAM": names.audit_stream,
                "STRONGROOM_AUDIT_BUFFER": names.audit_buffer,
            },
            statements=[
                permissions.drain_buffer(names.table_arn(region, names.audit_buffer)),
                permissions.write_encrypted_table(audit.key.key_arn, region, sid="WriteBufferUnderItsKey"),
                permissions.drain_into_stream(names.stream_arn(region)),
                permissions.encrypt_stream(audit.key.key_arn, region),
            ],
        )
        events.Rule(
            self,
            "DrainEveryMinute",
            rule_name=names.of("drain-audit"),
            description="Moves what waits in the audit buffer",
            schedule=events.Schedule.rate(Duration.seconds(DRAIN_EVERY.total_seconds())),
            # The next minute tries again; retries of the event would only pile up.
            targets=[targets.LambdaFunction(drain.publish(), retry_attempts=0)],
        )

    def _add_indexer(self, audit: AuditStack) -> None:
        names, region = self.names, self.place
        given_up = not_indexed_queue(self, names=names)
        indexer = self._worker(
            FunctionShape(
                name=INDEXER,
                handler="strongroom_service.entry.indexer.handler",
                purpose="Takes the audit stream's records into the index",
                memory_mb=512,
                timeout=INDEXER_TIMEOUT,
                snap_start=False,
                reserved_concurrency=self._reserved_concurrency,
            ),
            environment={
                "STRONGROOM_STAGE": names.stage,
                "STRONGROOM_AUDIT_INDEX": names.audit_index,
            },
            statements=[
                permissions.read_audit_stream(names.stream_arn(region)),
                permissions.decrypt_stream(audit.key.key_arn, region),
                permissions.index_audit(names.table_arn(region, names.audit_index)),
                permissions.write_encrypted_table(audit.key.key_arn, region, sid="WriteIndexUnderItsKey"),
                permissions.tell_given_up(names.queue_arn(region, names.audit_not_indexed)),
            ],
        )
        poll_stream(self, target=indexer.publish(), stream_arn=names.stream_arn(region), given_up=given_up)

    def _add_seed(self, keys: RegionKeys) -> None:
        names, region = self.names, self.place
        seeder = self._worker(
            FunctionShape(
                name=SEEDER,
                handler="strongroom_service.entry.seed.handler",
                purpose="Writes the fences and the control item where they are absent",
                memory_mb=256,
                timeout=SEEDER_TIMEOUT,
                # Runs once in a deployment: a snapshot would be paid for and never used.
                snap_start=False,
                reserved_concurrency=self._reserved_concurrency,
            ),
            environment={
                "STRONGROOM_STAGE": names.stage,
                "STRONGROOM_TABLE": names.secrets_table,
                "STRONGROOM_CONTROL_TABLE": names.control_table,
            },
            statements=[
                permissions.put_items("SeedFences", names.table_arn(region, names.secrets_table)),
                permissions.put_items("SeedControl", names.table_arn(region, names.control_table)),
                permissions.write_encrypted_table(keys.table, region),
            ],
        )
        CustomResource(
            self,
            "Seed",
            resource_type="Custom::StrongroomSeed",
            service_token=seeder.function.function_arn,
            # CloudFormation would otherwise wait an hour for an answer that does not come.
            service_timeout=Duration.minutes(5),
            properties={"WriterRegion": region, "Epoch": FIRST_EPOCH},
        )

    @property
    def _reserved_concurrency(self) -> int | None:
        reserved = self._options.reserved_concurrency
        return reserved.workers if reserved else None

    def _worker(
        self, shape: FunctionShape, *, environment: dict[str, str], statements: list[iam.PolicyStatement]
    ) -> ServiceFunction:
        return ServiceFunction(
            self,
            shape.name.capitalize(),
            shape=shape,
            names=self.names,
            region=self.place,
            code=self._code,
            layer=self._layer,
            environment=environment,
            statements=statements,
            retention=self._options.log_retention,
        )
