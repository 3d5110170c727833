from infra.naming import METRICS
from strongroom_service.entry import admin, authorizer, drain, metrics, read
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
        "reader-audit-unavailable", "admin-audit-unavailable", "reader-audit-buffered", "admin-audit-buffered",
        "reader-kms-fallbacks", "admin-kms-fallbacks", "audit-buffer-filling", "server-errors", "audit-throttled",
        "archive-late", "authorizer-errors", "authorizer-throttles", "authorizer-audit-unavailable",
        "authorizer-refusals-unrecorded", "authorizer-key-set-failures", "reader-access-broken", "admin-access-broken",
        "authorizer-access-broken",
    }  # fmt: skip
    for alarm in alarms:
        assert len(alarm["Properties"]["AlarmActions"]) == len(alarm["Properties"]["OKActions"]) == 1
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching"


def test_alarms_watch_what_the_other_stacks_make(one_region: Application) -> None:
    """Metrics are found by name: a name that nothing has would be an alarm that never rings."""
    made = {
        str(it["Properties"][key])
        for _, _, it in one_region.everything()
        for key in ("FunctionName", "Name", "DeliveryStreamName")
        if key in it.get("Properties", {})
    }
    for alarm in one_region.resources(STACK, "AWS::CloudWatch::Alarm"):
        if alarm["Properties"]["Namespace"] == METRICS:
            continue
        dimensions = {it["Name"]: it["Value"] for it in alarm["Properties"]["Dimensions"]}
        assert dimensions.pop("Stage", "v1") == "v1"
        function = dimensions.pop("Resource", "").removesuffix(":live")
        assert set(dimensions.values()) <= made
        assert function in {"", *dimensions.values()}


def test_alarms_watch_what_the_functions_write(one_region: Application) -> None:
    """The same namespace, metrics, dimensions: taken from the functions' own code."""
    written = {
        (metrics.NAMESPACE, metric, (("function", function), ("stage", "solo")))
        for metric in Metric
        for function in (read.FUNCTION, admin.FUNCTION, authorizer.FUNCTION, drain.FUNCTION)
    }
    watched = set()
    for alarm in one_region.resources(STACK, "AWS::CloudWatch::Alarm"):
        said = alarm["Properties"]
        if said["Namespace"] == METRICS:
            dimensions = sorted((it["Name"], it["Value"]) for it in said["Dimensions"])
            watched.add((said["Namespace"], said["MetricName"], tuple(dimensions)))
    assert len(watched) == 13
    assert watched <= written


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
