"""How Lambda takes the audit stream to the indexer, and where it says what it had to give up."""

from datetime import timedelta
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.checks import acknowledge
from infra.naming import Names

INDEXER_TIMEOUT: Final = timedelta(minutes=1)
BATCH: Final = 500
"""Records of the stream in one call, each of one request or more."""
WINDOW: Final = timedelta(seconds=1)
"""For which Lambda gathers them: what arrives together is packed, and written, together."""
PARALLEL: Final = 4
"""Calls at once for each shard. Records carry random partition keys, so their order says nothing anyway."""
GIVEN_UP_AFTER: Final = timedelta(hours=12)
"""Within the shortest time that the stream may keep records. Not a number of tries: an outage of the table would use up
any number in minutes, and a single record cannot fail alone: what is no record of ours is kept aside."""
FOR_EVER: Final = -1
REPORT_KEPT: Final = timedelta(days=14)


def not_indexed_queue(scope: Construct, *, names: Names) -> sqs.Queue:
    """Tells which part of the stream was given up: shard and sequence numbers, no records."""
    queue = sqs.Queue(
        scope,
        "NotIndexed",
        queue_name=names.audit_not_indexed,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(REPORT_KEPT.days),
    )
    acknowledge(queue, "SQS3", "It is itself where failures go")
    return queue


def poll_stream(scope: Construct, *, target: lambda_.Alias, stream_arn: str, given_up: sqs.Queue) -> None:
    """Deliver everything that the stream holds, from its oldest record on."""
    lambda_.CfnEventSourceMapping(
        scope,
        "IndexerSource",
        function_name=target.function_arn,
        event_source_arn=stream_arn,
        starting_position="TRIM_HORIZON",
        batch_size=BATCH,
        maximum_batching_window_in_seconds=int(WINDOW.total_seconds()),
        parallelization_factor=PARALLEL,
        function_response_types=["ReportBatchItemFailures"],
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=FOR_EVER,
        maximum_record_age_in_seconds=int(GIVEN_UP_AFTER.total_seconds()),
        destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
            on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=given_up.queue_arn)
        ),
    )
