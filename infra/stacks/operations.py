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
from infra.naming import ADMIN, ALIAS, API_STAGE, AUTHORIZER, DRAIN, METRICS, READER, Names
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


WINDOW: Final = timedelta(minutes=5)
STALE_ARCHIVE: Final = timedelta(minutes=15)


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
        for function in (READER, ADMIN, AUTHORIZER, DRAIN)
        for metric, means in (
            ("Errors", f"The {function} function failed without an answer of its own"),
            ("Throttles", f"The {function} function was refused concurrency"),
        )
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
    ]


class OperationsStack(StrongroomStack):
    """A topic, its one subscriber, and the alarms that publish to it."""

    def __init__(self, scope: Construct, *, options: Options, region: str, address: str) -> None:
        super().__init__(
            scope, "Operations", options=options, region=region, per_region=True, stateful=False, description="alarms"
        )
        topic = self._topic(address)
        for watch in watches(self.names, buffer_events=options.audit_buffer_events):
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
                    period=Duration.seconds(WINDOW.total_seconds()),
                ),
                threshold=watch.at_least,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                # Without requests there are no data points, and that is no fault.
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))

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
