"""Policies: who may what, as data. Changed in the writer region only."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import NotFound
from strongroom_service.usecases.change_access import AccessChange, change_access, read_access

from .access_answers import AccessChanged, PolicyInForce, PolicyList
from .access_fields import PolicyId
from .access_models import ChangeQuery, PutPolicyRequest
from .requests import Call, JsonBody, Query, call_of, nothing_else

router = APIRouter(tags=["policies"])

Calling = Annotated[Call, Depends(call_of)]


@router.get("/policies", operation_id="listPolicies", dependencies=[Depends(nothing_else)])
async def list_all(call: Calling) -> PolicyList:
    """List every policy of the tenant, with the revision in force."""
    return PolicyList.of(read_access(caller=call.caller, ports=call.ports))


@router.get("/policies/{policyId}", operation_id="getPolicy", dependencies=[Depends(nothing_else)])
async def describe(call: Calling, policy_id: Annotated[PolicyId, Path(alias="policyId")]) -> PolicyInForce:
    """Read one policy."""
    access_set = read_access(caller=call.caller, ports=call.ports)
    if policy_id not in access_set.policies:
        raise NotFound("There is no such policy.")
    return PolicyInForce.of(policy_id, access_set)


@router.put("/policies/{policyId}", operation_id="putPolicy")
async def put(
    call: Calling,
    policy_id: Annotated[PolicyId, Path(alias="policyId")],
    body: Annotated[PutPolicyRequest, Depends(JsonBody(PutPolicyRequest))],
) -> PolicyInForce:
    """Add a policy, or replace it; it decides the next request."""
    entry = body.entry()
    change = AccessChange(
        action=AuditAction.PUT_POLICY,
        subject=f"policies/{policy_id}",
        apply=partial(AccessSet.with_policy, policy_id=policy_id, entry=entry),
        entry=entry,
        expected_revision=body.expected_revision,
    )
    return PolicyInForce.of(policy_id, change_access(change, caller=call.caller, ports=call.ports))


@router.delete("/policies/{policyId}", operation_id="deletePolicy")
async def delete(
    call: Calling,
    policy_id: Annotated[PolicyId, Path(alias="policyId")],
    query: Annotated[ChangeQuery, Depends(Query(ChangeQuery))],
) -> AccessChanged:
    """Remove a policy."""
    change = AccessChange(
        action=AuditAction.DELETE_POLICY,
        subject=f"policies/{policy_id}",
        apply=partial(AccessSet.without_policy, policy_id=policy_id),
        expected_revision=query.revision,
    )
    return AccessChanged(revision=change_access(change, caller=call.caller, ports=call.ports).revision)
