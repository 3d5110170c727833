"""The policies in force: an access set is loaded and compiled when its pointer moves, and kept until the next."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strongroom_service.domain.access import AccessRequest, Decision
from strongroom_service.domain.access_set import (
    AccessPointer,
    AccessSet,
    AccessSetBroken,
    PolicyEntry,
    is_served_by,
)
from strongroom_service.domain.errors import AccessSetUnavailable, InvalidRequest, Violation
from strongroom_service.domain.explanation import ClosePolicy
from strongroom_service.domain.roles import RoleBinding
from strongroom_service.usecases.ports import GrantChange, Measurements, Metric, Policy

from .cedar.closeness import close_policies
from .cedar.compile import check_policy, named_principals
from .cedar.policy import CedarPolicy
from .stored_documents import AccessItems

_TENANTS: Final = 64


@dataclass(frozen=True, slots=True)
class _Compiled:
    pointer: AccessPointer | None
    policy: Policy

    def serves(self, pointer: AccessPointer | None) -> bool:
        """Whether it is what a pointer names, or a later one."""
        return is_served_by(pointer, self.pointer)


class CedarAccess:
    """The access ports over stored sets. `initial` are the bindings that hold in a tenant before its first set."""

    def __init__(
        self, *, items: AccessItems, initial: Mapping[str, Sequence[RoleBinding]], measurements: Measurements
    ) -> None:
        self._items = items
        self._initial = initial
        self._measurements = measurements
        self._known: OrderedDict[str, _Compiled] = OrderedDict()

    def at(self, tenant: str, pointer: AccessPointer | None) -> Policy:
        """The policy that a pointer names, or a later one."""
        return self._compiled(tenant, pointer).policy

    def current(self, tenant: str) -> Policy:
        """The policy in force now."""
        return self.at(tenant, self._items.pointer(tenant))

    def load(self, tenant: str) -> tuple[AccessPointer | None, AccessSet]:
        """The access set in force now."""
        pointer = self._items.pointer(tenant)
        return pointer, self._read(tenant, pointer)

    def check(self, entry: PolicyEntry) -> None:
        """Make sure that a policy may be stored."""
        check_policy(entry)

    def policy_of(self, access_set: AccessSet) -> Policy:
        """The policy that a set in force is."""
        try:
            return _Rung(CedarPolicy(access_set), self._measurements)
        except ValueError as error:
            raise AccessSetUnavailable from error

    def proposal_of(self, access_set: AccessSet) -> Policy:
        """The policy that a set would be: what is broken in it rings nowhere."""
        try:
            return CedarPolicy(access_set)
        except ValueError:
            refusal = InvalidRequest([Violation("policies", "must be policies that can be evaluated together")])
        raise refusal

    def named(self, access_set: AccessSet) -> set[str]:
        """Everybody whom a role, a group or a policy's own text names."""
        return named_principals(access_set)

    def close_to(self, access_set: AccessSet, request: AccessRequest) -> Sequence[ClosePolicy]:
        """The policies that permit something near to what is asked."""
        return close_policies(access_set, request)

    def replace(
        self, before: AccessPointer | None, after: AccessSet, *, epoch: int, grants: Sequence[GrantChange] = ()
    ) -> None:
        """Put another set in force."""
        pointer = AccessPointer.to(after, epoch=epoch)
        self._items.replace(after.tenant, before, pointer, after.encode(), epoch=epoch, grants=grants)

    def _compiled(self, tenant: str, pointer: AccessPointer | None) -> _Compiled:
        known = self._known.get(tenant)
        if known is not None and known.serves(pointer):
            return known
        compiled = self._known[tenant] = _Compiled(pointer, self.policy_of(self._read(tenant, pointer)))
        self._known.move_to_end(tenant)
        if len(self._known) > _TENANTS:
            self._known.popitem(last=False)
        return compiled

    def _read(self, tenant: str, pointer: AccessPointer | None) -> AccessSet:
        initial = AccessSet.initial(tenant, self._initial.get(tenant, ()))
        if pointer is None:
            return initial
        document = self._items.document(tenant, pointer)
        if document is None:
            raise AccessSetUnavailable
        try:
            found = AccessSet.decode(document, pointer, tenant=tenant)
        except AccessSetBroken as error:
            raise AccessSetUnavailable from error
        return replace(found, policies=initial.policies) if found.inherits else found


class _Rung:
    """A policy whose broken decisions ring."""

    def __init__(self, policy: Policy, measurements: Measurements) -> None:
        self._policy = policy
        self._measurements = measurements

    def decide(self, request: AccessRequest) -> Decision:
        """As the policy behind it."""
        decision = self._policy.decide(request)
        if decision.is_broken:
            self._measurements.count(Metric.ACCESS_BROKEN)
        return decision
