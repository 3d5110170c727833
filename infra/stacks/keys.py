"""The multi-region keys, in the primary region."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import Options
from infra.constructs import key_policies
from infra.stacks.base import RETAIN, StrongroomStack

ENVELOPE, TABLE, DIGEST = "envelope", "table", "digest"
"""The keys' names, which their aliases carry in every region."""


class KeysStack(StrongroomStack):
    """The envelope key, the tables' key and the key that signs digests."""

    def __init__(self, scope: Construct, *, options: Options) -> None:
        super().__init__(
            scope,
            "Keys",
            options=options,
            region=options.primary_region,
            per_region=False,
            stateful=True,
            description="multi-region keys",
        )
        self.envelope = self._key(
            ENVELOPE, "wraps namespace keys", key_policies.envelope_key(self.names, options.regions)
        )
        self.table = self._key(TABLE, "encrypts the tables at rest", key_policies.table_key(self.names))
        self.digest = self._key(
            DIGEST,
            "signs digests of the audit",
            key_policies.digest_key(self.names, options.primary_region),
            signing=True,
        )

    def _key(self, name: str, purpose: str, policy: iam.PolicyDocument, *, signing: bool = False) -> kms.Key:
        return kms.Key(
            self,
            f"{name.capitalize()}Key",
            description=f"Strongroom {self.names.stage}: {purpose}",
            alias=self.names.key_alias(name),
            multi_region=True,
            key_spec=kms.KeySpec.ECC_NIST_P256 if signing else kms.KeySpec.SYMMETRIC_DEFAULT,
            key_usage=kms.KeyUsage.SIGN_VERIFY if signing else kms.KeyUsage.ENCRYPT_DECRYPT,
            # KMS rotates symmetric keys only; digests name the key that signed them.
            enable_key_rotation=not signing,
            policy=policy,
            removal_policy=RETAIN,
        )
