"""Issuers whose tokens the deployment believes. For operators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.domain.audit import AuditAction
from strongroom_service.usecases.change_registry import RegistryChange, change_registry, read_registry

from . import identity_models as m
from .deployment_requests import DeploymentBody, DeploymentQuery, deployment_call_of, nothing_else_for_none
from .requests import Call

router = APIRouter(tags=["identity"])

Calling = Annotated[Call, Depends(deployment_call_of)]


@router.get("/identity/issuers", operation_id="listIssuers", dependencies=[Depends(nothing_else_for_none)])
async def list_all(call: Calling) -> m.IssuerList:
    """List the issuers."""
    return m.IssuerList.of(read_registry("identity/issuers", caller=call.caller, ports=call.ports))


@router.put("/identity/issuers/{issuerId}", operation_id="putIssuer")
async def put(
    call: Calling,
    issuer_id: Annotated[m.IssuerId, Path(alias="issuerId")],
    body: Annotated[m.PutIssuerRequest, Depends(DeploymentBody(m.PutIssuerRequest))],
) -> m.IssuerStored:
    """Add an issuer, or replace it. The next token is judged by it."""
    issuer = body.to_issuer()
    change = RegistryChange(
        action=AuditAction.PUT_ISSUER,
        subject=f"identity/issuers/{issuer_id}",
        apply=lambda registry: registry.with_issuer(issuer_id, issuer),
        keys=issuer.keys,
        expected_revision=body.expected_revision,
    )
    return m.IssuerStored.of(issuer_id, change_registry(change, caller=call.caller, ports=call.ports))


@router.delete("/identity/issuers/{issuerId}", operation_id="deleteIssuer")
async def delete(
    call: Calling,
    issuer_id: Annotated[m.IssuerId, Path(alias="issuerId")],
    query: Annotated[m.RevisionQuery, Depends(DeploymentQuery(m.RevisionQuery))],
) -> m.RegistryRevision:
    """Remove an issuer. Its tokens are refused from now on, those that have not ended too."""
    change = RegistryChange(
        action=AuditAction.DELETE_ISSUER,
        subject=f"identity/issuers/{issuer_id}",
        apply=lambda registry: registry.without_issuer(issuer_id),
        expected_revision=query.number(),
    )
    return m.RegistryRevision(revision=change_registry(change, caller=call.caller, ports=call.ports).revision)
