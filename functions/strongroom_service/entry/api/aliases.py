"""Aliases of a secret: promote to `current`, stage as `next`, clear `next`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.domain.names import Alias
from strongroom_service.domain.times import rfc3339
from strongroom_service.usecases.changing import Target
from strongroom_service.usecases.promote import AliasMove, clear_next, move_alias

from . import fields as f
from .answers import AliasMoved
from .models import MoveAliasRequest
from .requests import Call, JsonBody, call_of, nothing_else, target_of

router = APIRouter(tags=["aliases"])

Calling = Annotated[Call, Depends(call_of)]


@router.post("/secrets/{secretId}/aliases/{alias}", operation_id="moveAlias")
async def move(
    call: Calling,
    target: Annotated[Target, Depends(target_of)],
    alias: Annotated[f.MovableAlias, Path()],
    body: Annotated[MoveAliasRequest, Depends(JsonBody(MoveAliasRequest))],
) -> AliasMoved:
    """Point `current` or `next` at a version, if it names the expected one now; of racing calls exactly one wins."""
    move = AliasMove(
        alias=Alias(alias),
        number=body.version_number,
        expected=body.expected_previous_version,
        client_token=body.client_token,
    )
    head = move_alias(move, target=target, caller=call.caller, ports=call.ports)
    return AliasMoved(
        alias=move.alias,
        version_number=move.number,
        updated_at=rfc3339(head.updated_at),
        consistency_token=str(head.token),
    )


@router.delete("/secrets/{secretId}/aliases/next", operation_id="clearNext", dependencies=[Depends(nothing_else)])
async def clear(call: Calling, target: Annotated[Target, Depends(target_of)]) -> AliasMoved:
    """Remove the alias `next`; harmless when there is none."""
    head = clear_next(target=target, caller=call.caller, ports=call.ports)
    return AliasMoved(
        alias=Alias.NEXT,
        version_number=None,
        updated_at=rfc3339(head.updated_at),
        consistency_token=str(head.token),
    )
