"""One region's alarms and whom they wake. Only there when the options give an address."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.config import Options
from infra.constructs.checks import acknowledge
from infra.constructs.past_gateway import past_the_gateway
from infra.naming import (
    ADMIN,
    ALIAS,
    API_STAGE,
    AUTHORIZER,
    DIGESTS,
    DRAIN,
    GRANTS,
    INDEXER,
    METRICS,
    READER,
    Names,
)  # fmt: skip
from infra.stacks.base import StrongroomStack


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One metric, and what is too much of it within five minutes."""

    name: str
    means: str
    namespace: str
    metric: str
    dimensions: dict[str, str]
    statistic: str
    at_least: float
    quiet_for: timedelta | None = None
    """Rings when less than this was seen for so long, hour by hour; nothing at all counts as less."""


WINDOW: Final = timedelta(minutes=5)
STALE_ARCHIVE: Final = timedelta(minutes=15)
UNSEALED: Final = timedelta(hours=2)
"""How long the archive may go without a digest."""
HOUR: Final = timedelta(hours=1)
LATE_INDEX: Final = timedelta(minutes=5)


def watches(names: Names, *, buffer_events: int) -> list[Watch]:
    """What a region is watched for. Metrics are found by names, so alarms outlive what they watch."""
    functions = [
        Watch(
            name=f"{function}-{metric.lower()}",
            means=means,
            namespace="AWS/Lambda",
            metric=metric,
            dimensions={"FunctionName": names.of(function), "Resource": f"{names.of(function)}:{ALIAS}"},
            statistic="Sum",
            at_least=1,
        )
        for function in (READER, ADMIN, AUTHORIZER, DRAIN, DIGESTS, GRANTS, INDEXER)
        for metric, means in (
            ("Errors", f"The {function} function failed without an answer of its own"),
            ("Throttles", f"The {function} function was refused concurrency"),
        )
        # The stream's polling asks for as much as it may and waits for what it does not get: lateness is what counts.
        if (function, metric) != (INDEXER, "Throttles")
    ]
    audit = [
        Watch(
            name=f"{function}-{name}",
            means=means,
            namespace=METRICS,
            metric=metric,
            dimensions={"stage": names.stage, "function": function},
            statistic="Sum",
            at_least=1,
        )
        for function in (READER, ADMIN)
        for name, metric, means in (
            ("audit-unavailable", "AuditUnavailable", "Requests are refused: audit records find no durable place"),
            ("audit-buffered", "AuditBuffered", "The audit stream does not take records; they go into the buffer"),
            ("kms-fallbacks", "KmsFallbacks", "This region's KMS does not answer; another region's opens the keys"),
            ("past-gateway", "PastGateway", "The function was invoked with an event that is not API Gateway's"),
        )
    ]
    identity = [
        Watch(
            name=f"{function}-{name}",
            means=means,
            namespace=METRICS,
            metric=metric,
            dimensions={"stage": names.stage, "function": function},
            statistic="Sum",
            at_least=at_least,
        )
        for function, name, metric, at_least, means in (
            *(
                (it, "access-broken", "AccessBroken", 1, "Policies or the registry cannot be read: nobody is let in")
                for it in (READER, ADMIN, AUTHORIZER)
            ),
            (AUTHORIZER, "audit-unavailable", "AuditUnavailable", 1, "Refused tokens find no place in the audit"),
            (AUTHORIZER, "refusals-unrecorded", "RefusalsUnrecorded", 1, "More tokens are refused than are recorded"),
            (AUTHORIZER, "key-set-failures", "KeySetFailures", 3, "An issuer's keys cannot be fetched"),
        )
    ]
    return [
        *functions,
        *audit,
        *identity,
        Watch(
            name="audit-buffer-filling",
            means="Half of the audit buffer is taken; when it is full, reads are refused",
            namespace=METRICS,
            metric="AuditWaiting",
            dimensions={"stage": names.stage, "function": DRAIN},
            statistic="Maximum",
            at_least=buffer_events / 2,
        ),
        Watch(
            name="audit-buffer-stuck",
            means="Audit records wait in the buffer and do not leave: the drain finds no way into the stream",
            namespace=METRICS,
            metric="AuditWaiting",
            dimensions={"stage": names.stage, "function": DRAIN},
            # Of a drain each minute not one left the buffer empty.
            statistic="Minimum",
            at_least=1,
        ),
        Watch(
            name="audit-drain-failing",
            means="The drain cannot read or empty the audit buffer",
            namespace=METRICS,
            metric="Errors",
            dimensions={"stage": names.stage, "function": DRAIN, "code": "store_unavailable"},
            statistic="Sum",
            # Of five within the window; the next minute makes good for a single one.
            at_least=3,
        ),
        Watch(
            name="grants-unanswered",
            means="What was read under a break-glass grant is not known whole: a region's audit index does not answer",
            namespace=METRICS,
            metric="GrantsUnanswered",
            dimensions={"stage": names.stage, "function": GRANTS},
            statistic="Sum",
            # A region that misses one search or two is asked again each minute.
            at_least=3,
        ),
        Watch(
            name="audit-unreadable",
            means="Lines of the audit stream are no records, or were changed: somebody else writes to it",
            namespace=METRICS,
            metric="AuditUnreadable",
            dimensions={"stage": names.stage, "function": INDEXER},
            statistic="Sum",
            at_least=1,
        ),
        Watch(
            name="index-late",
            means="The audit cannot be asked for its latest records; the archive is not concerned",
            namespace="AWS/Lambda",
            metric="IteratorAge",
            dimensions={"FunctionName": names.of(INDEXER), "Resource": f"{names.of(INDEXER)}:{ALIAS}"},
            statistic="Maximum",
            at_least=LATE_INDEX / timedelta(milliseconds=1),
        ),
        Watch(
            name="index-incomplete",
            means="Records were never indexed: the index lacks them for good, the archive has them",
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": names.audit_not_indexed},
            statistic="Maximum",
            at_least=1,
        ),
        Watch(
            name="server-errors",
            means="Requests end in 5xx: the store, the keys, or the audit do not answer, and the latter closes reads",
            namespace="AWS/ApiGateway",
            metric="5XXError",
            dimensions={"ApiName": names.api, "Stage": API_STAGE},
            statistic="Sum",
            at_least=5,
        ),
        Watch(
            name="audit-throttled",
            means="The audit stream refuses records: give it shards before reads have to be refused",
            namespace="AWS/Kinesis",
            metric="WriteProvisionedThroughputExceeded",
            dimensions={"StreamName": names.audit_stream},
            statistic="Sum",
            at_least=1,
        ),
        Watch(
            name="archive-late",
            means="Audit records wait for the archive; the stream forgets them after its retention",
            namespace="AWS/Firehose",
            metric="DeliveryToS3.DataFreshness",
            dimensions={"DeliveryStreamName": names.audit_delivery},
            statistic="Maximum",
            at_least=STALE_ARCHIVE.total_seconds(),
        ),
        Watch(
            name="digest-late",
            means="The audit archive is not sealed: what is removed or changed now may go unnoticed",
            namespace=METRICS,
            metric="Digests",
            dimensions={"stage": names.stage, "function": DIGESTS},
            statistic="Sum",
            at_least=1,
            quiet_for=UNSEALED,
        ),
        Watch(
            name="archive-tampered",
            means="Something in the audit archive was deleted, overwritten or put in a digest's place; verify it",
            namespace=METRICS,
            metric="ArchiveAnomalies",
            dimensions={"stage": names.stage, "function": DIGESTS},
            statistic="Sum",
            at_least=1,
        ),
    ]


class OperationsStack(StrongroomStack):
    """A topic, its one subscriber, and the alarms that publish to it."""

    def __init__(self, scope: Construct, *, options: Options, region: str, address: str) -> None:
        super().__init__(
            scope, "Operations", options=options, region=region, per_region=True, stateful=False, description="alarms"
        )
        topic = self._topic(address)
        for watch in watches(self.names, buffer_events=options.audit_buffer_events):
            quiet = watch.quiet_for
            comparison, missing = cloudwatch.ComparisonOperator, cloudwatch.TreatMissingData
            alarm = cloudwatch.Alarm(
                self,
                "".join(part.capitalize() for part in watch.name.split("-")),
                alarm_name=self.names.of(watch.name),
                alarm_description=watch.means,
                metric=cloudwatch.Metric(
                    namespace=watch.namespace,
                    metric_name=watch.metric,
                    dimensions_map=watch.dimensions,
                    statistic=watch.statistic,
                    period=Duration.seconds((HOUR if quiet else WINDOW).total_seconds()),
                ),
                threshold=watch.at_least,
                evaluation_periods=quiet // HOUR if quiet else 1,
                comparison_operator=comparison.LESS_THAN_THRESHOLD
                if quiet
                else comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                # Without requests there are no data points, and that is no fault, unless it is what is watched for.
                treat_missing_data=missing.BREACHING if quiet else missing.NOT_BREACHING,
            )
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))
        past = past_the_gateway(self, names=self.names)
        past.add_alarm_action(actions.SnsAction(topic))
        past.add_ok_action(actions.SnsAction(topic))

    def _topic(self, address: str) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", topic_name=self.names.of("alarms"), enforce_ssl=True)
        # A topic with a policy of its own no longer has the one by which its account may publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.names.account}},
            )
        )
        topic.add_subscription(subscriptions.EmailSubscription(address))
        acknowledge(
            topic, "SNS2", "Alarms carry names and thresholds, nothing secret, and must arrive when keys do not work"
        )
        return topic
