"""The texts that requests about policies consist of."""

import ipaddress
from typing import Annotated, Final

from pydantic import Field

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Authentication
from strongroom_service.domain.roles import Role

from .fields import TextRule, matches, whole_number


def _is_principal(text: str) -> bool:
    return len(text) <= limits.MAX_PRINCIPAL_LENGTH and bool(_PRINCIPAL.accepts(text))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


_PRINCIPAL: Final = matches(rf"^{limits.PRINCIPAL_PATTERN}$", limits.PRINCIPAL_RULE)

PolicyId = Annotated[str, matches(rf"^{limits.POLICY_ID_PATTERN}$", limits.POLICY_ID_RULE, examples=["readers"])]
GroupName = Annotated[str, matches(rf"^{limits.GROUP_PATTERN}$", limits.GROUP_RULE, examples=["payments-team"])]
PrincipalId = Annotated[
    str,
    TextRule(
        _is_principal,
        limits.PRINCIPAL_RULE,
        {
            "pattern": rf"^{limits.PRINCIPAL_PATTERN}$",
            "maxLength": limits.MAX_PRINCIPAL_LENGTH,
            "examples": ["iam:arn:aws:iam::111122223333:role/app"],
        },
    ),
]
RoleName = Annotated[
    str, TextRule(frozenset(Role).__contains__, f"must be one of {', '.join(Role)}", {"enum": list(Role)})
]
ActionName = Annotated[
    str, TextRule(frozenset(Action).__contains__, f"must be one of {', '.join(Action)}", {"enum": list(Action)})
]
AuthenticationName = Annotated[
    str,
    TextRule(
        frozenset(Authentication).__contains__,
        f"must be one of {', '.join(Authentication)}",
        {"enum": list(Authentication)},
    ),
]
CedarPolicy = Annotated[
    str,
    Field(
        min_length=1,
        max_length=limits.MAX_POLICY_LENGTH,
        description="Exactly one policy in Cedar's language, without slots and without an annotation @id.",
        examples=['forbid(principal, action, resource in Environment::"prod") when { context.region != "us-east-1" };'],
    ),
]
SourceIp = Annotated[str, TextRule(_is_address, "must be an IP address", {"examples": ["192.0.2.1"]})]
RegionName = Annotated[str, matches(r"^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$", "must be the name of an AWS region")]
Age = Annotated[int, Field(ge=0, le=10**9, description="Seconds since the token was issued.")]
Revision = Annotated[int, Field(ge=0, le=999_999_999, examples=[3])]
RevisionText = Annotated[str, whole_number(0, 999_999_999)]
RequestId = Annotated[
    str,
    matches(
        r"^[A-Za-z0-9-]{1,64}$",
        "must be the requestId of an answer",
        examples=["01234567-89ab-4cde-8f01-23456789abcd"],
    ),
]
ReplayDays = Annotated[int, Field(ge=1, le=limits.MAX_REPLAY_DAYS)]
ReplayLimit = Annotated[int, Field(ge=1, le=limits.MAX_REPLAYED)]
