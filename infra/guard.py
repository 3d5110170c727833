"""The service control policy that keeps a deployment's account from being read past its audit; printed as JSON.

    python -m infra.guard --deployer 'arn:aws:iam::111122223333:role/pipeline' [--config options.json]

Attach it to the account, or to the organizational unit that it is in. It binds every identity of the account, the root
user too, but for those named and the roles by which the CDK deploys, which only those named may assume. It does not
bind AWS's own services acting as themselves: API Gateway, EventBridge, event source mappings and Firehose go on as they
do. It binds nobody in an organization's management account: deploy elsewhere.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from infra.config import Options
from infra.naming import Names
from infra.option_reader import OptionError

QUALIFIER: Final = "hnb659fds"
"""The CDK's default, by which its bootstrap names its roles."""
DEPLOYER_PATTERN: Final = r"arn:aws:iam::(\d{12}|\*):role/[\w+=,.@/*-]+"
"""A role, paths and wildcards included: anything else would be an exception for nobody."""
MAX_LENGTH: Final = 5120
"""Characters that Organizations admits in one policy."""

_FUNCTIONS: Final = (
    "AddPermission", "CreateAlias", "CreateFunction", "CreateFunctionUrlConfig", "DeleteAlias", "DeleteFunction*",
    "Invoke*", "PublishVersion", "Put*", "RemovePermission", "UpdateAlias", "UpdateFunction*",
)  # fmt: skip
_KEYS: Final = (
    "CreateGrant", "DeleteAlias", "DeleteImportedKeyMaterial", "DisableKey", "PutKeyPolicy", "ReplicateKey",
    "ScheduleKeyDeletion", "UpdateAlias", "UpdatePrimaryRegion",
)  # fmt: skip
_ROLES: Final = (
    "Attach*", "CreateRole", "DeleteRole*", "Detach*", "PassRole", "PutRole*", "UpdateAssumeRolePolicy", "UpdateRole*",
)  # fmt: skip
_ARCHIVE: Final = (
    "BypassGovernanceRetention", "DeleteBucket*", "DeleteObject*", "PutBucketObjectLockConfiguration",
    "PutBucketPolicy", "PutBucketVersioning", "PutEncryptionConfiguration", "PutLifecycleConfiguration", "PutObject*",
)  # fmt: skip
_STREAM: Final = ("DecreaseStreamRetentionPeriod", "DeleteStream", "PutRecord*", "StopStreamEncryption")
_DELIVERY: Final = ("DeleteDeliveryStream", "UpdateDestination")
_TABLES: Final = (
    "BatchWriteItem", "DeleteItem", "DeleteTable*", "PartiQL*", "PutItem", "PutResourcePolicy", "RestoreTable*",
    "UpdateItem", "UpdateTable*", "UpdateTimeToLive",
)  # fmt: skip
_TOPICS: Final = ("AddPermission", "DeleteTopic", "RemovePermission", "SetTopicAttributes")
_API: Final = ("DELETE", "PATCH", "POST", "PUT", "UpdateRestApiPolicy")


def service_control_policy(
    names: Names, *, regions: Sequence[str], deployers: Sequence[str], qualifier: str = QUALIFIER
) -> dict[str, Any]:
    """Deny what would go past the audit to everyone but `deployers`, and data to everyone but its functions."""
    account = names.account
    everything = names.of("*")
    cdk = f"arn:aws:iam::{account}:role/cdk-{qualifier}-*-role-{account}-*"
    trusted = [*deployers, cdk]
    own = [names.role_arn(region, "*") for region in regions]

    def deny(sid: str, actions: Mapping[str, Sequence[str]], resources: list[str], **more: Any) -> dict[str, Any]:  # noqa: ANN401  # conditions of any operator
        but = more.pop("but", trusted)
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Action": [f"{service}:{action}" for service, verbs in actions.items() for action in verbs],
            "Resource": resources,
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": but}, **more},
        }

    # Services with the same exceptions share a statement: Organizations admits no more characters.
    return {
        "Version": "2012-10-17",
        "Statement": [
            deny(
                "Platform",
                {"lambda": _FUNCTIONS, "firehose": _DELIVERY, "sns": _TOPICS},
                [
                    f"arn:aws:lambda:*:{account}:function:{everything}",
                    f"arn:aws:firehose:*:{account}:deliverystream/{everything}",
                    f"arn:aws:sns:*:{account}:{everything}",
                ],
            ),
            # These are not confined to a topic. The link in a mail is out of any policy's reach.
            deny("Subscriptions", {"sns": ("SetSubscriptionAttributes", "Unsubscribe")}, ["*"]),
            deny(
                "Keys",
                {"kms": _KEYS},
                [f"arn:aws:kms:*:{account}:key/*", f"arn:aws:kms:*:{account}:{names.key_alias('*')}"],
                **{"ForAnyValue:StringLike": {"kms:ResourceAliases": names.key_alias("*")}},
                but=[*trusted, *own],
            ),
            # Also those that the other statements make an exception for: who could make one would be one.
            deny("Roles", {"iam": _ROLES}, [f"arn:aws:iam::{account}:role/{everything}", cdk, *deployers]),
            deny("Deployment", {"sts": ["AssumeRole"]}, [cdk], but=list(deployers)),
            deny(
                "Data",
                {"s3": _ARCHIVE, "kinesis": _STREAM, "dynamodb": _TABLES},
                [
                    f"arn:aws:s3:::{names.of('audit')}-{account}-*",
                    f"arn:aws:kinesis:*:{account}:stream/{everything}",
                    f"arn:aws:dynamodb:*:{account}:table/{everything}",
                ],
                but=[*trusted, *own],
            ),
            deny(
                "Api",
                {"apigateway": _API},
                ["arn:aws:apigateway:*::/restapis/*", "arn:aws:apigateway:*::/tags/*"],
                StringEquals={"aws:ResourceTag/strongroom:stage": names.stage},
            ),
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the policy of the options in cdk.json, or in another file."""
    parser = argparse.ArgumentParser(prog="python -m infra.guard", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--deployer", action="append", required=True, help="ARN of a role that deploys; repeatable")
    parser.add_argument("--config", type=Path, help="a file with the options; default: those in cdk.json")
    parser.add_argument("--qualifier", default=QUALIFIER, help="of the CDK's bootstrap, if it is not the default")
    said = parser.parse_args(arguments)
    for deployer in said.deployer:
        if not re.fullmatch(DEPLOYER_PATTERN, deployer):
            parser.error("argument --deployer: must be a role's ARN, such as arn:aws:iam::<account>:role/<name>")
    try:
        options = Options.parse(_options(said.config), default_account=os.environ.get("CDK_DEFAULT_ACCOUNT"))
    except OptionError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    names = Names(stage=options.stage, account=options.account)
    policy = service_control_policy(names, regions=options.regions, deployers=said.deployer, qualifier=said.qualifier)
    encoded = json.dumps(policy, separators=(",", ":"))
    if len(encoded) > MAX_LENGTH:
        sys.stderr.write(f"error: the policy has {len(encoded)} characters, more than the {MAX_LENGTH} admitted\n")
        return 1
    print(encoded)
    return 0


def _options(path: Path | None) -> object:
    file = path or Path("cdk.json")
    try:
        value = json.loads(file.read_text())
        return value["context"]["strongroom"] if path is None else value
    except OSError as error:
        raise OptionError("--config", f"must name a readable file: {file}: {error.strerror}") from None
    except ValueError as error:
        raise OptionError("--config", f"must name a JSON file: {file}: {error}") from None
    except (KeyError, TypeError):
        raise OptionError("--config", "must be given where cdk.json has no options under context.strongroom") from None


if __name__ == "__main__":
    sys.exit(main())
