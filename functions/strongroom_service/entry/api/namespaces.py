"""Environments as a whole: renew the key, re-wrap what was encrypted under older ones."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.domain.names import Namespace
from strongroom_service.domain.times import rfc3339
from strongroom_service.usecases.renew_namespace_key import renew_namespace_key
from strongroom_service.usecases.rewrap_namespace import RewrapQuery, rewrap_namespace

from . import fields as f
from .answers import NamespaceKeyRenewed, NamespaceRewrapped
from .models import RewrapRequest
from .requests import Call, JsonBody, call_of, nothing_else

router = APIRouter(tags=["namespaces"])

Calling = Annotated[Call, Depends(call_of)]


@router.post(
    "/namespaces/{environment}/key/renew", operation_id="renewNamespaceKey", dependencies=[Depends(nothing_else)]
)
async def renew(call: Calling, environment: Annotated[f.Environment, Path()]) -> NamespaceKeyRenewed:
    """Encrypt new versions under a fresh key; what is stored stays readable."""
    renewed = renew_namespace_key(Namespace(call.caller.tenant, environment), caller=call.caller, ports=call.ports)
    return NamespaceKeyRenewed(
        environment=environment,
        namespace_key_id=renewed.namespace_key_id,
        created_at=rfc3339(renewed.created_at),
    )


@router.post("/namespaces/{environment}/key/rewrap", operation_id="rewrapNamespace")
async def rewrap(
    call: Calling,
    environment: Annotated[f.Environment, Path()],
    body: Annotated[RewrapRequest, Depends(JsonBody(RewrapRequest, optional=True))],
) -> NamespaceRewrapped:
    """Encrypt what is under older keys anew under the active one, page by page; repeatable."""
    query = RewrapQuery(namespace=Namespace(call.caller.tenant, environment), cursor=body.cursor, limit=body.limit)
    progress = rewrap_namespace(query, caller=call.caller, ports=call.ports)
    return NamespaceRewrapped(
        rewrapped=progress.rewrapped,
        examined=progress.examined,
        failed=progress.failed,
        next_cursor=progress.next_cursor,
    )
