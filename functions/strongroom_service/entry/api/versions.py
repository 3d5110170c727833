"""Versions of a secret: propose, list, disable, enable, destroy."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends

from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.secret import Head, VersionRecord, VersionStatus
from strongroom_service.domain.times import rfc3339
from strongroom_service.usecases.change_version import destroy_version, disable_version, enable_version
from strongroom_service.usecases.changing import Target, read_metadata
from strongroom_service.usecases.propose_version import propose_version

from .answers import VersionDescribed, VersionList, VersionProposed, VersionState
from .models import ProposeVersionRequest
from .proposals import proposal_of
from .requests import Call, JsonBody, call_of, nothing_else, number_of, target_of

router = APIRouter(tags=["versions"])

Calling = Annotated[Call, Depends(call_of)]


@router.post("/secrets/{secretId}/versions", status_code=201, operation_id="proposeVersion")
async def propose(
    call: Calling,
    target: Annotated[Target, Depends(target_of)],
    body: Annotated[ProposeVersionRequest, Depends(JsonBody(ProposeVersionRequest))],
) -> VersionProposed:
    """Store a value as a PENDING version, out of every reader's sight."""
    proposal = proposal_of(body, now=call.ports.clock.now())
    proposed = propose_version(proposal, target=target, caller=call.caller, ports=call.ports)
    record = proposed.head.versions.get(proposed.number)
    return VersionProposed(
        version_number=proposed.number,
        status=record.status if record else VersionStatus.DESTROYED,
        sha256_fingerprint=record.fingerprint if record else None,
        consistency_token=str(proposed.head.token),
    )


@router.get("/secrets/{secretId}/versions", operation_id="listVersions", dependencies=[Depends(nothing_else)])
async def list_all(call: Calling, target: Annotated[Target, Depends(target_of)]) -> VersionList:
    """List the versions that are kept, the latest first."""
    head = read_metadata(target, action=AuditAction.READ_METADATA, caller=call.caller, ports=call.ports)
    items = [_described(head, number, head.versions[number]) for number in sorted(head.versions, reverse=True)]
    return VersionList(items=items, consistency_token=str(head.token))


@router.post(
    "/secrets/{secretId}/versions/{versionNumber}/disable",
    operation_id="disableVersion",
    dependencies=[Depends(nothing_else)],
)
async def disable(
    call: Calling, target: Annotated[Target, Depends(target_of)], number: Annotated[int, Depends(number_of)]
) -> VersionState:
    """Stop a version from being read, the current one too."""
    return _changed(disable_version, call, target, number)


@router.post(
    "/secrets/{secretId}/versions/{versionNumber}/enable",
    operation_id="enableVersion",
    dependencies=[Depends(nothing_else)],
)
async def enable(
    call: Calling, target: Annotated[Target, Depends(target_of)], number: Annotated[int, Depends(number_of)]
) -> VersionState:
    """Undo a disabling: PENDING if the version was never promoted, else PREVIOUS without an alias."""
    return _changed(enable_version, call, target, number)


@router.post(
    "/secrets/{secretId}/versions/{versionNumber}/destroy",
    operation_id="destroyVersion",
    dependencies=[Depends(nothing_else)],
)
async def destroy(
    call: Calling, target: Annotated[Target, Depends(target_of)], number: Annotated[int, Depends(number_of)]
) -> VersionState:
    """Remove every copy of a version's value; not of the current one."""
    return _changed(destroy_version, call, target, number)


def _changed(change: Callable[..., Head], call: Call, target: Target, number: int) -> VersionState:
    head = change(number, target=target, caller=call.caller, ports=call.ports)
    return VersionState(
        version_number=number,
        status=head.version(number).status,
        updated_at=rfc3339(head.updated_at),
        consistency_token=str(head.token),
    )


def _described(head: Head, number: int, record: VersionRecord) -> VersionDescribed:
    expires = datetime.fromtimestamp(record.expires_at_unix, UTC) if record.expires_at_unix else None
    return VersionDescribed(
        version_number=number,
        status=record.status,
        aliases=sorted(alias for alias, named in head.aliases.items() if named == number),
        sha256_fingerprint=record.fingerprint,
        created_at=rfc3339(record.created_at),
        promoted_at=rfc3339(record.promoted_at) if record.promoted_at else None,
        expires_at=rfc3339(expires) if expires else None,
    )
