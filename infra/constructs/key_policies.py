"""Who may do what with the platform's keys. Administrators look after them; they do not use them."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam

from infra.naming import ADMIN, DIGESTS, NAMESPACE_KEY_PURPOSE, READER, Names

ADMINISTRATION = (
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:GetPublicKey", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags",
    "kms:PutKeyPolicy", "kms:ReplicateKey", "kms:RetireGrant", "kms:RevokeGrant", "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion", "kms:SynchronizeMultiRegionKey", "kms:TagResource", "kms:UntagResource",
    "kms:UpdateAlias", "kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion",
)  # fmt: skip
"""Everything that manages a key and nothing that uses it: no encryption, no signature, no grant."""

ENVELOPE_USE = ("kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant")
"""What would read past the audit, or let another principal do so."""


def envelope_key(names: Names, regions: Sequence[str]) -> iam.PolicyDocument:
    """The envelope key in any region: readers and admins decrypt, admins make data keys, nobody else.

    Those of every region: a region whose own KMS does not answer opens its keys by another's.
    Roles are named by condition, not as principals: they are made after the key, and KMS refuses principals that do
    not exist. The account as the principal means that a role needs its own IAM policy as well.
    """
    readers = [names.role_arn(region, READER) for region in regions]
    admins = [names.role_arn(region, ADMIN) for region in regions]
    return iam.PolicyDocument(
        statements=[
            _administration(names),
            _allow(
                names,
                "FunctionsOpenNamespaceKeys",
                ("kms:Decrypt",),
                {
                    "ArnEquals": {"aws:PrincipalArn": [*readers, *admins]},
                    "StringEquals": {"kms:EncryptionContext:purpose": NAMESPACE_KEY_PURPOSE},
                },
            ),
            _allow(
                names,
                "AdminMakesNamespaceKeys",
                ("kms:GenerateDataKey",),
                {
                    "ArnEquals": {"aws:PrincipalArn": admins},
                    "StringEquals": {"kms:EncryptionContext:purpose": NAMESPACE_KEY_PURPOSE},
                },
            ),
            # An allow in IAM cannot undo a deny: administrators included, nobody reads without leaving an audit record.
            _deny("NobodyElseReadsPastTheAudit", ENVELOPE_USE, [*readers, *admins]),
        ]
    )


def table_key(names: Names) -> iam.PolicyDocument:
    """The key that encrypts the tables at rest: used by DynamoDB alone, for whoever may use the table."""
    through_dynamodb = {"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"}}
    return iam.PolicyDocument(
        statements=[
            _administration(names),
            _allow(
                names,
                "DynamoDbEncryptsForItsCallers",
                ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"),
                through_dynamodb,
            ),
            _allow(
                names,
                "DynamoDbKeepsGrantsForItself",
                ("kms:CreateGrant",),
                {**through_dynamodb, "Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ]
    )


def digest_key(names: Names, region: str) -> iam.PolicyDocument:
    """The key that signs the audit's digests: one role signs, everyone in the account verifies."""
    signer = names.role_arn(region, DIGESTS)
    return iam.PolicyDocument(
        statements=[
            _administration(names),
            _allow(names, "AnyoneVerifies", ("kms:Verify",), {}),
            _allow(names, "DigestsAreSigned", ("kms:Sign",), {"ArnEquals": {"aws:PrincipalArn": signer}}),
            _deny("NobodyElseSigns", ("kms:Sign", "kms:CreateGrant"), [signer]),
        ]
    )


def _administration(names: Names) -> iam.PolicyStatement:
    return _allow(names, "TheAccountAdministersTheKey", ADMINISTRATION, {})


def _allow(
    names: Names, sid: str, actions: tuple[str, ...], conditions: Mapping[str, Mapping[str, object]]
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        principals=[iam.AccountPrincipal(names.account)],
        actions=list(actions),
        resources=["*"],
        conditions=dict(conditions) or None,
    )


def _deny(sid: str, actions: tuple[str, ...], but: list[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=["*"],
        conditions={"ArnNotEquals": {"aws:PrincipalArn": but}},
    )
