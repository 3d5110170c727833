"""What one decision costs beyond what Cedar itself takes."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import cedarpy

from strongroom_service.adapters.cedar.compile import compile_policies
from strongroom_service.adapters.cedar.policy import CedarPolicy
from strongroom_service.domain.access import AccessRequest, Action, Resource
from strongroom_service.domain.access_set import AccessSet, CedarText, PolicyEntry
from strongroom_service.domain.roles import Role, RoleBinding
from tests.bench.harness import REGISTRY, Result, at_most, interleaved, median, percentile

_POLICIES: Final = 50
_CALLS, _ROUNDS = 200, 31
_APP: Final = "iam:arn:aws:iam::123456789012:role/app"
_PATH: Final = "payments/db-password"


def _access_set() -> AccessSet:
    """Roles of teams over their own paths, two policies with conditions, and the one that permits."""
    policies: dict[str, PolicyEntry] = {
        f"team-{number}": RoleBinding(
            role=Role.READER, principal=f"{_APP}-{number}", environment="prod", prefix=f"team-{number}"
        )
        for number in range(_POLICIES - 3)
    }
    policies["app"] = RoleBinding(role=Role.READER, principal=_APP, environment="prod", prefix="payments")
    policies["office"] = CedarText(
        'permit(principal in Group::"people", action == Action::"secret:read", resource) '
        'when { context.sourceAddress.isInRange(ip("10.0.0.0/8")) };'
    )
    policies["home"] = CedarText('forbid(principal, action, resource) when { context.region like "eu-*" };')
    return AccessSet("default", 1, policies, {"people": frozenset({f"{_APP}-1"})})


def _entity(kind: str, name: str, *parents: dict[str, Any], **attributes: str) -> dict[str, Any]:
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": [parent["uid"] for parent in parents]}


def _entities() -> list[dict[str, Any]]:
    tenant = _entity("Tenant", "default")
    environment = _entity("Environment", "prod", tenant)
    paths = [_entity("Path", f"{root}/{path}") for root in ("prod", "*") for path in ("payments", _PATH)]
    secret = _entity("Secret", f"prod/{_PATH}", environment, tenant, *paths, environment="prod", path=_PATH)
    return [tenant, environment, *paths, secret, _entity("Principal", _APP)]


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(_CALLS):
        call()
    return (time.process_time() - began) / _CALLS


@REGISTRY.add("policy_decision", reach="<= 1.5", reached=at_most(1.5))
def policy_decision() -> Result:
    """One decision with fifty policies, against bare cedarpy on the same parsed set with the same context."""
    access_set = _access_set()
    policy, parsed = CedarPolicy(access_set), compile_policies(access_set)
    now = datetime.now(tz=UTC)
    ours = AccessRequest(_APP, Action.READ, Resource("default", "prod", _PATH), "192.0.2.1", now, "us-east-1")
    context = {
        "sourceAddress": {"__extn": {"fn": "ip", "arg": "192.0.2.1"}},
        "time": {"__extn": {"fn": "datetime", "arg": now.strftime("%Y-%m-%dT%H:%M:%SZ")}},
        "region": "us-east-1",
        "authentication": "iam",
        "authenticationAge": 0,
        "grant": "",
    }
    theirs = {
        "principal": {"type": "Principal", "id": _APP},
        "action": {"type": "Action", "id": "secret:read"},
        "resource": {"type": "Secret", "id": f"prod/{_PATH}"},
        "context": context,
    }
    text = json.dumps(_entities())
    handle = cedarpy.Entities.from_json_str(text)
    if not policy.decide(ours).allowed or not cedarpy.is_authorized(theirs, parsed, handle).allowed:
        raise RuntimeError("the decision is another one")

    def first() -> None:
        policy._entities.cache_clear()  # as for a secret that was never asked for
        policy.decide(ours)

    remembered, bare, anew, bare_anew = interleaved(
        lambda: _seconds(lambda: policy.decide(ours)),
        lambda: _seconds(lambda: cedarpy.is_authorized(theirs, parsed, handle)),
        lambda: _seconds(first),
        lambda: _seconds(lambda: cedarpy.is_authorized(theirs, parsed, text)),
        rounds=_ROUNDS,
    )
    value, reference = median(remembered) * 1e6, median(bare) * 1e6
    note = f"entities parsed anew: {median(anew) * 1e6:.0f} against {median(bare_anew) * 1e6:.0f} µs"
    return Result(
        value=value, unit="µs", reference=reference, ratio=value / reference,
        p99=percentile(remembered, 0.99) * 1e6, note=note,
    )  # fmt: skip
