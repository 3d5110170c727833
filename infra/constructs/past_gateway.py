"""The alarm on invocations that no request to the API explains: who may invoke a function can forge any caller.

Compared are Lambda's count of invocations, of every version and alias, and API Gateway's count of requests that it
passed on to an integration. What API Gateway refuses itself has no integration latency and so does not hide anything.
What the alarm cannot see is in docs/threat-model.md.
"""

from datetime import timedelta
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.naming import ADMIN, API_STAGE, READER, Names

WINDOW: Final = timedelta(minutes=15)
SHARE: Final = 0.001
"""Of the requests: so many may be counted in one period by one service and in the next by the other."""
AT_LEAST: Final = 2
"""Beyond that share. A single request at a period's border is likelier than a single forgery."""


def past_the_gateway(scope: Construct, *, names: Names) -> cloudwatch.Alarm:
    """Rings when the reader and the admin function were invoked more often than requests reached them."""
    invoked = {function: _invocations(names.of(function)) for function in (READER, ADMIN)}
    passed_on = cloudwatch.Metric(
        namespace="AWS/ApiGateway",
        metric_name="IntegrationLatency",
        dimensions_map={"ApiName": names.api, "Stage": API_STAGE},
        statistic="SampleCount",
        period=Duration.seconds(WINDOW.total_seconds()),
    )
    unexplained = cloudwatch.MathExpression(
        expression=f"FILL({READER}, 0) + FILL({ADMIN}, 0) - FILL(requests, 0) * {1 + SHARE}",
        using_metrics={**invoked, "requests": passed_on},
        label="Invocations without a request",
        period=Duration.seconds(WINDOW.total_seconds()),
    )
    return cloudwatch.Alarm(
        scope,
        "InvocationsPastTheGateway",
        alarm_name=names.of("invocations-past-the-gateway"),
        alarm_description="Functions were invoked more often than API Gateway passed requests on: "
        "somebody with lambda:InvokeFunction may have forged callers",
        metric=unexplained,
        threshold=AT_LEAST,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def _invocations(function: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/Lambda",
        metric_name="Invocations",
        # Without the alias: who goes past the API may as well ask for another version.
        dimensions_map={"FunctionName": function},
        statistic="Sum",
        period=Duration.seconds(WINDOW.total_seconds()),
    )
