"""Who calls, from what API Gateway proved, and for which tenant. Never from the caller's words alone."""

import re
from collections.abc import Mapping
from typing import Any, Final

from strongroom_service.domain.access import Caller, Principal
from strongroom_service.domain.errors import AccessDenied, InvalidRequest, Violation

_ASSUMED_ROLE: Final = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([\w+=,.@-]+)/([\w+=,.@-]+)")
_IAM: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(?:user|root).*")

TENANT_HEADER: Final = "x-strongroom-tenant"


def principal_of(user_arn: str | None) -> Principal:
    """The principal behind a SigV4-signed request.

    An assumed role's ARN names the role without its path, so two roles that differ in the path only are one
    principal (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).

    Raises:
        AccessDenied: there is no identity, or one of a kind that is not admitted.
    """
    arn = user_arn or ""
    if match := _ASSUMED_ROLE.fullmatch(arn):
        partition, account, role, session = match.groups()
        return Principal(f"iam:arn:{partition}:iam::{account}:role/{role}", account, session)
    if match := _IAM.fullmatch(arn):
        return Principal(f"iam:{arn}", match[1])
    raise AccessDenied


def tenant_of(principal: Principal, wanted: str | None, tenants_of_account: Mapping[str, tuple[str, ...]]) -> str:
    """The tenant that a principal acts in.

    Raises:
        AccessDenied: the principal's account belongs to no tenant, or not to the one that is asked for.
        InvalidRequest: the account belongs to several and the request names none.
    """
    tenants = tenants_of_account.get(principal.account, ())
    if not tenants or (wanted is not None and wanted not in tenants):
        raise AccessDenied
    if wanted is not None:
        return wanted
    if len(tenants) > 1:
        raise InvalidRequest([Violation("X-Strongroom-Tenant", "is required: the account belongs to several tenants")])
    return tenants[0]


def caller_of(event: Mapping[str, Any], tenants_of_account: Mapping[str, tuple[str, ...]]) -> Caller:
    """The caller of an API Gateway proxy event. Raises as `principal_of` and `tenant_of`."""
    context = event.get("requestContext") or {}
    identity = context.get("identity") or {}
    if context.get("authorizer"):
        # An identity that an authorizer made belongs to other routes; here only IAM's own counts.
        raise AccessDenied
    principal = principal_of(identity.get("userArn"))
    return Caller(
        principal=principal,
        tenant=tenant_of(principal, header(event, TENANT_HEADER), tenants_of_account),
        request_id=request_id_of(event),
        source_ip=str(identity.get("sourceIp") or ""),
        user_agent=str(identity.get("userAgent") or ""),
    )


def request_id_of(event: Mapping[str, Any]) -> str:
    """API Gateway's id of the request."""
    return str((event.get("requestContext") or {}).get("requestId") or "")


def header(event: Mapping[str, Any], name: str) -> str | None:
    """A header by its lower-case name; names arrive as the client wrote them."""
    headers = event.get("headers") or {}
    if name in headers:
        return str(headers[name])
    return next((str(value) for key, value in headers.items() if key.lower() == name), None)


def is_from_gateway(event: Mapping[str, Any]) -> bool:
    """Whether an event has what API Gateway always gives one: a sign of a clumsy forgery, and no proof of anything."""
    context = event.get("requestContext") or {}
    identity = context.get("identity") or {}
    return bool(context.get("requestId") and context.get("apiId") and context.get("stage") and identity.get("sourceIp"))
