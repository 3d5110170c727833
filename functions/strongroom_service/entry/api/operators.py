"""Who may change tenants, issuers and operators. For operators."""

from typing import Annotated

from fastapi import APIRouter, Depends

from strongroom_service.domain.audit import AuditAction
from strongroom_service.usecases.change_registry import RegistryChange, change_registry, read_registry

from . import identity_models as m
from .deployment_requests import DeploymentBody, deployment_call_of, nothing_else_for_none
from .requests import Call

router = APIRouter(tags=["identity"])

Calling = Annotated[Call, Depends(deployment_call_of)]


@router.get("/identity/operators", operation_id="getOperators", dependencies=[Depends(nothing_else_for_none)])
async def get(call: Calling) -> m.Operators:
    """List the operators."""
    return m.Operators.of(read_registry("identity/operators", caller=call.caller, ports=call.ports))


@router.put("/identity/operators", operation_id="putOperators")
async def put(
    call: Calling,
    body: Annotated[m.PutOperatorsRequest, Depends(DeploymentBody(m.PutOperatorsRequest))],
) -> m.Operators:
    """Replace the operators. Who makes the call stays one; another operator can remove it."""
    operator = call.caller.principal.id
    change = RegistryChange(
        action=AuditAction.PUT_OPERATORS,
        subject="identity/operators",
        apply=lambda registry: registry.with_operators(body.operators, by=operator),
        expected_revision=body.expected_revision,
    )
    return m.Operators.of(change_registry(change, caller=call.caller, ports=call.ports))
