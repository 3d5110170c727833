"""Find out who the bearer of a token is. What is refused is recorded by its reason; the caller hears nothing of it."""

from dataclasses import dataclass

from strongroom_service.domain.access import Authentication, Caller, Decision, Principal
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied
from strongroom_service.domain.issuers import Issuer
from strongroom_service.domain.quota import Quota
from strongroom_service.domain.tokens import (
    Proven,
    Reason,
    TokenRefused,
    bearer_of,
    check_claims,
    check_header,
    check_issuer_header,
)

from .ports import AuthenticationPorts, Metric
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True)
class Presented:
    """A request as it came to the gateway."""

    authorization: str | None
    """The header, if there is one."""
    request_id: str
    source_ip: str
    user_agent: str


@dataclass(slots=True)
class _Found:
    """How far the check came: what a refusal may be recorded with."""

    issuer_id: str = ""
    issuer: Issuer | None = None


def authenticate(presented: Presented, *, quota: Quota, ports: AuthenticationPorts) -> Proven | None:
    """Who the bearer is; None for whoever did not prove it. The registry is read anew for every call.

    `quota` bounds how many refusals are recorded; those beyond are counted.

    Raises:
        AuditUnavailable: the refusal could not be recorded. It is a refusal nevertheless.
    """
    found = _Found()
    try:
        return _prove(presented, found, ports)
    except TokenRefused as refused:
        reason = refused.reason
    except Exception:
        # Whatever failed, nobody is let in; it is recorded as a refusal and goes on to the border, which logs it.
        _refuse(presented, Reason.FAILED, found, quota=quota, ports=ports)
        raise
    _refuse(presented, reason, found, quota=quota, ports=ports)
    return None


def _prove(presented: Presented, found: _Found, ports: AuthenticationPorts) -> Proven:
    token = bearer_of(presented.authorization)
    unverified = ports.tokens.parse(token)
    algorithm = check_header(unverified.header)
    claims = unverified.claims
    entry = ports.registry.in_force().issuer_of(iss=claims.get("iss"), sub=claims.get("sub"))
    if entry is None:
        raise TokenRefused(Reason.UNKNOWN_ISSUER)
    found.issuer_id, found.issuer = entry
    check_issuer_header(unverified.header, found.issuer)
    key = ports.keys.find(found.issuer_id, found.issuer, unverified.header.get("kid"))
    verified = ports.tokens.verify(token, key, algorithm)
    return check_claims(verified, found.issuer_id, found.issuer, now=ports.clock.now())


def _refuse(presented: Presented, reason: Reason, found: _Found, *, quota: Quota, ports: AuthenticationPorts) -> None:
    ports.measurements.count(Metric.TOKENS_REFUSED)
    if not quota.take():
        ports.measurements.count(Metric.REFUSALS_UNRECORDED)
        return
    # Nothing that the token says of itself is believed, so nothing of it is recorded: not even whose it claims to be.
    caller = Caller(
        principal=Principal("", "", issuer=found.issuer_id),
        tenant=found.issuer.tenant if found.issuer else "",
        request_id=presented.request_id,
        source_ip=presented.source_ip,
        user_agent=presented.user_agent,
        authentication=Authentication(found.issuer.kind.value) if found.issuer else Authentication.OIDC,
    )
    recorder = Recorder(ports, caller, AuditAction.AUTHENTICATE)
    subject = Subject(path=f"identity/issuers/{found.issuer_id}" if found.issuer_id else "")
    decision = Decision(allowed=False, reasons=(str(reason),))
    recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
