"""From an access set to the policy set that Cedar evaluates: each policy under the id that it has in the access set."""

import json
import re
from typing import Any, Final

import cedarpy

from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessSet, CedarText, PolicyEntry
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.grants import reason_of

from .schema import schema

_MAX_MESSAGE: Final = 300
_OWN_NAME: Final = re.compile(r"^for policy `policy0`, ")


def compile_policies(access_set: AccessSet) -> cedarpy.PolicySet:
    """The policies and the grants, parsed. Raises `ValueError` for what is not Cedar."""
    policies = {name: _as_json(entry) for name, entry in access_set.policies.items()}
    policies |= {reason_of(grant_id): grant.as_cedar() for grant_id, grant in access_set.grants.items()}
    return cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": policies, "templates": {}, "templateLinks": []})
    )


def check_policy(entry: PolicyEntry) -> None:
    """Make sure that a policy may be stored; raises `InvalidRequest` with what Cedar finds wrong with it."""
    if isinstance(entry, CedarText):
        wrong = _wrong_with(entry.text)
        if wrong:
            raise InvalidRequest([Violation("cedar", rule[:_MAX_MESSAGE]) for rule in wrong])


def _wrong_with(text: str) -> list[str]:
    if len(text) > limits.MAX_POLICY_LENGTH:
        return [f"must be at most {limits.MAX_POLICY_LENGTH} characters"]
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError:
        # The parser's message quotes the text, which is not repeated.
        return ["must be a policy in Cedar's language"]
    if parsed["templates"]:
        return ["must be a policy without slots; bind a role instead"]
    if len(parsed["staticPolicies"]) != 1:
        return ["must be exactly one policy; store each under an id of its own"]
    result = cedarpy.validate_policies(text, schema())
    return [_OWN_NAME.sub("", error.error) for error in result.errors]


def _as_json(entry: PolicyEntry) -> dict[str, Any]:
    if not isinstance(entry, CedarText):
        return entry.as_cedar()
    (policy,) = json.loads(cedarpy.policies_to_json_str(entry.text))["staticPolicies"].values()
    parsed: dict[str, Any] = policy
    return parsed
