"""Answers about break-glass: requests, and what became of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from strongroom_service.domain.break_glass import BreakGlass, GrantStatus, Settling
from strongroom_service.domain.times import rfc3339

from .answers import Answer, GrantIdentifier, Number, SecretIdentifier, SecretPath, Time


class GrantApproval(Answer):
    """Who approved, and when."""

    principal: str
    time: Time


class SecretReadUnderGrant(Answer):
    """A secret that was read under a grant; its metadata say whether its value was replaced since."""

    secret_id: SecretIdentifier
    path: SecretPath
    version_number: Annotated[Number, Field(description="The highest one that was read.")]
    read_at: Annotated[Time, Field(description="The last read that is known.")]


class GrantReads(Answer):
    """What was read under a grant that is over, as far as its regions have told."""

    secrets: Sequence[SecretReadUnderGrant]
    unanswered_regions: Annotated[Sequence[str], Field(description="Regions whose audit did not answer; asked again.")]
    settled: Annotated[bool, Field(description="Whether the list is final.")]

    @classmethod
    def of(cls, settling: Settling, environment: str) -> "GrantReads":
        """What is known so far."""
        secrets = [
            SecretReadUnderGrant(
                secret_id=it.secret_id,
                path=f"{environment}/{it.path}",
                version_number=it.version,
                read_at=rfc3339(it.time),
            )
            for it in settling.reads
        ]
        return cls(secrets=secrets, unanswered_regions=settling.unanswered, settled=settling.is_settled)


class GrantDescribed(Answer):
    """A request for a grant, and what became of it."""

    grant_id: GrantIdentifier
    status: GrantStatus
    requester: str
    environment: Annotated[str, Field(examples=["prod"])]
    path: str | None
    prefix: str | None
    reason: str
    ticket: str
    minutes: int
    requested_at: Time
    required_approvals: Annotated[int, Field(ge=1)]
    approvals: Sequence[GrantApproval]
    lapses_at: Annotated[Time, Field(description="Until then it has to be approved.")]
    active_from: Time | None
    active_until: Annotated[Time | None, Field(description="The grant ends then, by itself.")]
    closed_at: Time | None
    closed_by: Annotated[str | None, Field(description="Who refused or revoked it.")]
    reads: Annotated[GrantReads | None, Field(description="null while it is not over, or when it never was active.")]

    @classmethod
    def of(cls, request: BreakGlass) -> "GrantDescribed":
        """What is told of a request."""
        scope, settling = request.scope, request.settling
        return cls(
            grant_id=request.id,
            status=request.status,
            requester=request.requester,
            environment=scope.environment,
            path=scope.path,
            prefix=scope.prefix,
            reason=request.reason,
            ticket=request.ticket,
            minutes=request.minutes,
            requested_at=rfc3339(request.requested_at),
            required_approvals=request.required,
            approvals=[GrantApproval(principal=it.principal, time=rfc3339(it.time)) for it in request.approvals],
            lapses_at=rfc3339(request.lapses_at),
            active_from=_maybe(request.active_from),
            active_until=_maybe(request.until),
            closed_at=_maybe(request.closed_at),
            closed_by=request.closed_by or None,
            reads=GrantReads.of(settling, scope.environment) if settling else None,
        )


class GrantList(Answer):
    """One page, the latest first. A page may be short or empty and still have a next one."""

    items: Sequence[GrantDescribed]
    next_cursor: Annotated[GrantIdentifier | None, Field(description="Where to go on; null at the end.")]


def _maybe(time: datetime | None) -> str | None:
    return rfc3339(time) if time else None
