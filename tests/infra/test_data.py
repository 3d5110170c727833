import pytest

from infra.stacks.data import LISTED
from tests.infra.synthesized import Application

TABLE = "AWS::DynamoDB::GlobalTable"


def test_the_secrets_table_spans_all_regions_under_the_multi_region_key(two_regions: Application) -> None:
    """Each replica is encrypted under the replica key of its own region: one key id, the region's ARN."""
    table = two_regions.one("Strongroom-dev-Data", TABLE, TableName="strongroom-dev-secrets")["Properties"]
    replicas = {it["Region"]: it for it in table["Replicas"]}
    assert set(replicas) == {"us-east-1", "us-west-2"}
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    key = replicas["us-west-2"]["SSESpecification"]["KMSMasterKeyId"]["Fn::Join"][1]
    assert key[0] == "arn:aws:kms:us-west-2:111122223333:key/"
    assert key[1]["Fn::GetStackOutput"]["StackName"] == "Strongroom-dev-Keys"
    assert "MultiRegionConsistency" not in table
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expireAt", "Enabled": True}


def test_listing_never_shows_an_envelope(two_regions: Application) -> None:
    """The index projects metadata by name; whoever may list holds no ciphertext."""
    table = two_regions.one("Strongroom-dev-Data", TABLE, TableName="strongroom-dev-secrets")["Properties"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["namespace", "path"]
    assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": LISTED}
    assert not {"envelopes", "envelope", "versions", "clientTokens"} & set(LISTED)
    assert {"secretId", "aliases", "status", "epoch", "revision"} <= set(LISTED)


def test_the_control_table_is_strongly_consistent_between_two_writers_and_a_witness(two_regions: Application) -> None:
    """Such a table takes no TTL and no index, which the CDK does not check."""
    table = two_regions.one("Strongroom-dev-Data", TABLE, TableName="strongroom-dev-control")["Properties"]
    assert table["MultiRegionConsistency"] == "STRONG"
    assert table["GlobalTableWitnesses"] == [{"Region": "us-east-2"}]
    assert {it["Region"] for it in table["Replicas"]} == {"us-east-1", "us-west-2"}
    assert not {"TimeToLiveSpecification", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"} & set(table)
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["PK"]


def test_one_region_has_plain_tables(one_region: Application) -> None:
    """Without a second region there is nothing to be consistent with."""
    for name in ("secrets", "control"):
        table = one_region.one("Strongroom-solo-Data", TABLE, TableName=f"strongroom-solo-{name}")["Properties"]
        assert [it["Region"] for it in table["Replicas"]] == ["eu-central-1"]
        assert not {"MultiRegionConsistency", "GlobalTableWitnesses"} & set(table)


@pytest.mark.parametrize("deployment", ["two_regions", "one_region"])
def test_every_table_is_protected_in_every_region(deployment: str, request: pytest.FixtureRequest) -> None:
    """Point-in-time recovery, deletion protection, and survival of its stack."""
    application: Application = request.getfixturevalue(deployment)
    tables = [it for _, _, it in application.everything() if it["Type"] == TABLE]
    assert len(tables) == (6 if deployment == "two_regions" else 4)
    for table in tables:
        assert table["DeletionPolicy"] == "RetainExceptOnCreate"
        for replica in table["Properties"]["Replicas"]:
            assert replica["DeletionProtectionEnabled"] is True
            assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
