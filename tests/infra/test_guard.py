"""The service control policy names what the templates create, denies what the docs say, and fits."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from infra import guard
from infra.naming import Names
from tests.infra.synthesized import ACCOUNT, Application, as_list

DEPLOYER = f"arn:aws:iam::{ACCOUNT}:role/pipeline"
REGIONS = ("us-east-1", "us-west-2")
POLICY = guard.service_control_policy(Names(stage="dev", account=ACCOUNT), regions=REGIONS, deployers=[DEPLOYER])
ARNS = {
    "AWS::Lambda::Function": ("FunctionName", "arn:aws:lambda:{region}:{account}:function:{name}"),
    "AWS::IAM::Role": ("RoleName", "arn:aws:iam::{account}:role/{name}"),
    "AWS::Kinesis::Stream": ("Name", "arn:aws:kinesis:{region}:{account}:stream/{name}"),
    "AWS::KinesisFirehose::DeliveryStream": (
        "DeliveryStreamName",
        "arn:aws:firehose:{region}:{account}:deliverystream/{name}",
    ),
    "AWS::DynamoDB::GlobalTable": ("TableName", "arn:aws:dynamodb:{region}:{account}:table/{name}"),
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{name}"),
    "AWS::KMS::Alias": ("AliasName", "arn:aws:kms:{region}:{account}:{name}"),
    "AWS::SNS::Topic": ("TopicName", "arn:aws:sns:{region}:{account}:{name}"),
}
UNGUARDED = {"audit-logs", "queries"}
"""Buckets that hold no audit record of ours: logs of who touched the archive, and answers to queries."""


def denied(action: str, arn: str, principal: str) -> bool:
    """As IAM evaluates the policy's Deny statements, conditions on resources left out."""
    service, _, name = action.partition(":")
    for statement in POLICY["Statement"]:
        patterns = [it.partition(":")[2] for it in statement["Action"] if it.startswith(f"{service}:")]
        excepted = statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
        if (
            any(fnmatchcase(name, pattern) for pattern in patterns)
            and any(fnmatchcase(arn, resource) for resource in statement["Resource"])
            and not any(fnmatchcase(principal, pattern) for pattern in excepted)
        ):
            return True
    return False


def created(application: Application) -> dict[str, list[str]]:
    """ARNs of what the templates name, by type."""
    found: dict[str, list[str]] = {}
    for stack, _, resource in application.everything():
        kind = ARNS.get(resource["Type"])
        if kind is None or not isinstance(resource["Properties"].get(kind[0]), str):
            continue
        region = application.stacks[stack]["environment"].rsplit("/", 1)[1]
        name = resource["Properties"][kind[0]]
        if any(name.startswith(f"strongroom-dev-{part}-") for part in UNGUARDED) and "Bucket" in resource["Type"]:
            continue
        found.setdefault(resource["Type"], []).append(kind[1].format(region=region, account=ACCOUNT, name=name))
    return found


ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/administrator"
PAST_THE_AUDIT = {
    "AWS::Lambda::Function": (
        "lambda:InvokeFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
        "lambda:UpdateAlias", "lambda:AddPermission",
    ),
    "AWS::IAM::Role": (
        "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:CreateRole", "iam:PassRole", "iam:AttachRolePolicy",
    ),
    "AWS::Kinesis::Stream": ("kinesis:PutRecord", "kinesis:PutRecords", "kinesis:DeleteStream"),
    "AWS::KinesisFirehose::DeliveryStream": ("firehose:DeleteDeliveryStream",),
    "AWS::DynamoDB::GlobalTable": ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteTable"),
    "AWS::S3::Bucket": ("s3:BypassGovernanceRetention", "s3:DeleteObjectVersion", "s3:PutObject", "s3:PutBucketPolicy"),
    "AWS::KMS::Alias": ("kms:UpdateAlias",),
    "AWS::SNS::Topic": ("sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Unsubscribe"),
}  # fmt: skip


def test_everything_that_is_created_is_guarded(two_regions: Application) -> None:
    """Every function, role, stream, table, bucket and alias: denied to an administrator, and to the root user."""
    found = created(two_regions)
    assert set(found) == set(ARNS)
    for kind, arns in found.items():
        for arn in arns:
            for action in PAST_THE_AUDIT[kind]:
                assert denied(action, arn, ADMINISTRATOR), (action, arn)
                assert denied(action, arn, f"arn:aws:iam::{ACCOUNT}:root"), (action, arn)
                assert not denied(action, arn, DEPLOYER), (action, arn)


def test_who_deploys_may(two_regions: Application) -> None:
    """The role that the CDK's bootstrap makes for CloudFormation too, in every region."""
    execution = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-us-west-2"
    for kind, arns in created(two_regions).items():
        for action in PAST_THE_AUDIT[kind]:
            assert not denied(action, arns[0], execution)


def test_nobody_makes_himself_an_exception() -> None:
    """Roles that the policy spares can be made, changed, passed and assumed by those who deploy alone."""
    role = f"arn:aws:iam::{ACCOUNT}:role/"
    cdk = f"{role}cdk-hnb659fds-deploy-role-{ACCOUNT}-us-east-1"
    for spared in (cdk, f"{role}cdk-hnb659fds-another-role-{ACCOUNT}-x", f"{role}strongroom-dev-us-east-1-x", DEPLOYER):
        for action in ("iam:CreateRole", "iam:UpdateAssumeRolePolicy", "iam:PassRole", "iam:PutRolePolicy"):
            assert denied(action, spared, ADMINISTRATOR), (action, spared)
            assert not denied(action, spared, DEPLOYER)
    assert denied("sts:AssumeRole", cdk, ADMINISTRATOR)
    assert denied("sts:AssumeRole", cdk, f"{role}strongroom-dev-us-east-1-reader")
    assert not denied("sts:AssumeRole", cdk, DEPLOYER)
    assert not denied("sts:AssumeRole", f"{role}another", ADMINISTRATOR)


def test_no_function_is_kept_from_its_work(two_regions: Application) -> None:
    """Whatever a role is allowed on what it names is not denied to it."""
    for _, _, role in two_regions.everything():
        if role["Type"] != "AWS::IAM::Role" or "RoleName" not in role["Properties"]:
            continue
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role['Properties']['RoleName']}"
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                named = [it for it in as_list(statement["Resource"]) if isinstance(it, str)]
                for resource in named or [f"arn:aws:kms:us-east-1:{ACCOUNT}:key/x"]:
                    for action in as_list(statement["Action"]):
                        assert not denied(action, resource, arn), (action, resource, arn)


def test_keys_are_told_by_their_aliases(two_regions: Application) -> None:
    """Key ids are not known before deployment; other keys of the account are left alone."""
    (statement,) = [it for it in POLICY["Statement"] if it["Sid"] == "Keys"]
    assert {"kms:PutKeyPolicy", "kms:ReplicateKey", "kms:ScheduleKeyDeletion", "kms:DeleteAlias"} <= set(
        statement["Action"]
    )
    pattern = statement["Condition"]["ForAnyValue:StringLike"]["kms:ResourceAliases"]
    aliases = [
        it["Properties"]["AliasName"] for _, _, it in two_regions.everything() if it["Type"] == "AWS::KMS::Alias"
    ]
    assert aliases
    assert all(fnmatchcase(alias, pattern) for alias in aliases)


def test_the_api_is_told_by_its_tag(two_regions: Application) -> None:
    (statement,) = [it for it in POLICY["Statement"] if it["Sid"] == "Api"]
    tag, value = next(iter(statement["Condition"]["StringEquals"].items()))
    for region in REGIONS:
        api = two_regions.one(f"Strongroom-dev-Api-{region}", "AWS::ApiGateway::RestApi")
        assert {"Key": tag.partition("/")[2], "Value": value} in api["Properties"]["Tags"]


def test_it_is_a_valid_policy_that_fits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As printed: within Organizations' limit, with the elements that a Deny in an SCP may have and no others."""
    config = tmp_path / "options.json"
    options = {
        "stage": "abcdefghijkl",
        "account": ACCOUNT,
        "primaryRegion": "ap-northeast-1",
        "replicaRegions": ["ap-northeast-2", "ap-northeast-3"],
        "writerCandidates": ["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"],
    }
    config.write_text(json.dumps(options))
    assert guard.main(["--deployer", DEPLOYER, "--config", str(config)]) == 0
    printed = capsys.readouterr().out.strip()
    assert len(printed) <= guard.MAX_LENGTH
    policy: dict[str, Any] = json.loads(printed)
    assert policy["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert len(set(sids)) == len(sids)
    for statement in policy["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Deny"
        assert all(action.split(":")[1] != "*" for action in statement["Action"])


@pytest.mark.parametrize("deployer", ["pipeline", "arn:aws:iam::111122223333:user/somebody", "*"])
def test_who_deploys_is_a_role(deployer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error would make an exception for nobody, and lock the pipeline out with the others."""
    with pytest.raises(SystemExit):
        guard.main(["--deployer", deployer])
    assert "argument --deployer: must be a role's ARN" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "no JSON"])
def test_a_file_that_cannot_be_read_is_named(
    content: str | None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "options.json"
    if content is not None:
        config.write_text(content)
    assert guard.main(["--deployer", DEPLOYER, "--config", str(config)]) == 1
    assert capsys.readouterr().err.startswith(
        f"error: option --config: must name a {'JSON' if content else 'readable'}"
    )


def test_wrong_options_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "options.json"
    config.write_text('{"stage": "UPPER"}')
    assert guard.main(["--deployer", DEPLOYER, "--config", str(config)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
