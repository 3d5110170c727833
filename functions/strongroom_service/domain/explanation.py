"""What can be told about a denial: which policies came close, and what would have to be bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .access import Action, Resource
from .roles import ALLOWED, TENANT_WIDE, Role, RoleBinding

MAX_CLOSE_POLICIES: Final = 20


class Aspect(StrEnum):
    """A part of a policy that a request fits or does not."""

    PRINCIPAL = "principal"
    ACTION = "action"
    SCOPE = "scope"
    CONDITION = "condition"
    """What its `when` and `unless` demand."""


@dataclass(frozen=True, slots=True)
class ClosePolicy:
    """A policy that permits, but not quite what was asked."""

    policy_id: str
    misses: frozenset[Aspect]
    """What does not fit; all else does."""
    group: str | None = None
    """Whom it is for, when that is a group."""


def nearest(candidates: Sequence[ClosePolicy]) -> list[ClosePolicy]:
    """The closest first, and no more than anybody reads."""
    ranked = sorted(candidates, key=lambda it: (len(it.misses), Aspect.PRINCIPAL in it.misses, it.policy_id))
    return ranked[:MAX_CLOSE_POLICIES]


def narrowest_binding(principal: str, actions: Sequence[Action], resource: Resource) -> RoleBinding | None:
    """The smallest role, over as little as possible, by which all of the actions would be permitted."""
    roles = sorted((role for role in Role if set(actions) <= ALLOWED[role]), key=lambda role: len(ALLOWED[role]))
    for role in roles:
        if resource.environment is None:
            return RoleBinding(role=role, principal=principal)
        if role not in TENANT_WIDE and resource.environment:
            return RoleBinding(
                role=role,
                principal=principal,
                environment=resource.environment,
                prefix=(resource.path or "").rstrip("/"),
            )
    return None
