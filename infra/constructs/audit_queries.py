"""Athena over the audit archive: a table that knows where each hour lies, and a workgroup that guards the answers."""

from datetime import timedelta
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.naming import Names
from infra.stacks.base import RETAIN

RECORDS: Final = "records"
"""The table, and the archive's prefix."""
COLUMNS: Final = {
    "formatVersion": "int",
    "eventId": "string",
    "operationId": "string",
    "phase": "string",
    "time": "string",
    "tenant": "string",
    "environment": "string",
    "path": "string",
    "secretId": "string",
    "version": "bigint",
    "action": "string",
    "decision": "string",
    "reason": "array<string>",
    "outcome": "string",
    "actor": "string",
    "session": "string",
    "sourceIp": "string",
    "userAgent": "string",
    "requestId": "string",
    "region": "string",
    "permissions": "array<string>",
    "authentication": "string",
    "authenticationAge": "bigint",
    "count": "bigint",
    "period": "string",
    "chainId": "string",
    "sequence": "bigint",
    "previousHash": "string",
    "follows": "struct<chainId:string,lastAcknowledged:bigint,hash:string>",
    "hash": "string",
}
"""A record's fields. Those that a later format adds are null in older records."""
PARTITION: Final = "hour"
ANSWERS_KEPT: Final = timedelta(days=30)
MOST_SCANNED: Final = 1024**4
"""Bytes that one query may scan: about five dollars. A query without `hour` reads the whole archive."""


class AuditQueries(Construct):
    """Database, table, workgroup, and the bucket that answers go to."""

    def __init__(
        self, scope: Construct, *, names: Names, region: str, archive: s3.Bucket, logs: s3.IBucket, key: kms.Key
    ) -> None:
        super().__init__(scope, "Queries")
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=names.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=names.audit_database, description=f"Strongroom {names.stage}: the audit archive"
            ),
        )
        table = glue.CfnTable(
            self,
            "Records",
            catalog_id=names.account,
            database_name=names.audit_database,
            table_input=_table(f"s3://{names.bucket('audit', region)}/{RECORDS}/"),
        )
        table.add_dependency(database)
        answers = self._answers(names, region, logs, key)
        workgroup = athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=names.of("audit"),
            description="Questions to the audit archive",
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                # Whoever asks cannot have the answer written elsewhere, or in the clear.
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=MOST_SCANNED,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{names.bucket('queries', region)}/",
                    expected_bucket_owner=names.account,
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )
        workgroup.node.add_dependency(answers)
        table.node.add_dependency(archive)

    def _answers(self, names: Names, region: str, logs: s3.IBucket, key: kms.Key) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Answers",
            bucket_name=names.bucket("queries", region),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=logs,
            server_access_logs_prefix="queries/",
            lifecycle_rules=[s3.LifecycleRule(id="Expire", expiration=Duration.days(ANSWERS_KEPT.days))],
            removal_policy=RETAIN,
        )


def _table(location: str) -> glue.CfnTable.TableInputProperty:
    """Partition projection: the hours follow from the prefixes, so no crawler runs and no partition is ever missing.

    https://docs.aws.amazon.com/athena/latest/ug/partition-projection-kinesis-firehose-example.html
    """
    return glue.CfnTable.TableInputProperty(
        name=RECORDS,
        description="Every audit record of this region, one a line",
        table_type="EXTERNAL_TABLE",
        partition_keys=[glue.CfnTable.ColumnProperty(name=PARTITION, type="string")],
        parameters={
            "EXTERNAL": "TRUE",
            "classification": "json",
            "projection.enabled": "true",
            f"projection.{PARTITION}.type": "date",
            f"projection.{PARTITION}.format": "yyyy/MM/dd/HH",
            f"projection.{PARTITION}.range": "2026/01/01/00,NOW",
            f"projection.{PARTITION}.interval": "1",
            f"projection.{PARTITION}.interval.unit": "HOURS",
            "storage.location.template": f"{location}${{{PARTITION}}}/",
        },
        storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
            location=location,
            columns=[
                glue.CfnTable.ColumnProperty(name=name.lower(), type=kind.lower()) for name, kind in COLUMNS.items()
            ],
            input_format="org.apache.hadoop.mapred.TextInputFormat",
            output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            serde_info=glue.CfnTable.SerdeInfoProperty(
                serialization_library="org.openx.data.jsonserde.JsonSerDe",
                # A line that is no JSON, which only somebody else can have put on the stream, stops no query.
                parameters={"case.insensitive": "TRUE", "ignore.malformed.json": "TRUE"},
            ),
        ),
    )
