"""A tenant's access set: its policies and groups, whole and immutable at each revision.

It is stored as one JSON document under its revision, in chunks, and found through a pointer that carries its hash.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from . import limits
from .errors import Conflict, InvalidRequest, NotFound, Violation
from .grants import Grant, grant_as_json, grant_from_json
from .roles import Role, RoleBinding

_FORMAT: Final = 1
_ID: Final = re.compile(limits.POLICY_ID_PATTERN)
_GROUP: Final = re.compile(limits.GROUP_PATTERN)


class AccessSetBroken(Exception):
    """What is stored is not the access set that its pointer names. Refuses everything; never shown to callers."""


@dataclass(frozen=True, slots=True)
class CedarText:
    """One policy in Cedar's own language."""

    text: str


PolicyEntry = CedarText | RoleBinding


class Document(Protocol):
    """What a pointer can name: an access set, or the registry."""

    @property
    def revision(self) -> int:
        """Counted from 1."""
        ...

    def encode(self) -> bytes:
        """The document as it is stored."""
        ...


@dataclass(frozen=True, slots=True)
class AccessPointer:
    """Which access set is in force; or which registry, which is stored in the same way."""

    epoch: int
    """Under which it was written."""
    revision: int
    """Counted from 1."""
    digest: str
    """SHA-256 of the document, 64 hex digits."""
    chunks: int
    """Parts that the document is stored in."""

    @classmethod
    def to(cls, named: Document, *, epoch: int) -> "AccessPointer":
        """The pointer to a document."""
        document = named.encode()
        chunks = -(-len(document) // limits.ACCESS_SET_CHUNK_BYTES)
        return cls(epoch, named.revision, hashlib.sha256(document).hexdigest(), chunks)

    @property
    def order(self) -> tuple[int, int]:
        """By which a later pointer is told from an earlier one."""
        return self.epoch, self.revision


def is_served_by(pointer: AccessPointer | None, known: AccessPointer | None) -> bool:
    """Whether what a known pointer names is what another one names, or later.

    Copies of a pointer arrive in a region one by one, so an earlier one may be met after a later one.
    """
    if pointer is None or known is None:
        return pointer is None
    return known == pointer or known.order > pointer.order


@dataclass(frozen=True, slots=True)
class AccessSet:
    """Who may what in a tenant, at one revision. Revision 0 is what the deployment's options say."""

    tenant: str
    revision: int = 0
    policies: Mapping[str, PolicyEntry] = field(default_factory=lambda: MappingProxyType({}))
    groups: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """The members' principal ids, by group."""
    grants: Mapping[str, Grant] = field(default_factory=lambda: MappingProxyType({}))
    """Break-glass grants, by their ids. One whose time is over allows nothing any more."""
    inherits: bool = False
    """Whether the policies are still those of the deployment's options: a grant in force changes no policy."""

    @classmethod
    def initial(cls, tenant: str, bindings: Iterable[RoleBinding]) -> "AccessSet":
        """The set that holds until the first one is written."""
        policies: dict[str, PolicyEntry] = {}
        for number, binding in enumerate(bindings, 1):
            policies[f"deployment-{number}"] = binding
        return cls(tenant, 0, policies, inherits=True)

    def groups_of(self, principal: str) -> list[str]:
        """The groups that a principal is a member of, sorted."""
        return sorted(group for group, members in self.groups.items() if principal in members)

    def principals(self) -> set[str]:
        """Everybody whom a role binding or a group names."""
        named = {entry.principal for entry in self.policies.values() if isinstance(entry, RoleBinding)}
        return {name for name in named.union(*self.groups.values()) if name is not None}

    def with_policy(self, policy_id: str, entry: PolicyEntry) -> "AccessSet":
        """The next revision, with a policy added or replaced. Raises `InvalidRequest`."""
        found = [] if _ID.fullmatch(policy_id) else [Violation("policyId", limits.POLICY_ID_RULE)]
        if isinstance(entry, RoleBinding):
            found += entry.violations()
        return self._next(found, policies={**self.policies, policy_id: entry})

    def without_policy(self, policy_id: str) -> "AccessSet":
        """The next revision, without a policy. Raises `NotFound`."""
        if policy_id not in self.policies:
            raise NotFound("There is no such policy.")
        return self._next([], policies={name: it for name, it in self.policies.items() if name != policy_id})

    def with_group(self, group: str, members: Iterable[str]) -> "AccessSet":
        """The next revision, with a group added or replaced. Raises `InvalidRequest`."""
        found = [] if _GROUP.fullmatch(group) else [Violation("group", limits.GROUP_RULE)]
        named = frozenset(members)
        if len(named) > limits.MAX_GROUP_MEMBERS:
            found.append(Violation("members", f"must be at most {limits.MAX_GROUP_MEMBERS}"))
        if any(not 1 <= len(member) <= limits.MAX_PRINCIPAL_LENGTH for member in named):
            found.append(Violation("members", f"must have 1 to {limits.MAX_PRINCIPAL_LENGTH} characters each"))
        return self._next(found, groups={**self.groups, group: named})

    def without_group(self, group: str) -> "AccessSet":
        """The next revision, without a group. Raises `NotFound`, and `InvalidRequest` while a role is bound to it."""
        if group not in self.groups:
            raise NotFound("There is no such group.")
        bound = sorted(name for name, it in self.policies.items() if isinstance(it, RoleBinding) and it.group == group)
        found = [Violation("group", f"must not be bound to a role; policy {bound[0]} binds it")] if bound else []
        return self._next(found, groups={name: it for name, it in self.groups.items() if name != group})

    def with_grant(self, grant_id: str, grant: Grant) -> "AccessSet":
        """The next revision, with a grant in force. Raises `Conflict` while there are too many."""
        if len({*self.grants, grant_id}) > limits.MAX_GRANTS:
            raise Conflict(f"The tenant has {limits.MAX_GRANTS} active grants; revoke one first.")
        return self._next([], grants={**self.grants, grant_id: grant})

    def without_grant(self, grant_id: str) -> "AccessSet":
        """The next revision, without a grant; unchanged when there is none."""
        if grant_id not in self.grants:
            return self
        return self._next([], grants={name: it for name, it in self.grants.items() if name != grant_id})

    def _next(
        self,
        violations: list[Violation],
        *,
        policies: Mapping[str, PolicyEntry] | None = None,
        groups: Mapping[str, frozenset[str]] | None = None,
        grants: Mapping[str, Grant] | None = None,
    ) -> "AccessSet":
        changed = replace(
            self,
            revision=self.revision + 1,
            policies=self.policies if policies is None else policies,
            groups=self.groups if groups is None else groups,
            grants=self.grants if grants is None else grants,
            inherits=self.inherits and policies is None,
        )
        violations = violations + _beyond_limits(changed)
        if violations:
            raise InvalidRequest(violations)
        return changed

    def encode(self) -> bytes:
        """The document as it is stored: JSON with sorted keys."""
        document: dict[str, Any] = {
            "format": _FORMAT,
            "tenant": self.tenant,
            "revision": self.revision,
            "policies": {name: policy_as_json(entry) for name, entry in self.policies.items()},
            "groups": {name: sorted(members) for name, members in self.groups.items()},
        }
        # Left out where there are none: documents without grants stay what they were.
        if self.grants:
            document["grants"] = {name: grant_as_json(grant) for name, grant in self.grants.items()}
        if self.inherits:
            document["inherits"] = True
        return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, document: bytes, pointer: AccessPointer, *, tenant: str) -> "AccessSet":
        """Read a document back; raises `AccessSetBroken` unless it is the one that the pointer names."""
        if hashlib.sha256(document).hexdigest() != pointer.digest:
            raise AccessSetBroken("the hash is another")
        try:
            content = json.loads(document)
            found = cls(
                content["tenant"],
                content["revision"],
                {name: policy_from_json(entry) for name, entry in content["policies"].items()},
                {name: frozenset(members) for name, members in content["groups"].items()},
                {name: grant_from_json(entry) for name, entry in content.get("grants", {}).items()},
                inherits=content.get("inherits", False) is True,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            found = None
        # Raised here: the parser's error would hold the whole document.
        if found is None or content["format"] != _FORMAT:
            raise AccessSetBroken("the document is not readable")
        if (found.tenant, found.revision) != (tenant, pointer.revision):
            raise AccessSetBroken("the document is another set's")
        return found


def policy_as_json(entry: PolicyEntry) -> dict[str, str]:
    """A policy as it is stored and shown; what is not said is left out."""
    if isinstance(entry, CedarText):
        return {"cedar": entry.text}
    said = {
        "role": str(entry.role),
        "principal": entry.principal,
        "group": entry.group,
        "environment": entry.environment,
        "prefix": entry.prefix,
    }
    return {name: value for name, value in said.items() if value}


def policy_from_json(entry: Mapping[str, Any]) -> PolicyEntry:
    """Read a policy; raises `KeyError`, `TypeError` or `ValueError`."""
    if "cedar" in entry:
        return CedarText(str(entry["cedar"]))
    return RoleBinding(
        role=Role(entry["role"]),
        principal=entry.get("principal"),
        group=entry.get("group"),
        environment=entry.get("environment"),
        prefix=entry.get("prefix", ""),
    )


def _beyond_limits(found: AccessSet) -> list[Violation]:
    broken = []
    if len(found.policies) > limits.MAX_POLICIES:
        broken.append(Violation("policyId", f"must be one of at most {limits.MAX_POLICIES} policies of a tenant"))
    if len(found.groups) > limits.MAX_GROUPS:
        broken.append(Violation("group", f"must be one of at most {limits.MAX_GROUPS} groups of a tenant"))
    if len(found.encode()) > limits.MAX_ACCESS_SET_BYTES:
        broken.append(
            Violation("tenant", f"must have policies and groups of at most {limits.MAX_ACCESS_SET_BYTES} bytes in all")
        )
    return broken
