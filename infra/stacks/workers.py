"""What works beside the API: drain, digests and the end of grants in every region, the seeder where writing begins."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.config import Options
from infra.constructs import permissions
from infra.constructs.checks import acknowledge
from infra.constructs.indexing import INDEXER_TIMEOUT, not_indexed_queue, poll_stream
from infra.constructs.layers import layer, service_code
from infra.constructs.service_function import FunctionShape, ServiceFunction
from infra.naming import DIGESTS, DIGESTS_PREFIX, DRAIN, GRANTS, INDEXER, RECORDS_PREFIX, SEEDER
from infra.stacks.api import RegionKeys
from infra.stacks.audit import AuditStack
from infra.stacks.base import StrongroomStack

SEEDER_TIMEOUT: Final = timedelta(minutes=1)
DRAIN_EVERY: Final = timedelta(minutes=1)
DRAIN_TIMEOUT: Final = timedelta(seconds=58)
"""Below the interval: two drains at once would be harmless, and of no use."""
SEAL_EVERY: Final = timedelta(hours=1)
SEAL_TIMEOUT: Final = timedelta(minutes=15)
"""As long as a function may run: what it does not get through, it seals an hour later."""
DELIVERY_MARGIN: Final = timedelta(hours=48)
"""Firehose repeats a delivery for as long as the stream remembers, and puts it into the hour of its records."""
GRANTS_EVERY: Final = timedelta(minutes=1)
GRANTS_TIMEOUT: Final = timedelta(seconds=58)
FIRST_EPOCH: Final = "1"


class WorkersStack(StrongroomStack):
    """The functions that no caller reaches."""

    def __init__(
        self,
        scope: Construct,
        *,
        options: Options,
        region: str,
        keys: RegionKeys,
        audits: Mapping[str, AuditStack],
        environment: dict[str, str],
    ) -> None:
        """`audits` are those of every region; `environment` is what a function is told that decides by policies."""
        super().__init__(
            scope, "Workers", options=options, region=region, per_region=True, stateful=False, description="workers"
        )
        self._options = options
        self._code = service_code(options.target)
        self._layer = layer(self, "admin", names=self.names, target=options.target)
        audit = audits[region]
        self._add_drain(audit)
        self._add_indexer(audit)
        self._add_digests(keys, audit)
        self._add_grants(keys, audits, environment)
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
        announced_on, announcing = {}, []
        if self._options.break_glass.approvals:
            topic = names.topic_arn(region, names.break_glass_topic)
            announced_on = {"STRONGROOM_ANNOUNCEMENTS": topic}
            announcing = [permissions.announce(topic), permissions.encrypt_topic(audit.key.key_arn, region)]
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
                **announced_on,
            },
            statements=[
                *announcing,
                permissions.read_audit_stream(names.stream_arn(region)),
                permissions.decrypt_stream(audit.key.key_arn, region),
                permissions.index_audit(names.table_arn(region, names.audit_index)),
                permissions.write_encrypted_table(audit.key.key_arn, region, sid="WriteIndexUnderItsKey"),
                permissions.tell_given_up(names.queue_arn(region, names.audit_not_indexed)),
            ],
        )
        poll_stream(self, target=indexer.publish(), stream_arn=names.stream_arn(region), given_up=given_up)

    def _add_digests(self, keys: RegionKeys, audit: AuditStack) -> None:
        names, region = self.names, self.place
        archive = names.archive_arn(region)
        lookback = self._options.stream_retention + DELIVERY_MARGIN
        digests = self._worker(
            FunctionShape(
                name=DIGESTS,
                handler="strongroom_service.entry.digests.handler",
                purpose="Seals the audit archive by signed digests",
                # It reads and hashes every record: more memory is more processor, and bought back in time.
                memory_mb=1024,
                timeout=SEAL_TIMEOUT,
                snap_start=False,
                reserved_concurrency=self._reserved_concurrency,
            ),
            environment={
                "STRONGROOM_STAGE": names.stage,
                "STRONGROOM_ARCHIVE_ACCOUNT": names.account,
                "STRONGROOM_ARCHIVE_BUCKET": names.archive(region),
                "STRONGROOM_ARCHIVE_LOOKBACK_HOURS": str(round(lookback.total_seconds() / 3600)),
                "STRONGROOM_DIGEST_KEY": keys.digest,
            },
            statements=[
                permissions.list_archive(archive),
                permissions.tell_what_is_gone(archive),
                permissions.read_archive(archive),
                permissions.store_digests(archive),
                permissions.use_archive_key(audit.key.key_arn, region),
                permissions.sign_digests(keys.digest),
            ],
        )
        for prefix in (RECORDS_PREFIX, DIGESTS_PREFIX):
            acknowledge(digests.role, f"IAM5[Resource::{archive}/{prefix}*]", "The objects under one prefix")
        events.Rule(
            self,
            "SealEveryHour",
            rule_name=names.of("seal-audit"),
            description="Seals what was archived in the last hour",
            schedule=events.Schedule.rate(Duration.seconds(SEAL_EVERY.total_seconds())),
            # The next hour seals what this one did not; a failure rings by the function's own alarm.
            targets=[targets.LambdaFunction(digests.publish(), retry_attempts=0)],
        )

    def _add_grants(self, keys: RegionKeys, audits: Mapping[str, AuditStack], environment: dict[str, str]) -> None:
        """In every region, whether or not grants can be asked for: those that there are must end."""
        names, region = self.names, self.place
        audit = audits[region]
        grants = self._worker(
            FunctionShape(
                name=GRANTS,
                handler="strongroom_service.entry.grants.handler",
                purpose="Ends break-glass grants and flags what was read under them",
                memory_mb=512,
                timeout=GRANTS_TIMEOUT,
                snap_start=False,
                reserved_concurrency=self._reserved_concurrency,
            ),
            environment={**environment, "STRONGROOM_AUDIT_INDEX": names.audit_index},
            statements=[
                permissions.ask_audit(*(names.table_arn(asked, names.audit_index) for asked in audits)),
                *(
                    permissions.read_encrypted_table(it.key.key_arn, asked, sid=f"ReadIndexIn{_sid(asked)}")
                    for asked, it in audits.items()
                    # This region's key is among those that the buffer is written under.
                    if asked != region
                ),
                permissions.tend_grants(names.table_arn(region, names.secrets_table)),
                permissions.write_encrypted_table(keys.table, region),
                permissions.record_audit(names.stream_arn(region)),
                permissions.encrypt_stream(audit.key.key_arn, region),
                permissions.buffer_audit(names.table_arn(region, names.audit_buffer)),
                permissions.write_encrypted_table(audit.key.key_arn, region, sid="WriteBufferUnderItsKey"),
            ],
        )
        events.Rule(
            self,
            "GrantsEveryMinute",
            rule_name=names.of("tend-grants"),
            description="Ends grants whose time is over",
            schedule=events.Schedule.rate(Duration.seconds(GRANTS_EVERY.total_seconds())),
            # The next minute tries again; a grant ends by its own condition meanwhile.
            targets=[targets.LambdaFunction(grants.publish(), retry_attempts=0)],
        )

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


def _sid(region: str) -> str:
    """A region's name as a statement's id may have it: letters and digits."""
    return "".join(part.capitalize() for part in region.split("-"))
