from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.synthesized import ACCOUNT, Application, as_list, statements_by_sid

ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
PLACES = {"us-east-1": "Strongroom-dev-Keys", "us-west-2": "Strongroom-dev-KeyReplica-us-west-2"}
USES = (
    "Decrypt",
    "Encrypt",
    "ReEncrypt",
    "GenerateDataKey",
    "GenerateMac",
    "Sign",
    "CreateGrant",
    "DeriveSharedSecret",
)


def keys(application: Application, region: str) -> dict[str, dict[str, Any]]:
    """The keys of a region by name."""
    resources = application.template(PLACES[region])["Resources"]
    return {
        name: resource["Properties"]
        for name in ("Envelope", "Table", "Digest")
        for logical_id, resource in resources.items()
        if logical_id.startswith(f"{name}Key") and resource["Type"] in {"AWS::KMS::Key", "AWS::KMS::ReplicaKey"}
    }


def policies(application: Application, name: str) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """A key's policy in each region."""
    for region in PLACES:
        yield region, statements_by_sid(keys(application, region)[name]["KeyPolicy"])


def role(region: str, function: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/strongroom-dev-{region}-{function}"


READERS_AND_ADMINS = [role(region, function) for function in ("reader", "admin") for region in PLACES]
"""Of every region: each opens keys by another region's KMS when its own does not answer."""


def test_nobody_but_the_platforms_functions_can_use_the_envelope_key(two_regions: Application) -> None:
    """The Deny holds for every principal, administrators and the root user too, in every region."""
    for _, statements in policies(two_regions, "Envelope"):
        deny = statements["NobodyElseReadsPastTheAudit"]
        assert deny["Effect"] == "Deny"
        assert deny["Principal"] == {"AWS": "*"}
        assert set(deny["Action"]) == {"kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant"}
        assert deny["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": READERS_AND_ADMINS}}


def test_the_envelope_key_opens_namespace_keys_and_nothing_else(two_regions: Application) -> None:
    """Readers and admins decrypt, admins alone make data keys; both only with the purpose in the context."""
    for _, statements in policies(two_regions, "Envelope"):
        purpose = {"kms:EncryptionContext:purpose": "strongroom/namespace-key"}
        opens, makes = statements["FunctionsOpenNamespaceKeys"], statements["AdminMakesNamespaceKeys"]
        assert opens["Action"] == "kms:Decrypt"
        assert opens["Condition"] == {
            "ArnEquals": {"aws:PrincipalArn": READERS_AND_ADMINS},
            "StringEquals": purpose,
        }
        assert makes["Action"] == "kms:GenerateDataKey"
        assert makes["Condition"] == {
            "ArnEquals": {"aws:PrincipalArn": [role(region, "admin") for region in PLACES]},
            "StringEquals": purpose,
        }
        assert opens["Principal"] == makes["Principal"] == ROOT
        assert len(statements) == 4


@pytest.mark.parametrize("name", ["Envelope", "Table", "Digest"])
def test_administrators_look_after_keys_without_using_them(two_regions: Application, name: str) -> None:
    """The account keeps what KMS's safety check needs, by names, never by a wildcard that a new use could slip into."""
    for _, statements in policies(two_regions, name):
        administration = statements["TheAccountAdministersTheKey"]
        assert administration["Principal"] == ROOT
        assert {"kms:PutKeyPolicy", "kms:DescribeKey", "kms:ScheduleKeyDeletion"} <= set(administration["Action"])
        for action in administration["Action"]:
            assert "*" not in action
            assert not action.removeprefix("kms:").startswith(USES)


def test_the_tables_key_is_used_through_dynamodb_only(two_regions: Application) -> None:
    """Every use is conditioned on the service, and grants are for the service itself."""
    for _, statements in policies(two_regions, "Table"):
        through = {"kms:ViaService": "dynamodb.*.amazonaws.com"}
        assert statements["DynamoDbEncryptsForItsCallers"]["Condition"] == {"StringLike": through}
        assert statements["DynamoDbKeepsGrantsForItself"]["Condition"] == {
            "StringLike": through,
            "Bool": {"kms:GrantIsForAWSResource": "true"},
        }
        assert len(statements) == 3


def test_one_role_signs_digests(two_regions: Application) -> None:
    """A signature that an administrator could make would prove nothing."""
    for region, statements in policies(two_regions, "Digest"):
        assert statements["NobodyElseSigns"]["Effect"] == "Deny"
        assert set(as_list(statements["NobodyElseSigns"]["Action"])) == {"kms:Sign", "kms:CreateGrant"}
        assert statements["NobodyElseSigns"]["Condition"] == {
            "ArnNotEquals": {"aws:PrincipalArn": [role(region, "digests")]}
        }


def test_keys_are_multi_region_rotated_and_retained(two_regions: Application) -> None:
    """MultiRegion cannot be changed later without replacing the key."""
    primary = keys(two_regions, "us-east-1")
    assert all(it["MultiRegion"] for it in primary.values())
    assert [primary[name]["EnableKeyRotation"] for name in ("Envelope", "Table")] == [True, True]
    assert (primary["Digest"]["KeySpec"], primary["Digest"]["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    kept = [it for _, _, it in two_regions.everything() if it["Type"] in {"AWS::KMS::Key", "AWS::KMS::ReplicaKey"}]
    assert [it["DeletionPolicy"] for it in kept] == ["RetainExceptOnCreate"] * 8


def test_replicas_refer_to_the_primary_weakly(two_regions: Application) -> None:
    """A reference across regions is read at deployment: no custom resource, no export that cannot be taken back."""
    for properties in keys(two_regions, "us-west-2").values():
        reference = properties["PrimaryKeyArn"]["Fn::GetStackOutput"]
        assert (reference["StackName"], reference["Region"]) == ("Strongroom-dev-Keys", "us-east-1")


def test_every_key_has_its_alias_in_every_region(two_regions: Application) -> None:
    """Operators find keys by the same names everywhere."""
    for region, stack in PLACES.items():
        aliases = {it["Properties"]["AliasName"] for it in two_regions.resources(stack, "AWS::KMS::Alias")}
        assert aliases == {f"alias/strongroom-dev-{name}" for name in ("envelope", "table", "digest")}, region
