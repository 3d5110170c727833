"""Break-glass: ask for a grant, see it, approve, refuse and revoke it."""

from typing import Annotated

from fastapi import APIRouter, Depends

from strongroom_service.domain.grants import GrantScope
from strongroom_service.usecases.break_glass import (
    Ask,
    approve_grant,
    refuse_grant,
    request_grant,
    revoke_grant,
)
from strongroom_service.usecases.see_grants import list_grants, read_grant

from .grant_answers import GrantDescribed, GrantList
from .models import BreakGlassRequest, ListGrantsQuery
from .requests import Call, JsonBody, Query, call_of, grant_of, nothing_else

router = APIRouter(tags=["break-glass"])

Calling = Annotated[Call, Depends(call_of)]


@router.post("/break-glass", status_code=201, operation_id="requestGrant")
async def request(
    call: Calling, body: Annotated[BreakGlassRequest, Depends(JsonBody(BreakGlassRequest))]
) -> GrantDescribed:
    """Ask for a grant to read what one has no role for; it is in force once others have approved it."""
    ask = Ask(
        scope=GrantScope.parse(environment=body.environment, path=body.path, prefix=body.prefix),
        reason=body.reason,
        ticket=body.ticket,
        minutes=body.minutes,
        client_token=body.client_token,
    )
    return GrantDescribed.of(request_grant(ask, caller=call.caller, ports=call.ports))


@router.get("/break-glass", operation_id="listGrants")
async def list_page(call: Calling, query: Annotated[ListGrantsQuery, Depends(Query(ListGrantsQuery))]) -> GrantList:
    """List one's own requests and those that one may approve, the latest first."""
    page = list_grants(after=query.cursor, limit=int(query.limit), caller=call.caller, ports=call.ports)
    return GrantList(items=[GrantDescribed.of(it) for it in page.requests], next_cursor=page.last)


@router.get("/break-glass/{grantId}", operation_id="getGrant", dependencies=[Depends(nothing_else)])
async def describe(call: Calling, grant_id: Annotated[str, Depends(grant_of)]) -> GrantDescribed:
    """Read one request: one's own, or one that one may approve."""
    return GrantDescribed.of(read_grant(grant_id, caller=call.caller, ports=call.ports))


@router.post("/break-glass/{grantId}/approve", operation_id="approveGrant", dependencies=[Depends(nothing_else)])
async def approve(call: Calling, grant_id: Annotated[str, Depends(grant_of)]) -> GrantDescribed:
    """Approve somebody else's request; each principal counts once, and the last one that is needed starts the grant."""
    return GrantDescribed.of(approve_grant(grant_id, caller=call.caller, ports=call.ports))


@router.post("/break-glass/{grantId}/refuse", operation_id="refuseGrant", dependencies=[Depends(nothing_else)])
async def refuse(call: Calling, grant_id: Annotated[str, Depends(grant_of)]) -> GrantDescribed:
    """Refuse a request; nobody can approve it any more."""
    return GrantDescribed.of(refuse_grant(grant_id, caller=call.caller, ports=call.ports))


@router.post("/break-glass/{grantId}/revoke", operation_id="revokeGrant", dependencies=[Depends(nothing_else)])
async def revoke(call: Calling, grant_id: Annotated[str, Depends(grant_of)]) -> GrantDescribed:
    """End a grant at once, or take a request back: an approver, or the one who asked."""
    return GrantDescribed.of(revoke_grant(grant_id, caller=call.caller, ports=call.ports))
