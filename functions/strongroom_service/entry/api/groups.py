"""Groups of principals, which policies name. Changed in the writer region only."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import NotFound
from strongroom_service.usecases.change_access import AccessChange, change_access, read_access

from .access_answers import AccessChanged, GroupInForce, GroupList
from .access_fields import GroupName
from .access_models import ChangeQuery, PutGroupRequest
from .requests import Call, JsonBody, Query, call_of, nothing_else

router = APIRouter(tags=["policies"])

Calling = Annotated[Call, Depends(call_of)]
Named = Annotated[GroupName, Path()]


@router.get("/groups", operation_id="listGroups", dependencies=[Depends(nothing_else)])
async def list_all(call: Calling) -> GroupList:
    """List every group of the tenant with its members."""
    return GroupList.of(read_access(caller=call.caller, ports=call.ports))


@router.get("/groups/{group}", operation_id="getGroup", dependencies=[Depends(nothing_else)])
async def describe(call: Calling, group: Named) -> GroupInForce:
    """Read one group."""
    access_set = read_access(caller=call.caller, ports=call.ports)
    if group not in access_set.groups:
        raise NotFound("There is no such group.")
    return GroupInForce.of(group, access_set)


@router.put("/groups/{group}", operation_id="putGroup")
async def put(
    call: Calling, group: Named, body: Annotated[PutGroupRequest, Depends(JsonBody(PutGroupRequest))]
) -> GroupInForce:
    """Add a group, or replace its members."""
    change = AccessChange(
        action=AuditAction.PUT_GROUP,
        subject=f"groups/{group}",
        apply=partial(AccessSet.with_group, group=group, members=body.members),
        expected_revision=body.expected_revision,
    )
    return GroupInForce.of(group, change_access(change, caller=call.caller, ports=call.ports))


@router.delete("/groups/{group}", operation_id="deleteGroup")
async def delete(
    call: Calling, group: Named, query: Annotated[ChangeQuery, Depends(Query(ChangeQuery))]
) -> AccessChanged:
    """Remove a group that no role is bound to."""
    change = AccessChange(
        action=AuditAction.DELETE_GROUP,
        subject=f"groups/{group}",
        apply=partial(AccessSet.without_group, group=group),
        expected_revision=query.revision,
    )
    return AccessChanged(revision=change_access(change, caller=call.caller, ports=call.ports).revision)
