import pytest

from infra.constructs import permissions
from infra.naming import Names
from tests.infra.synthesized import ACCOUNT, Application


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_each_region_announces_under_the_audits_key(two_regions: Application, region: str) -> None:
    """In the stack that outlives the functions; one address hears of it, and nobody speaks without TLS."""
    stack = f"Strongroom-dev-Audit-{region}"
    topic = two_regions.one(stack, "AWS::SNS::Topic", TopicName="strongroom-dev-break-glass")["Properties"]
    (key,) = [name for name, it in two_regions.template(stack)["Resources"].items() if it["Type"] == "AWS::KMS::Key"]
    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    subscription = two_regions.one(stack, "AWS::SNS::Subscription")["Properties"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "security@example.com")
    policy = two_regions.one(stack, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_without_approvals_there_is_nothing_to_announce(one_region: Application) -> None:
    assert not one_region.resources("Strongroom-solo-Audit-eu-central-1", "AWS::SNS::Topic")


def test_who_announces_may_publish_on_that_topic_alone() -> None:
    names = Names(stage="dev", account=ACCOUNT)
    arn = names.topic_arn("us-east-1", names.break_glass_topic)
    said = permissions.announce(arn).to_statement_json()
    assert (said["Action"], said["Resource"]) == (
        "sns:Publish",
        f"arn:aws:sns:us-east-1:{ACCOUNT}:{names.break_glass_topic}",
    )
    key = permissions.encrypt_topic("arn:key", "us-east-1").to_statement_json()
    assert key["Condition"] == {"StringEquals": {"kms:ViaService": "sns.us-east-1.amazonaws.com"}}
