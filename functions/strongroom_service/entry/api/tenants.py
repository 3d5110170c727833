"""Tenants of the deployment, and their accounts. For operators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.domain.audit import AuditAction
from strongroom_service.usecases.change_registry import (
    RegistryChange,
    TenantPut,
    change_registry,
    put_tenant,
    read_registry,
)

from . import identity_models as m
from .deployment_requests import DeploymentBody, DeploymentQuery, deployment_call_of, nothing_else_for_none
from .requests import Call

router = APIRouter(tags=["identity"])

Calling = Annotated[Call, Depends(deployment_call_of)]


@router.get("/tenants", operation_id="listTenants", dependencies=[Depends(nothing_else_for_none)])
async def list_all(call: Calling) -> m.TenantList:
    """List the tenants and their accounts."""
    return m.TenantList.of(read_registry("tenants", caller=call.caller, ports=call.ports))


@router.put("/tenants/{tenant}", operation_id="putTenant")
async def put(
    call: Calling,
    tenant: Annotated[m.Tenant, Path()],
    body: Annotated[m.PutTenantRequest, Depends(DeploymentBody(m.PutTenantRequest))],
) -> m.TenantStored:
    """Add a tenant, or replace its accounts. Callers of an account that is taken away lose the tenant at once."""
    wanted = TenantPut(
        tenant=tenant,
        accounts=body.accounts,
        administrators=body.administrators,
        expected_revision=body.expected_revision,
    )
    registry = put_tenant(wanted, caller=call.caller, ports=call.ports)
    return m.TenantStored(tenant=tenant, accounts=sorted(registry.tenants[tenant]), revision=registry.revision)


@router.delete("/tenants/{tenant}", operation_id="deleteTenant")
async def delete(
    call: Calling,
    tenant: Annotated[m.Tenant, Path()],
    query: Annotated[m.RevisionQuery, Depends(DeploymentQuery(m.RevisionQuery))],
) -> m.RegistryRevision:
    """Remove a tenant that has neither accounts nor issuers. What it has stored stays, out of everybody's reach."""
    change = RegistryChange(
        action=AuditAction.DELETE_TENANT,
        subject=f"tenants/{tenant}",
        apply=lambda registry: registry.without_tenant(tenant),
        expected_revision=query.number(),
    )
    return m.RegistryRevision(revision=change_registry(change, caller=call.caller, ports=call.ports).revision)
