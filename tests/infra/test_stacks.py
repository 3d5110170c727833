from typing import Any

import pytest

from tests.infra.synthesized import Application, as_list

PERIODS = {"dev": {90, 365}, "solo": {30, 365}}


def dependencies(application: Application, stack: str) -> set[str]:
    """The stacks that are deployed before this one."""
    named: list[str] = application.stacks[stack].get("dependencies", [])
    return {name for name in named if not name.endswith(".assets")}


def test_a_deployment_has_these_stacks(two_regions: Application, one_region: Application) -> None:
    """Split by lifetime, the region in the name of what every region has."""
    assert set(two_regions.stacks) == {
        "Strongroom-dev-Keys",
        "Strongroom-dev-KeyReplica-us-west-2",
        "Strongroom-dev-Data",
        "Strongroom-dev-Audit-us-east-1",
        "Strongroom-dev-Audit-us-west-2",
        "Strongroom-dev-Api-us-east-1",
        "Strongroom-dev-Api-us-west-2",
        "Strongroom-dev-Workers-us-east-1",
        "Strongroom-dev-Workers-us-west-2",
    }
    assert {name.removeprefix("Strongroom-solo-") for name in one_region.stacks} == {
        "Keys", "Data", "Audit-eu-central-1", "Api-eu-central-1", "Workers-eu-central-1",
        "Operations-eu-central-1",
    }  # fmt: skip


def test_stacks_are_deployed_in_the_order_of_their_state(two_regions: Application) -> None:
    """Names in place of references make no dependency, so each is explicit."""
    keys, replica, data = "Strongroom-dev-Keys", "Strongroom-dev-KeyReplica-us-west-2", "Strongroom-dev-Data"
    assert dependencies(two_regions, keys) == set()
    assert dependencies(two_regions, replica) == {keys}
    assert dependencies(two_regions, data) == {keys, replica}
    for region in ("us-east-1", "us-west-2"):
        assert data in dependencies(two_regions, f"Strongroom-dev-Audit-{region}")
        assert {data, f"Strongroom-dev-Audit-{region}"} <= dependencies(two_regions, f"Strongroom-dev-Api-{region}")
        assert {data, f"Strongroom-dev-Audit-{region}"} <= dependencies(two_regions, f"Strongroom-dev-Workers-{region}")


def test_stacks_with_state_are_protected(two_regions: Application, one_region: Application) -> None:
    """Protected from `cdk destroy` unless the options say otherwise; what has no state never is."""
    protected = {
        name for name, it in two_regions.stacks.items() if it["properties"].get("terminationProtection", False)
    }
    assert protected == {name for name in two_regions.stacks if "-Api-" not in name and "-Workers-" not in name}
    assert not any(it["properties"].get("terminationProtection", False) for it in one_region.stacks.values())


def test_every_log_group_has_a_period(two_regions: Application, one_region: Application) -> None:
    """Nothing is kept for ever by accident."""
    for application, stage in ((two_regions, "dev"), (one_region, "solo")):
        groups = [it for _, _, it in application.everything() if it["Type"] == "AWS::Logs::LogGroup"]
        assert {it["Properties"]["RetentionInDays"] for it in groups} == PERIODS[stage]


def test_the_seeder_opens_the_primary_for_writing(two_regions: Application) -> None:
    """A custom resource with the first epoch, answered by the function itself within minutes."""
    seed = two_regions.one("Strongroom-dev-Workers-us-east-1", "Custom::StrongroomSeed")["Properties"]
    assert (seed["WriterRegion"], seed["Epoch"], seed["ServiceTimeout"]) == ("us-east-1", "1", "300")
    stack = "Strongroom-dev-Workers-us-east-1"
    function = two_regions.one(stack, "AWS::Lambda::Function", FunctionName="strongroom-dev-seeder")["Properties"]
    assert set(function["Environment"]["Variables"]) == {
        "STRONGROOM_STAGE", "STRONGROOM_TABLE", "STRONGROOM_CONTROL_TABLE"
    }  # fmt: skip
    assert not two_regions.resources("Strongroom-dev-Workers-us-west-2", "Custom::StrongroomSeed")


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
@pytest.mark.parametrize(
    ("rule", "function", "every"),
    [
        ("drain-audit", "drain", "rate(1 minute)"),
        ("tend-grants", "grants", "rate(1 minute)"),
        ("seal-audit", "digests", "rate(1 hour)"),
    ],
)
def test_each_region_has_its_schedules(
    two_regions: Application, region: str, rule: str, function: str, every: str
) -> None:
    """By the functions' aliases; a run that failed is not repeated, the next one comes."""
    stack = f"Strongroom-dev-Workers-{region}"
    found = two_regions.one(stack, "AWS::Events::Rule", Name=f"strongroom-dev-{rule}")["Properties"]
    assert found["ScheduleExpression"] == every
    assert found.get("State", "ENABLED") == "ENABLED"
    (target,) = found["Targets"]
    alias = two_regions.template(stack)["Resources"][target["Arn"]["Ref"]]
    assert alias["Type"] == "AWS::Lambda::Alias"
    named = two_regions.template(stack)["Resources"][alias["Properties"]["FunctionName"]["Ref"]]
    assert named["Properties"]["FunctionName"] == f"strongroom-dev-{function}"
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_each_region_indexes_everything_on_its_stream(two_regions: Application, region: str) -> None:
    """From the oldest record on, a second or so later; what fails is split and tried again, and told when given up."""
    stack = f"Strongroom-dev-Workers-{region}"
    source = two_regions.one(stack, "AWS::Lambda::EventSourceMapping")["Properties"]
    aliases = [
        name
        for name, it in two_regions.template(stack)["Resources"].items()
        if it["Type"] == "AWS::Lambda::Alias" and name.startswith("Indexer")
    ]
    assert [source["FunctionName"]] == [{"Ref": alias} for alias in aliases]
    assert source["EventSourceArn"] == f"arn:aws:kinesis:{region}:111122223333:stream/strongroom-dev-audit"
    assert (source["StartingPosition"], source["MaximumBatchingWindowInSeconds"]) == ("TRIM_HORIZON", 1)
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BisectBatchOnFunctionError"] is True
    # An outage of the table must not use up the tries; the shortest retention of the stream is a day.
    assert (source["MaximumRetryAttempts"], source["MaximumRecordAgeInSeconds"]) == (-1, 12 * 3600)
    assert (source["BatchSize"], source["ParallelizationFactor"]) == (500, 4)
    queue = source["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    told = two_regions.template(stack)["Resources"][queue]["Properties"]
    assert (told["QueueName"], told["SqsManagedSseEnabled"]) == ("strongroom-dev-audit-not-indexed", True)


def test_no_custom_resource_of_the_cdk_runs_in_the_account(two_regions: Application) -> None:
    """Every function is the service's own: none that the CDK slips in with a role of its own making."""
    functions = [it["Properties"] for _, _, it in two_regions.everything() if it["Type"] == "AWS::Lambda::Function"]
    assert {it["Handler"].rsplit(".", 2)[0] for it in functions} == {"strongroom_service.entry"}
    custom = {it["Type"] for _, _, it in two_regions.everything() if it["Type"].startswith("Custom::")}
    assert custom == {"Custom::StrongroomSeed"}


def test_no_policy_names_another_partition_or_account(two_regions: Application) -> None:
    """Names are written out for one account; a stray one would be a hole."""
    foreign: list[Any] = []
    for stack, logical_id, it in two_regions.everything():
        if it["Type"] == "AWS::IAM::Role":
            for policy in it["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    arns = [arn for arn in as_list(statement["Resource"]) if isinstance(arn, str)]
                    foreign += [
                        (stack, logical_id, arn)
                        for arn in arns
                        if not arn.startswith("arn:aws:") or arn.split(":")[4] not in {"", "111122223333"}
                    ]
    assert foreign == []
