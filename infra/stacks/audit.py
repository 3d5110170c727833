"""One region's audit: the stream that every release is recorded on, its buffer, its archive, its index."""

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import Options
from infra.constructs.announcements import announcements
from infra.constructs.archive import Archive
from infra.constructs.audit_queries import AuditQueries
from infra.constructs.checks import acknowledge
from infra.stacks.base import RETAIN, StrongroomStack


class AuditStack(StrongroomStack):
    """Kinesis under a key of this region, the bounded buffer, Firehose into S3, the index of the last 90 days."""

    def __init__(self, scope: Construct, *, options: Options, region: str) -> None:
        super().__init__(
            scope, "Audit", options=options, region=region, per_region=True, stateful=True, description="audit"
        )
        self.key = kms.Key(
            self,
            "Key",
            description=f"Strongroom {options.stage}: encrypts the audit at rest",
            alias=self.names.key_alias("audit"),
            enable_key_rotation=True,
            removal_policy=RETAIN,
        )
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_name=self.names.audit_stream,
            stream_mode=kinesis.StreamMode.ON_DEMAND
            if options.stream_shards is None
            else kinesis.StreamMode.PROVISIONED,
            shard_count=options.stream_shards,
            retention_period=Duration.hours(options.stream_retention.total_seconds() / 3600),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=self.key,
            removal_policy=RETAIN,
        )
        acknowledge(
            self.stream, "KDS3", "A key of the deployment's own: its policy and its use can be seen and revoked"
        )
        self.buffer = self._table("Buffer", self.names.audit_buffer)
        self.index = self._table("Index", self.names.audit_index, expires=True)
        self.archive = Archive(
            self,
            names=self.names,
            region=region,
            stream=self.stream,
            key=self.key,
            object_lock=options.object_lock,
            retention=options.log_retention,
        )
        if options.break_glass.approvals:
            announcements(
                self, name=self.names.break_glass_topic, key=self.key, address=options.break_glass.announce_to
            )
        AuditQueries(
            self,
            names=self.names,
            region=region,
            archive=self.archive.bucket,
            logs=self.archive.access_logs,
            key=self.key,
        )
        CfnOutput(self, "ArchiveBucket", value=self.archive.bucket.bucket_name)
        CfnOutput(self, "AuditStreamName", value=self.stream.stream_name)

    def _table(self, construct_id: str, name: str, *, expires: bool = False) -> dynamodb.TableV2:
        return dynamodb.TableV2(
            self,
            construct_id,
            table_name=name,
            partition_key=dynamodb.Attribute(name="PK", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="SK", type=dynamodb.AttributeType.STRING),
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.customer_managed_key(self.key),
            # The buffer has none: a record leaves it when Kinesis has acknowledged it, never by its age.
            time_to_live_attribute="expireAt" if expires else None,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=RETAIN,
        )
