"""Makes the callers of the local cloud: IAM roles, assumed through STS as on AWS."""

import json
from datetime import timedelta

from infra.local.aws import AwsClient
from infra.local.options import ACCOUNT, CALLERS, OUTSIDER, role_arn, role_name
from infra.local.requests import Identity

_SESSION = timedelta(hours=12)  # the longest that IAM grants

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    ],
}


def _invoke_policy(api_ids: dict[str, str]) -> str:
    """`execute-api:Invoke` on each region's API and stage, and nothing else."""
    resources = [f"arn:aws:execute-api:{region}:{ACCOUNT}:{api}/v1/*" for region, api in sorted(api_ids.items())]
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resources}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_identities(iam: AwsClient, sts: AwsClient, *, api_ids: dict[str, str]) -> dict[str, Identity]:
    """Create the role of each caller and assume it; a caller that exists is brought up to date."""
    existing = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    identities = {}
    for name in CALLERS:
        if role_name(name) not in existing:
            iam.create_role(
                RoleName=role_name(name),
                AssumeRolePolicyDocument=json.dumps(_TRUST),
                MaxSessionDuration=int(_SESSION.total_seconds()),
            )
        if name != OUTSIDER:
            iam.put_role_policy(RoleName=role_name(name), PolicyName="invoke", PolicyDocument=_invoke_policy(api_ids))
        assumed = sts.assume_role(
            RoleArn=role_arn(name), RoleSessionName="local", DurationSeconds=int(_SESSION.total_seconds())
        )
        keys = assumed["Credentials"]
        identities[name] = Identity(
            keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], assumed["AssumedRoleUser"]["Arn"]
        )
    return identities
