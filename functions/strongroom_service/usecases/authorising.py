"""How a use case asks who may what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from strongroom_service.domain.access import AccessRequest, Action, Caller, Decision, Resource

from .ports import Clock, Policy

NO_TENANT: Final = "no-tenant"
"""The reason of a denial to who belongs to no tenant, whatever a policy says."""


class CircumstancePorts(Protocol):
    """The part of the ports that a question to a policy needs."""

    @property
    def region(self) -> str:
        """This region's name."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...


def decide(
    policy: Policy, caller: Caller, actions: Sequence[Action], resource: Resource, ports: CircumstancePorts
) -> Decision:
    """Allowed when every action is."""
    if not caller.tenant:
        return Decision(allowed=False, reasons=(NO_TENANT,), asked=tuple(actions))
    now = ports.clock.now()
    return decide_all(policy, [request_of(caller, action, resource, now=now, ports=ports) for action in actions])


def decide_all(policy: Policy, requests: Sequence[AccessRequest]) -> Decision:
    """Allowed when every request is, and there is one."""
    decisions = [policy.decide(request) for request in requests]
    denied = [decision for decision in decisions if not decision.allowed]
    chosen = denied or decisions
    return Decision(
        not denied and bool(decisions),
        tuple(dict.fromkeys(reason for it in chosen for reason in it.reasons)),
        is_broken=any(it.is_broken for it in decisions),
        asked=tuple(request.action for request in requests),
        grant="" if denied else next((it.grant for it in decisions if it.grant), ""),
    )


def request_of(
    caller: Caller, action: Action, resource: Resource, *, now: datetime, ports: CircumstancePorts
) -> AccessRequest:
    """A caller's question."""
    return AccessRequest(
        caller.principal.id,
        action,
        resource,
        caller.source_ip,
        now,
        ports.region,
        caller.authentication,
        caller.authentication_age,
    )
