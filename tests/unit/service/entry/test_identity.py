"""Who calls is what API Gateway proved; the tenant follows from it."""

from typing import Any

import pytest

from strongroom_service.domain.access import Principal
from strongroom_service.domain.errors import AccessDenied, InvalidRequest
from strongroom_service.entry.identity import caller_of, principal_of, tenant_of

ACCOUNT = "123456789012"
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/i-0123456789abcdef0"
TENANTS = {ACCOUNT: ("default",), "210987654321": ("blue", "green")}


def event(arn: str | None = ARN, headers: dict[str, str] | None = None, **context: Any) -> dict[str, Any]:
    return {
        "headers": headers,
        "requestContext": {
            "requestId": "request-1",
            "identity": {"userArn": arn, "sourceIp": "192.0.2.1", "userAgent": "test/1"},
            **context,
        },
    }


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        (ARN, Principal(f"iam:arn:aws:iam::{ACCOUNT}:role/app", ACCOUNT, "i-0123456789abcdef0")),
        (
            f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/app/s@example.org",
            Principal(f"iam:arn:aws-us-gov:iam::{ACCOUNT}:role/app", ACCOUNT, "s@example.org"),
        ),
        (f"arn:aws:iam::{ACCOUNT}:user/ci/alice", Principal(f"iam:arn:aws:iam::{ACCOUNT}:user/ci/alice", ACCOUNT)),
    ],
)
def test_principals_are_roles_and_users(arn: str, principal: Principal) -> None:
    """Two sessions of a role are one principal; the session's name is kept beside it."""
    assert principal_of(arn) == principal


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "",
        "anonymous",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/app",
        f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
        f"{ARN}\n",
        "arn:aws:sts::12:assumed-role/app/s",
        f"x{ARN}",
    ],
)
def test_what_is_no_known_identity_is_denied(arn: str | None) -> None:
    """An identity that does not read wholly as a role's session or a user is none."""
    with pytest.raises(AccessDenied):
        principal_of(arn)


def test_an_identity_made_by_an_authorizer_does_not_count_here() -> None:
    """Only IAM's own identity is admitted on signed routes."""
    with pytest.raises(AccessDenied):
        caller_of(event(authorizer={"principalId": "someone"}), TENANTS)


def test_the_caller_is_the_request_as_the_gateway_saw_it() -> None:
    """Request id, address and user agent come from the gateway's context."""
    caller = caller_of(event(), TENANTS)
    assert (caller.tenant, caller.request_id, caller.source_ip, caller.user_agent) == (
        "default", "request-1", "192.0.2.1", "test/1",
    )  # fmt: skip


@pytest.mark.parametrize("broken", [{}, {"requestContext": None}, {"requestContext": {"identity": None}}])
def test_an_event_without_a_context_is_denied(broken: dict[str, Any]) -> None:
    """Nothing proven, nothing allowed."""
    with pytest.raises(AccessDenied):
        caller_of(broken, TENANTS)


def test_an_account_of_no_tenant_is_denied() -> None:
    """Being able to call is not being known."""
    with pytest.raises(AccessDenied):
        tenant_of(Principal("iam:x", "999999999999"), None, TENANTS)


def test_an_account_of_several_tenants_names_one_of_its_own() -> None:
    """The header chooses among the account's tenants and reaches no other."""
    principal = Principal("iam:x", "210987654321")
    assert tenant_of(principal, "green", TENANTS) == "green"
    with pytest.raises(AccessDenied):
        tenant_of(principal, "default", TENANTS)
    with pytest.raises(InvalidRequest, match="X-Strongroom-Tenant"):
        tenant_of(principal, None, TENANTS)


def test_the_header_is_found_however_it_is_written() -> None:
    """Header names have no case."""
    headers = {"X-STRONGROOM-Tenant": "green"}
    arn = "arn:aws:sts::210987654321:assumed-role/app/s"
    assert caller_of(event(arn, headers=headers), TENANTS).tenant == "green"
