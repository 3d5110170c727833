from infra.naming import METRICS
from strongroom_service.entry import admin, authorizer, digests, drain, grants, indexer, metrics, read
from strongroom_service.entry.error_table import STATUS
from strongroom_service.usecases.ports import Metric
from tests.infra.synthesized import ACCOUNT, Application, statements_by_sid

STACK = "Strongroom-solo-Operations-eu-central-1"


def test_alarms_wake_the_address_that_was_given(one_region: Application) -> None:
    """One subscriber, and every alarm tells it of both its beginning and its end."""
    subscription = one_region.one(STACK, "AWS::SNS::Subscription")["Properties"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "oncall@example.com")
    alarms = one_region.resources(STACK, "AWS::CloudWatch::Alarm")
    assert {it["Properties"]["AlarmName"].removeprefix("strongroom-solo-") for it in alarms} == {
        "reader-errors", "reader-throttles", "admin-errors", "admin-throttles", "drain-errors", "drain-throttles",
        "grants-errors", "grants-throttles", "grants-unanswered",
        "reader-audit-unavailable", "admin-audit-unavailable", "reader-audit-buffered", "admin-audit-buffered",
        "reader-kms-fallbacks", "admin-kms-fallbacks", "audit-buffer-filling", "audit-buffer-stuck",
        "audit-drain-failing", "server-errors", "audit-throttled", "archive-late", "digests-errors",
        "digests-throttles", "digest-late", "archive-tampered",
        "reader-access-broken", "admin-access-broken",
        "indexer-errors", "audit-unreadable", "index-late", "index-incomplete",
        "reader-past-gateway", "admin-past-gateway", "invocations-past-the-gateway",
        "authorizer-errors", "authorizer-throttles", "authorizer-audit-unavailable", "authorizer-refusals-unrecorded",
        "authorizer-key-set-failures", "authorizer-access-broken",
    }  # fmt: skip
    for alarm in alarms:
        assert len(alarm["Properties"]["AlarmActions"]) == len(alarm["Properties"]["OKActions"]) == 1
        is_of_silence = alarm["Properties"]["AlarmName"].endswith("-digest-late")
        assert alarm["Properties"]["TreatMissingData"] == ("breaching" if is_of_silence else "notBreaching")


def test_an_archive_that_is_not_sealed_is_an_alarm(one_region: Application) -> None:
    """Two hours without a digest, also when the function does not run at all."""
    alarm = one_region.one(STACK, "AWS::CloudWatch::Alarm", AlarmName="strongroom-solo-digest-late")["Properties"]
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, 2)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")
    assert (alarm["MetricName"], alarm["Statistic"]) == ("Digests", "Sum")


def test_alarms_watch_what_the_other_stacks_make(one_region: Application) -> None:
    """Metrics are found by name: a name that nothing has would be an alarm that never rings."""
    made = {
        str(it["Properties"][key])
        for _, _, it in one_region.everything()
        for key in ("FunctionName", "Name", "DeliveryStreamName", "QueueName")
        if key in it.get("Properties", {})
    }
    for alarm in one_region.resources(STACK, "AWS::CloudWatch::Alarm"):
        if alarm["Properties"].get("Namespace") in {METRICS, None}:
            continue
        dimensions = {it["Name"]: it["Value"] for it in alarm["Properties"]["Dimensions"]}
        assert dimensions.pop("Stage", "v1") == "v1"
        function = dimensions.pop("Resource", "").removesuffix(":live")
        assert set(dimensions.values()) <= made
        assert function in {"", *dimensions.values()}


def test_alarms_watch_what_the_functions_write(one_region: Application) -> None:
    """The same namespace, metrics, dimensions: taken from the functions' own code."""
    written = {
        (metrics.NAMESPACE, metric, (*code, ("function", function), ("stage", "solo")))
        for metric in Metric
        for function in (it.FUNCTION for it in (read, admin, authorizer, drain, digests, grants, indexer))
        for code in ([((metrics.CODE, it),) for it in STATUS] if metric is Metric.ERRORS else [()])
    }
    watched = []
    for alarm in one_region.resources(STACK, "AWS::CloudWatch::Alarm"):
        said = alarm["Properties"]
        if said.get("Namespace") == METRICS:
            dimensions = sorted((it["Name"], it["Value"]) for it in said["Dimensions"])
            watched.append((said["Namespace"], said["MetricName"], tuple(dimensions)))
    assert len(watched) == 21
    assert set(watched) <= written


def test_invocations_are_compared_with_what_the_api_passed_on(one_region: Application) -> None:
    """All versions of both functions against requests that reached an integration, with little for periods' borders."""
    alarm = one_region.one(STACK, "AWS::CloudWatch::Alarm", AlarmName="strongroom-solo-invocations-past-the-gateway")
    said = alarm["Properties"]
    asked = {it["Id"]: it for it in said["Metrics"]}
    (formula,) = [it["Expression"] for it in said["Metrics"] if "Expression" in it]
    assert formula == "FILL(reader, 0) + FILL(admin, 0) - FILL(requests, 0) * 1.001"
    for function in ("reader", "admin"):
        invoked = asked[function]["MetricStat"]
        assert (invoked["Metric"]["Namespace"], invoked["Metric"]["MetricName"]) == ("AWS/Lambda", "Invocations")
        assert invoked["Metric"]["Dimensions"] == [{"Name": "FunctionName", "Value": f"strongroom-solo-{function}"}]
        assert (invoked["Stat"], invoked["Period"]) == ("Sum", 900)
    passed = asked["requests"]["MetricStat"]
    assert passed["Metric"]["MetricName"] == "IntegrationLatency"
    assert (passed["Stat"], passed["Period"]) == ("SampleCount", 900)
    api = one_region.one("Strongroom-solo-Api-eu-central-1", "AWS::ApiGateway::RestApi")["Properties"]["Name"]
    assert {it["Name"]: it["Value"] for it in passed["Metric"]["Dimensions"]} == {"ApiName": api, "Stage": "v1"}
    assert (said["Threshold"], said["ComparisonOperator"]) == (2, "GreaterThanOrEqualToThreshold")


def test_cloudwatch_of_this_account_may_publish(one_region: Application) -> None:
    """And nobody without TLS."""
    policy = one_region.one(STACK, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"]
    allowed = statements_by_sid(policy)["AlarmsOfThisAccount"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert any(it["Effect"] == "Deny" for it in policy["Statement"])


def test_without_an_address_there_are_no_alarms(two_regions: Application) -> None:
    """An alarm that nobody hears is only a cost."""
    assert not [name for name in two_regions.stacks if "Operations" in name]
