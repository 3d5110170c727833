"""Whether somebody could still change policies after a change of them.

Somebody is the caller, who is real, or anybody whom the policies name. Whether who is named exists is not known here.
What a policy makes conditional must hold where and when a change will have to be possible: signed at the caller's
address, at this hour now, next week and in years, here and in another region that may be the writer one day.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from strongroom_service.domain.access import AccessRequest, Action, Authentication, Caller, Resource
from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.errors import LockedOut
from strongroom_service.domain.times import rfc3339

from .authorising import request_of
from .ports import Policy, WritePorts

_AHEAD: Final = tuple(timedelta(days=days) for days in (0, 7, 28, 364, 3_640))
"""Whole weeks: the hour and the day of the week stay what they are."""


def require_administrator(access_set: AccessSet, *, caller: Caller, ports: WritePorts) -> None:
    """Raise `LockedOut` when nobody could change policies any more once this set is in force."""
    policy = ports.access.proposal_of(access_set)
    requests = list(_requests(access_set, caller=caller, ports=ports))
    others = [region for region in ports.regions if region != ports.region]
    now = ports.clock.now()
    for ahead in _AHEAD:
        moment = now + ahead
        if not _is_possible(policy, requests, region=ports.region, time=moment):
            raise LockedOut(details=_place(ports.region, moment))
        # Only some regions may ever write; which, is not known here. One is enough.
        if others and not any(_is_possible(policy, requests, region=region, time=moment) for region in others):
            raise LockedOut(details=_place(others[0], moment))


def _requests(access_set: AccessSet, *, caller: Caller, ports: WritePorts) -> Iterator[AccessRequest]:
    """A change of policies, asked by the caller and by everybody else who is told apart by the policies."""
    asked = request_of(caller, Action.POLICY_WRITE, Resource(access_set.tenant), now=ports.clock.now(), ports=ports)
    yield asked
    seen = set()
    grouped: set[str] = set().union(*access_set.groups.values())
    singled_out = ports.access.named(replace(access_set, groups={}))
    for principal in sorted((singled_out | grouped) - {caller.principal.id}):
        # To a policy that does not name them, members of the same groups are one.
        key = principal if principal in singled_out else tuple(access_set.groups_of(principal))
        if key not in seen:
            seen.add(key)
            yield replace(asked, principal=principal, authentication=_proof_of(principal), authentication_age=0)


def _is_possible(policy: Policy, requests: list[AccessRequest], *, region: str, time: datetime) -> bool:
    return any(policy.decide(replace(request, region=region, time=time)).allowed for request in requests)


def _proof_of(principal: str) -> Authentication:
    """How a principal of this kind proves who it is."""
    kind = principal.partition(":")[0]
    return Authentication(kind) if kind in set(Authentication) else Authentication.IAM


def _place(region: str, moment: datetime) -> dict[str, object]:
    return {"region": region, "time": rfc3339(moment)}
