"""From an access set to the policy set that Cedar evaluates: each policy under the id that it has in the access set."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import cedarpy

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action
from strongroom_service.domain.access_set import AccessSet, CedarText, PolicyEntry
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.grants import reason_of

from .schema import schema

_MAX_NESTING: Final = 32
"""Brackets within brackets. Some hundreds of them exhaust the stack of Cedar's parser, and end the process."""
_TOO_DEEP: Final = f"must not nest deeper than {_MAX_NESTING} brackets, nor chain more operators than some dozens"

_NOT_CODE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*', re.DOTALL)

_UNASKABLE: Final = "must have a scope in which its actions are asked: see the table of actions"
_RULES: Final = (
    ("unrecognized action", f"must name actions that there are: {', '.join(sorted(Action))}"),
    ("unrecognized entity type", "must name types that there are: Tenant, Environment, Path, Secret, Group, Principal"),
    (
        "attribute",
        (
            "must use attributes that there are: environment and path of a Secret (where it may be another, after "
            "`resource is Secret`); sourceAddress, time, region, authentication, authenticationAge, grant of context"
        ),
    ),
    ("applicable action", _UNASKABLE),
    ("unexpected type", "must combine values of the types that its operators and functions expect"),
    ("extension", "must give ip, datetime, duration and decimal literals that they can read"),
    ("empty set", "must not have empty sets"),
)
"""Cedar's findings by words that stand in them. Its own messages quote the policy, which no answer repeats."""
_OTHERWISE: Final = "must agree with the schema of policies"


def compile_policies(access_set: AccessSet) -> cedarpy.PolicySet:
    """The policies and the grants, parsed. Raises `ValueError` for what is not Cedar."""
    policies = {name: policy_json(entry) for name, entry in access_set.policies.items()}
    policies |= {reason_of(grant_id): grant.as_cedar() for grant_id, grant in access_set.grants.items()}
    return cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": policies, "templates": {}, "templateLinks": []})
    )


def check_policy(entry: PolicyEntry) -> None:
    """Make sure that a policy may be stored; raises `InvalidRequest` with the rules that it breaks."""
    if isinstance(entry, CedarText):
        wrong = list(dict.fromkeys(_wrong_with(entry)))
        if wrong:
            raise InvalidRequest([Violation("cedar", rule) for rule in wrong])


def named_principals(access_set: AccessSet) -> set[str]:
    """Everybody whom a role, a group or a policy's own text names."""
    named = access_set.principals()
    for entry in access_set.policies.values():
        if isinstance(entry, CedarText):
            named.update(_principals_in(policy_json(entry)))
    return named


def policy_json(entry: PolicyEntry) -> dict[str, Any]:
    """A policy in Cedar's JSON format. Raises `ValueError` for what is not Cedar."""
    if not isinstance(entry, CedarText):
        return entry.as_cedar()
    if _nesting(entry.text) > _MAX_NESTING:
        raise ValueError(_TOO_DEEP)
    (policy,) = json.loads(cedarpy.policies_to_json_str(entry.text))["staticPolicies"].values()
    parsed: dict[str, Any] = policy
    return parsed


def _wrong_with(entry: CedarText) -> Iterator[str]:
    text = entry.text
    if len(text) > limits.MAX_POLICY_LENGTH:
        yield f"must be at most {limits.MAX_POLICY_LENGTH} characters"
        return
    if _nesting(text) > _MAX_NESTING:
        yield _TOO_DEEP
        return
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError:
        # The parser's message quotes the text, which is not repeated.
        yield "must be a policy in Cedar's language"
        return
    if parsed["templates"]:
        yield "must be a policy without slots; bind a role instead"
        return
    if len(parsed["staticPolicies"]) != 1:
        yield "must be exactly one policy; store each under an id of its own"
        return
    (policy,) = parsed["staticPolicies"].values()
    if "id" in policy.get("annotations", {}):
        yield "must have no annotation @id: a policy is called by the id that it is stored under"
    try:
        # What is parsed as text may still be too deep for the form that sets are compiled from.
        compile_policies(AccessSet("", 0, {"policy": entry}))
    except ValueError:
        yield _TOO_DEEP
        return
    rules = [_rule(error.error) for error in cedarpy.validate_policies(text, schema()).errors]
    yield from (rule for rule in rules if rule != _UNASKABLE or set(rules) == {_UNASKABLE})


def _rule(message: str) -> str:
    # Texts of the policy's own stand in backquotes and quotation marks.
    own = re.sub(r"`[^`]*`", "", message)
    return next((rule for words, rule in _RULES if words in own), _OTHERWISE)


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in _NOT_CODE.sub("", text):
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth = max(0, depth - 1)
    return deepest


def _principals_in(parsed: object) -> Iterator[str]:
    """The ids of all principals in a policy's JSON."""
    if isinstance(parsed, dict):
        if parsed.get("type") == "Principal" and isinstance(parsed.get("id"), str):
            yield parsed["id"]
        for inner in parsed.values():
            yield from _principals_in(inner)
    elif isinstance(parsed, list):
        for inner in parsed:
            yield from _principals_in(inner)
