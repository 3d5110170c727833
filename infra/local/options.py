"""What the local cloud is: its account, regions, usual ports, identities and deployment options."""

from typing import Any, Final

ACCOUNT: Final = "111122223333"
STAGE: Final = "local"
PRIMARY: Final = "us-east-1"
REPLICAS: Final = ("us-west-2",)
WITNESS: Final = "us-east-2"
REGIONS: Final = (PRIMARY, *REPLICAS)

ADMIN_KEY: Final = "test"
"""An access key that the emulator takes for the account's root, with any secret: loopback is the border."""

USUAL_EMULATOR_PORT: Final = 4590
USUAL_AWS_PORT: Final = 4591
USUAL_CONTROL_PORT: Final = 4592
USUAL_REGION_PORT: Final = 4600
"""The first region's; the others follow."""

CALLERS: Final = {
    "owner": "owner", "reader": "reader", "auditor": "auditor", "security": "security",
    "administrator": "administrator", "operator": None, "stranger": None, "outsider": None,
    "responder": "responder", "approver": "approver", "approver2": "approver",
}  # fmt: skip
"""Identities, and their role in the built-in policy. An operator changes tenants and issuers; a stranger may call the
API and has no role; an outsider may not even call it."""
ALSO: Final = {"approver2": "responder"}
"""A further role of an identity: who approves may ask as well, and still not approve their own requests."""
OPERATOR: Final = "operator"
OUTSIDER: Final = "outsider"


APPROVALS: Final = 1
"""How many have to approve a grant."""

BUFFER_EVENTS: Final = 3200
"""The audit buffer's size, as small as it may be: filling it is part of the tests and of the demo."""


def role_name(identity: str) -> str:
    """The IAM role of an identity."""
    return f"{STAGE}-{identity}"


def role_arn(identity: str) -> str:
    """The ARN of an identity's role."""
    return f"arn:aws:iam::{ACCOUNT}:role/{role_name(identity)}"


def deployment_options() -> dict[str, Any]:
    """The options that the CDK application is given."""
    return {
        "stage": STAGE,
        "account": ACCOUNT,
        "primaryRegion": PRIMARY,
        "replicaRegions": list(REPLICAS),
        "writerCandidates": list(REGIONS),
        "witnessRegion": WITNESS,
        "tenants": {"default": [ACCOUNT]},
        "roles": [
            {"principal": role_arn(identity), "role": role, "tenant": "default"}
            for identity, role in (*CALLERS.items(), *ALSO.items())
            if role
        ],
        "operators": [role_arn(OPERATOR)],
        "auditStream": {"shards": 1},
        "breakGlass": {"approvals": APPROVALS, "announceTo": "security@example.com"},
        "auditBufferEvents": BUFFER_EVENTS,
        "objectLock": {"mode": "governance", "days": 1},
        "terminationProtection": False,
        "target": "host",
    }
