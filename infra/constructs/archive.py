"""The audit archive: Firehose copies the stream into a bucket that refuses to forget."""

from datetime import timedelta

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import ObjectLock
from infra.constructs.checks import acknowledge
from infra.constructs.permissions import allow, via
from infra.constructs.retention import log_retention
from infra.naming import ARCHIVER, DIGESTS, DIGESTS_PREFIX, FAILED_PREFIX, RECORDS_PREFIX, Names
from infra.stacks.base import RETAIN

BUFFER_SECONDS = 60
BUFFER_MEGABYTES = 5
TO_COLD_STORAGE = timedelta(days=90)
ACCESS_LOGS_KEPT = timedelta(days=400)


class Archive(Construct):
    """The bucket, the log of who touched it, and the stream's way into it."""

    def __init__(
        self,
        scope: Construct,
        *,
        names: Names,
        region: str,
        stream: kinesis.Stream,
        key: kms.Key,
        object_lock: ObjectLock,
        retention: timedelta,
    ) -> None:
        super().__init__(scope, "Archive")
        self.bucket = self._bucket(names, region, key, object_lock)
        self._keep_others_out(names, region)
        log_group = logs.LogGroup(
            self,
            "DeliveryLog",
            log_group_name=f"/aws/kinesisfirehose/{names.audit_delivery}",
            retention=log_retention(retention),
            removal_policy=RETAIN,
        )
        log_stream = logs.LogStream(self, "DeliveryErrors", log_group=log_group, log_stream_name="S3Delivery")
        self.role = self._role(
            names, region, key, names.log_group_arn(region, f"/aws/kinesisfirehose/{names.audit_delivery}")
        )
        delivery = firehose.CfnDeliveryStream(
            self,
            "Delivery",
            delivery_stream_name=names.audit_delivery,
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=firehose.CfnDeliveryStream.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=stream.stream_arn, role_arn=self.role.role_arn
            ),
            extended_s3_destination_configuration=firehose.CfnDeliveryStream.ExtendedS3DestinationConfigurationProperty(
                bucket_arn=self.bucket.bucket_arn,
                role_arn=self.role.role_arn,
                # Time prefixes in UTC, which Athena's partition projection and the digests' search read.
                prefix=f"{RECORDS_PREFIX}!{{timestamp:yyyy/MM/dd/HH}}/",
                error_output_prefix=f"{FAILED_PREFIX}!{{firehose:error-output-type}}/!{{timestamp:yyyy/MM/dd/HH}}/",
                # Records are JSON lines and arrive as such: the archive holds what was acknowledged, byte by byte.
                compression_format="UNCOMPRESSED",
                buffering_hints=firehose.CfnDeliveryStream.BufferingHintsProperty(
                    interval_in_seconds=BUFFER_SECONDS, size_in_m_bs=BUFFER_MEGABYTES
                ),
                encryption_configuration=firehose.CfnDeliveryStream.EncryptionConfigurationProperty(
                    kms_encryption_config=firehose.CfnDeliveryStream.KMSEncryptionConfigProperty(
                        awskms_key_arn=key.key_arn
                    )
                ),
                cloud_watch_logging_options=firehose.CfnDeliveryStream.CloudWatchLoggingOptionsProperty(
                    enabled=True,
                    log_group_name=log_group.log_group_name,
                    log_stream_name=log_stream.log_stream_name,
                ),
            ),
        )
        acknowledge(
            delivery, "KDF1", "The source is a Kinesis stream, which is encrypted itself; Firehose adds no store"
        )

    def _bucket(self, names: Names, region: str, key: kms.Key, lock: ObjectLock) -> s3.Bucket:
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            bucket_name=names.bucket("audit-logs", region),
            # S3 delivers its access logs into buckets under its own keys only.
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(id="Expire", expiration=Duration.days(ACCESS_LOGS_KEPT.days))],
            removal_policy=RETAIN,
        )
        days = Duration.days(lock.retention.days)
        return s3.Bucket(
            self,
            "Bucket",
            bucket_name=names.bucket("audit", region),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            object_lock_enabled=True,
            object_lock_default_retention=s3.ObjectLockRetention.compliance(days)
            if lock.mode == "compliance"
            else s3.ObjectLockRetention.governance(days),
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="archive/",
            # Nothing here ever expires by itself: how long an audit is kept is its owner's decision.
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="ColdStorage",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL,
                            transition_after=Duration.days(TO_COLD_STORAGE.days),
                        )
                    ],
                ),
                s3.LifecycleRule(id="AbandonedUploads", abort_incomplete_multipart_upload_after=Duration.days(7)),
            ],
            removal_policy=RETAIN,
        )

    def _keep_others_out(self, names: Names, region: str) -> None:
        """What lies in the archive was put there by the platform: not even an administrator's own IAM policy helps."""
        for sid, prefixes, writer in (
            ("OnlyTheArchiverStoresRecords", (RECORDS_PREFIX, FAILED_PREFIX), ARCHIVER),
            ("OnlyTheSealerStoresDigests", (DIGESTS_PREFIX,), DIGESTS),
        ):
            self.bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=sid,
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["s3:PutObject"],
                    resources=[f"{names.archive_arn(region)}/{prefix}*" for prefix in prefixes],
                    conditions={"ArnNotEquals": {"aws:PrincipalArn": names.role_arn(region, writer)}},
                )
            )

    def _role(self, names: Names, region: str, key: kms.Key, log_group_arn: str) -> iam.Role:
        bucket_arn = f"arn:aws:s3:::{names.bucket('audit', region)}"
        role = iam.Role(
            self,
            "Role",
            role_name=names.role(region, ARCHIVER),
            description="Copies the audit stream into the archive",
            # Firehose is told by the account it acts for: no other account can make it use this role.
            assumed_by=iam.ServicePrincipal(
                "firehose.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": names.account}}
            ),
            inline_policies={
                "Archive": iam.PolicyDocument(
                    statements=[
                        allow(
                            "ReadAuditStream",
                            [
                                "kinesis:DescribeStream",
                                "kinesis:GetRecords",
                                "kinesis:GetShardIterator",
                                "kinesis:ListShards",
                            ],
                            [names.stream_arn(region)],
                        ),
                        allow("DecryptStream", ["kms:Decrypt"], [key.key_arn], StringEquals=via("kinesis", region)),
                        allow(
                            "FindArchive",
                            ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
                            [bucket_arn],
                        ),
                        allow("WriteArchive", ["s3:AbortMultipartUpload", "s3:PutObject"], [f"{bucket_arn}/*"]),
                        allow(
                            "EncryptArchive",
                            ["kms:Decrypt", "kms:GenerateDataKey"],
                            [key.key_arn],
                            StringEquals=via("s3", region),
                        ),
                        allow("ReportFailures", ["logs:PutLogEvents"], [f"{log_group_arn}:*"]),
                    ]
                )
            },
        )
        acknowledge(role, f"IAM5[Resource::{bucket_arn}/*]", "Firehose names the objects of its own bucket itself")
        acknowledge(role, f"IAM5[Resource::{log_group_arn}:*]", "The streams of one log group")
        return role
