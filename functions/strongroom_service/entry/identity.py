"""Who calls, from what API Gateway proved, and for which tenant. Never from the caller's words alone."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from strongroom_service.domain.access import Authentication, Caller, Principal
from strongroom_service.domain.errors import AccessDenied
from strongroom_service.domain.registry import Registry

_ASSUMED_ROLE: Final = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([\w+=,.@-]+)/([\w+=,.@-]+)")
_IAM: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(?:user|root).*")

TENANT_HEADER: Final = "x-strongroom-tenant"
TOKEN_ROUTES: Final = "/workload/"  # noqa: S105  # a path
"""How the resources begin whose callers the authorizer function has checked; all others ask for a signature."""


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


def caller_of(event: Mapping[str, Any], registry: Registry, *, now: datetime) -> Caller:
    """The caller of an API Gateway proxy event; of a principal that belongs to no tenant, the tenant is empty.

    Raises:
        AccessDenied: there is no identity, or one that was proven in another way than the route asks for.
        InvalidRequest: the principal belongs to several tenants and the request names none.
    """
    if _is_for_tokens(event):
        return _bearer(event, registry, now=now)
    principal = signer_of(event)
    wanted = header(event, TENANT_HEADER)
    return replace(
        caller_without_tenant(event, principal), tenant=registry.tenant_for(principal, wanted), wanted_tenant=wanted
    )


def signer_of(event: Mapping[str, Any]) -> Principal:
    """The principal that signed a request to a route that asks for a signature; raises `AccessDenied`."""
    context = event.get("requestContext") or {}
    if context.get("authorizer") or _is_for_tokens(event):
        # An identity that an authorizer made belongs to other routes; here only IAM's own counts.
        raise AccessDenied
    return principal_of((context.get("identity") or {}).get("userArn"))


def caller_without_tenant(event: Mapping[str, Any], principal: Principal) -> Caller:
    """The request's circumstances, of a caller whose tenant is not decided, or does not matter."""
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return Caller(
        principal=principal,
        tenant="",
        request_id=request_id_of(event),
        source_ip=str(identity.get("sourceIp") or ""),
        user_agent=str(identity.get("userAgent") or ""),
    )


def _bearer(event: Mapping[str, Any], registry: Registry, *, now: datetime) -> Caller:
    """The caller that the authorizer function found. Its tenant is its issuer's; what the request says has no say."""
    context = event.get("requestContext") or {}
    proven = context.get("authorizer")
    if not isinstance(proven, Mapping) or (context.get("identity") or {}).get("userArn"):
        raise AccessDenied
    try:
        principal = Principal(str(proven["principal"]), "", issuer=str(proven["issuer"]))
        authentication = Authentication(str(proven["authentication"]))
        issued_at = int(proven["issuedAt"])
    except (KeyError, ValueError):
        principal = None
    if principal is None or not principal.id or not principal.issuer or authentication is Authentication.IAM:
        raise AccessDenied
    return replace(
        caller_without_tenant(event, principal),
        tenant=registry.tenant_for(principal, None),
        authentication=authentication,
        authentication_age=max(0, int(now.timestamp()) - issued_at),
    )


def _is_for_tokens(event: Mapping[str, Any]) -> bool:
    return str(event.get("resource") or "").startswith(TOKEN_ROUTES)


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
