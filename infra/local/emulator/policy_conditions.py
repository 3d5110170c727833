"""Condition keys of policies that MiniStack does not know, or knows otherwise than IAM does.

- `aws:PrincipalArn` of an assumed role is the role's ARN, not the session's.
- `kms:EncryptionContext:<key>`, `kms:EncryptionContextKeys`, `kms:SigningAlgorithm` and `kms:MessageType` come from the
  request.
- `dynamodb:LeadingKeys` are the partition keys of the items that a request reads by key.
- A KMS request by alias is authorised on the key that the alias names.
"""

import json
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import request_scope
from ministack.services import iam, kms

from infra.local.emulator import patching
from infra.local.emulator.patching import Untyped

_PRINCIPAL_ARN = "aws:principalarn"
_ROLE_ARN_PARTS = 6
_READS_BY_KEY = frozenset({"dynamodb:GetItem", "dynamodb:BatchGetItem"})


def role_arn_of(session_arn: str) -> str:
    """The ARN of the role behind an assumed role's session, its path included; other ARNs as they are."""
    parts = session_arn.split(":", _ROLE_ARN_PARTS - 1)
    if len(parts) < _ROLE_ARN_PARTS or not parts[-1].startswith("assumed-role/"):
        return session_arn
    account, name = parts[4], parts[-1].split("/")[1]
    role = iam._roles.get_scoped(account, None, name) or {}  # noqa: SLF001 - the emulator's own store
    return str(role.get("Arn") or f"arn:aws:iam::{account}:role/{name}")


def encryption_context_keys(body: bytes) -> dict[str, Any]:
    """The condition keys that a KMS request's encryption context sets."""
    try:
        context = json.loads(body or b"{}").get("EncryptionContext") or {}
    except (ValueError, AttributeError):
        return {}
    if not context:
        return {}
    found: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    return found | {"kms:EncryptionContextKeys": list(context)}


def signing_keys(body: bytes) -> dict[str, Any]:
    """The condition keys that a request to sign or verify sets."""
    try:
        request = json.loads(body or b"{}")
        algorithm, message_type = request.get("SigningAlgorithm"), request.get("MessageType", "RAW")
    except (ValueError, AttributeError):
        return {}
    return {"kms:SigningAlgorithm": algorithm, "kms:MessageType": message_type} if algorithm else {}


def leading_keys(body: bytes) -> dict[str, Any]:
    """The condition key that GetItem and BatchGetItem set: each value once, of tables whose partition key is `PK`."""
    try:
        request = json.loads(body or b"{}")
        tables = (request.get("RequestItems") or {}).values()
        keys = [request.get("Key"), *(key for table in tables for key in table.get("Keys", ()))]
        found = sorted({key["PK"]["S"] for key in keys if key})
    except (ValueError, AttributeError, KeyError, TypeError):
        return {}
    return {"dynamodb:LeadingKeys": found} if found else {}


def _install_principal_arn() -> None:
    resolve = patching.original(iam_evaluator, "_resolve_condition_key")

    def resolve_as_iam_does(key: str, context: Untyped) -> Untyped:
        if key.lower() == _PRINCIPAL_ARN:
            return role_arn_of(context.principal_arn)
        return resolve(key, context)

    patching.replace(iam_evaluator, "_resolve_condition_key", resolve_as_iam_does)


def _install_request_keys() -> None:
    tag_context = patching.original(iam_actions, "request_tag_context")

    def context_with_request(service: str, action: str, body: bytes, parameters: Untyped) -> dict[str, Any]:
        found: dict[str, Any] = tag_context(service, action, body, parameters)
        if service == "kms":
            return {**found, **encryption_context_keys(body), **signing_keys(body)}
        if service == "dynamodb" and action in _READS_BY_KEY:
            return {**found, **leading_keys(body)}
        return found

    patching.replace(iam_actions, "request_tag_context", context_with_request)


def _install_key_of_alias() -> None:
    extract = patching.original(iam_actions, "extract_resource_arn")
    resolve_key = patching.original(kms, "_resolve_key")

    def extract_key(service: str, *request: Untyped) -> str:
        arn = str(extract(service, *request))
        if service != "kms" or ":alias/" not in arn:
            return arn
        region, account = arn.split(":")[3:5]
        with request_scope(account, region):
            key = resolve_key(arn)
        return str(key["Arn"]) if key else arn

    patching.replace(iam_actions, "extract_resource_arn", extract_key)


def install() -> None:
    """Teach the policy evaluation these keys."""
    _install_principal_arn()
    _install_request_keys()
    _install_key_of_alias()
