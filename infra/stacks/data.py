"""The tables that span the regions: secrets, and the control table that says which region writes."""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import Options
from infra.stacks.base import RETAIN, StrongroomStack
from infra.stacks.keys import KeysStack

LISTED = [
    "secretId", "ownerTeam", "rotationStrategy", "description", "tags", "status", "latestVersion", "aliases", "epoch",
    "revision", "createdAt", "updatedAt", "deletedAt", "restoreUntil", "rotationDue",
]  # fmt: skip
"""What a listing shows of a head. Never `envelopes`: who may list must not hold ciphertext."""


class DataStack(StrongroomStack):
    """The secrets table in every region, the control table among the writer candidates."""

    def __init__(self, scope: Construct, *, options: Options, keys: KeysStack) -> None:
        super().__init__(
            scope,
            "Data",
            options=options,
            region=options.primary_region,
            per_region=False,
            stateful=True,
            description="global tables",
        )
        self.secrets = self._secrets(options, keys.table)
        self.control = self._control(options)

    def _secrets(self, options: Options, key: kms.Key) -> dynamodb.TableV2:
        # A multi-region key has one id everywhere, so the replicas' ARNs need no reference into other regions.
        replica_keys = {
            region: f"arn:aws:kms:{region}:{options.account}:key/{key.key_id}" for region in options.replica_regions
        }
        return dynamodb.TableV2(
            self,
            "Secrets",
            table_name=self.names.secrets_table,
            partition_key=_text("PK"),
            sort_key=_text("SK"),
            global_secondary_indexes=[
                dynamodb.GlobalSecondaryIndexPropsV2(
                    index_name="byPath",
                    partition_key=_text("namespace"),
                    sort_key=_text("path"),
                    projection_type=dynamodb.ProjectionType.INCLUDE,
                    non_key_attributes=LISTED,
                )
            ],
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.customer_managed_key(key, replica_keys),
            replicas=[dynamodb.ReplicaTableProps(region=region) for region in options.replica_regions],
            time_to_live_attribute="expireAt",
            point_in_time_recovery_specification=_point_in_time_recovery(),
            deletion_protection=True,
            # What replicates between regions, and what repairs a head after a conflict: both images.
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            removal_policy=RETAIN,
        )

    def _control(self, options: Options) -> dynamodb.TableV2:
        """The writer lease. Strong consistency over regions rules out TTL, transactions and local indexes.

        It holds a region's name, an epoch and a time, nothing secret: DynamoDB's own key is enough, and a key of ours
        would be one more thing that can keep a promotion from happening.
        """
        others = [region for region in options.writer_candidates if region != options.primary_region]
        return dynamodb.TableV2(
            self,
            "Control",
            table_name=self.names.control_table,
            partition_key=_text("PK"),
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.dynamo_owned_key(),
            replicas=[dynamodb.ReplicaTableProps(region=region) for region in others],
            witness_region=options.witness_region,
            multi_region_consistency=dynamodb.MultiRegionConsistency.STRONG if others else None,
            point_in_time_recovery_specification=_point_in_time_recovery(),
            deletion_protection=True,
            removal_policy=RETAIN,
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _point_in_time_recovery() -> dynamodb.PointInTimeRecoverySpecification:
    return dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True)
