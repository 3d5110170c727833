"""Whatever is written, the platform allows nothing that Cedar, asked afresh, would not."""

import json
from datetime import UTC, datetime
from typing import Any

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.adapters.access_control import CedarAccess
from strongroom_service.adapters.cedar.compile import check_policy
from strongroom_service.domain.access import AccessRequest, Action, Authentication, Resource
from strongroom_service.domain.access_set import AccessSet, CedarText, PolicyEntry
from strongroom_service.domain.errors import InvalidRequest, NotFound
from strongroom_service.domain.roles import ALLOWED, TENANT_WIDE, Role, RoleBinding
from tests.support.access import FakeAccessItems
from tests.support.auditing import FakeMeasurements

PRINCIPALS = ["iam:a", "iam:b", "iam:c"]
GROUPS = ["g", "h"]
ENVIRONMENTS = ["prod", "test"]
PATHS = ["pay/db", "pay/deep/key", "pay", "pays/db", "web/db"]
PREFIXES = ["", "pay", "pay/deep", "web"]
ACTIONS = [Action.READ, Action.LIST, Action.REWRAP, Action.POLICY_WRITE, Action.EXPLAIN]
REGIONS = ["us-east-1", "us-west-2"]

BINDINGS = st.builds(
    lambda role, who, environment, prefix: RoleBinding(
        role=role,
        principal=who if who in PRINCIPALS else None,
        group=who if who in GROUPS else None,
        environment=None if role in TENANT_WIDE else environment,
        prefix="" if role in TENANT_WIDE else prefix,
    ),
    st.sampled_from(Role),
    st.sampled_from(PRINCIPALS + GROUPS),
    st.none() | st.sampled_from(ENVIRONMENTS),
    st.sampled_from(PREFIXES),
)
CONDITIONS = st.sampled_from(
    [
        "true",
        'context.region == "us-east-1"',
        'context.sourceAddress.isInRange(ip("10.0.0.0/8"))',
        "context.authenticationAge < 100",
        'context.authentication == "iam"',
        'context.time < datetime("2030-06-01T00:00:00Z")',
        'resource is Secret && resource.path like "pay*"',
        'principal in Group::"g"',
        'resource in Path::"*/pay"',
        # These err: always, at some ages only, and only where the left side is true.
        "9223372036854775807 + 1 > 0",
        "9223372036854775800 + context.authenticationAge > 0",
        'context.region == "us-west-2" && 9223372036854775807 + 1 > 0',
    ]
)
TEXTS = st.builds(
    "{}({}, {}, {}) {} {{ {} }};".format,
    st.sampled_from(["permit", "forbid"]),
    st.sampled_from(
        ["principal", 'principal == Principal::"iam:a"', 'principal in Group::"g"', "principal is Principal"]
    ),
    st.sampled_from(
        ["action", 'action == Action::"secret:read"', 'action in [Action::"secret:list", Action::"secret:read"]']
    ),
    st.sampled_from(
        ["resource", 'resource in Environment::"prod"', 'resource in Path::"prod/pay"', 'resource in Tenant::"default"',
         'resource == Secret::"prod/pay/db"']
    ),
    st.sampled_from(["when", "unless"]),
    CONDITIONS,
).map(CedarText)  # fmt: skip
POLICY_IDS = st.sampled_from(["p", "q", "r", "s"])
EDITS = st.one_of(
    st.tuples(st.just("with_policy"), POLICY_IDS, BINDINGS | TEXTS),
    st.tuples(st.just("without_policy"), POLICY_IDS, st.none()),
    st.tuples(st.just("with_group"), st.sampled_from(GROUPS), st.sets(st.sampled_from(PRINCIPALS))),
    st.tuples(st.just("without_group"), st.sampled_from(GROUPS), st.none()),
)
RESOURCES = st.one_of(
    st.builds(Resource, st.just("default"), st.sampled_from(ENVIRONMENTS), st.sampled_from(PATHS)),
    st.builds(Resource, st.just("default"), st.sampled_from(ENVIRONMENTS)),
    st.just(Resource("default")),
)
REQUESTS = st.builds(
    AccessRequest,
    st.sampled_from([*PRINCIPALS, "iam:stranger"]),
    st.sampled_from(ACTIONS),
    RESOURCES,
    st.sampled_from(["10.1.1.1", "192.0.2.1"]),
    st.sampled_from([datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)]),
    st.sampled_from(REGIONS),
    st.sampled_from(Authentication),
    st.sampled_from([0, 7, 8, 100]),
)


def as_text(entry: PolicyEntry) -> str:
    """A policy in Cedar's own language, a role by what the documentation says of it."""
    if isinstance(entry, CedarText):
        return entry.text
    who = f'== Principal::"{entry.principal}"' if entry.principal else f'in Group::"{entry.group}"'
    actions = ", ".join(f'Action::"{action}"' for action in ALLOWED[entry.role])
    where = "resource"
    if entry.prefix:
        where = f'resource in Path::"{entry.environment or "*"}/{entry.prefix}"'
    elif entry.environment:
        where = f'resource in Environment::"{entry.environment}"'
    return f"permit(principal {who}, action in [{actions}], {where});"


def entity(kind: str, name: str, *parents: tuple[str, str], **attributes: str) -> dict[str, Any]:
    above = [{"type": parent, "id": above} for parent, above in parents]
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": above}


def world(access_set: AccessSet) -> list[dict[str, Any]]:
    """All entities that there are, each path in the one above it."""
    found = [entity("Tenant", "default")]
    groups = access_set.groups.items()
    found += [
        entity("Principal", principal, *[("Group", name) for name, who in groups if principal in who])
        for principal in [*PRINCIPALS, "iam:stranger"]
    ]
    for environment in [*ENVIRONMENTS, "*"]:
        if environment != "*":
            found.append(entity("Environment", environment, ("Tenant", "default")))
        for path in {"/".join(path.split("/")[:n]) for path in PATHS for n in range(1, 4)}:
            above = path.rpartition("/")[0]
            inside = [("Path", f"{environment}/{above}")] if above else []
            found.append(entity("Path", f"{environment}/{path}", *inside))
    for environment in ENVIRONMENTS:
        for path in PATHS:
            parents = [("Environment", environment), ("Path", f"{environment}/{path}"), ("Path", f"*/{path}")]
            found.append(entity("Secret", f"{environment}/{path}", *parents, environment=environment, path=path))
    return found


def resource_id(resource: Resource) -> dict[str, str]:
    if resource.environment is None:
        return {"type": "Tenant", "id": resource.tenant}
    if resource.path is None:
        return {"type": "Environment", "id": resource.environment}
    return {"type": "Secret", "id": f"{resource.environment}/{resource.path}"}


def ask_cedar(access_set: AccessSet, request: AccessRequest) -> cedarpy.AuthzResult:
    """Cedar itself, over the texts as they were written."""
    return cedarpy.is_authorized(
        {
            "principal": {"type": "Principal", "id": request.principal},
            "action": {"type": "Action", "id": request.action.value},
            "resource": resource_id(request.resource),
            "context": {
                "sourceAddress": {"__extn": {"fn": "ip", "arg": request.source_ip}},
                "time": {"__extn": {"fn": "datetime", "arg": request.time.strftime("%Y-%m-%dT00:00:00Z")}},
                "region": request.region,
                "authentication": request.authentication.value,
                "authenticationAge": request.authentication_age,
                "grant": "",
            },
        },
        "\n".join(as_text(entry) for entry in access_set.policies.values()),
        json.dumps(world(access_set)),
    )


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(edits=st.lists(EDITS, min_size=1, max_size=8), requests=st.lists(REQUESTS, min_size=1, max_size=5))
def test_nothing_is_allowed_that_cedar_would_not_allow(edits: list[Any], requests: list[AccessRequest]) -> None:
    """After any edits: allowed if and only if Cedar allows and no policy errs."""
    items = FakeAccessItems()
    access = CedarAccess(items=items, initial={}, measurements=FakeMeasurements())
    pointer, access_set = access.load("default")
    for change, name, content in edits:
        try:
            if change == "with_policy":
                check_policy(content)
            arguments = (name,) if content is None else (name, content)
            access_set = getattr(access_set, change)(*arguments)
        except (InvalidRequest, NotFound):
            continue
        access.replace(pointer, access_set, epoch=1)
        pointer = items.pointer("default")
        policy = access.at("default", pointer)
        for request in requests:
            decision, fresh = policy.decide(request), ask_cedar(access_set, request)
            errs = bool(fresh.diagnostics.errors)
            assert decision.allowed == (fresh.allowed and not errs)
            assert decision.is_broken == errs


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(request=REQUESTS, others=st.lists(BINDINGS | TEXTS, max_size=4))
def test_a_forbid_that_errs_denies_whatever_the_others_say(request: AccessRequest, others: list[PolicyEntry]) -> None:
    policies = {f"p{number}": entry for number, entry in enumerate(others)}
    policies["all"] = CedarText("permit(principal, action, resource);")
    policies["err"] = CedarText("forbid(principal, action, resource) when { 9223372036854775807 + 1 > 0 };")
    access = CedarAccess(items=FakeAccessItems(), initial={}, measurements=FakeMeasurements())
    decision = access.proposal_of(AccessSet("default", 1, policies)).decide(request)
    assert (decision.allowed, decision.is_broken) == (False, True)
