"""One region's replicas of the multi-region keys, each with a key policy of its own."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import Options
from infra.constructs import key_policies
from infra.stacks.base import RETAIN, StrongroomStack
from infra.stacks.keys import DIGEST, ENVELOPE, TABLE, KeysStack


class KeyReplicaStack(StrongroomStack):
    """Replica keys. KMS copies the key material, not the policy: what the primary forbids is forbidden here again."""

    def __init__(self, scope: Construct, *, options: Options, region: str, keys: KeysStack) -> None:
        super().__init__(
            scope,
            "KeyReplica",
            options=options,
            region=region,
            per_region=True,
            stateful=True,
            description="replicas of the multi-region keys",
        )
        self.envelope = self._replica(ENVELOPE, keys.envelope, key_policies.envelope_key(self.names, options.regions))
        self.table = self._replica(TABLE, keys.table, key_policies.table_key(self.names))
        self.digest = self._replica(DIGEST, keys.digest, key_policies.digest_key(self.names, region))

    def _replica(self, name: str, primary: kms.Key, policy: iam.PolicyDocument) -> kms.CfnReplicaKey:
        key = kms.CfnReplicaKey(
            self,
            f"{name.capitalize()}Key",
            primary_key_arn=primary.key_arn,
            key_policy=policy,
            description=f"Strongroom {self.names.stage}: replica of the {name} key",
        )
        key.apply_removal_policy(RETAIN)
        kms.CfnAlias(self, f"{name.capitalize()}Alias", alias_name=self.names.key_alias(name), target_key_id=key.ref)
        return key
