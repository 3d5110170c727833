"""What the routes depend on that concern the whole deployment: their callers speak for no tenant."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from strongroom_service.domain.access import Caller
from strongroom_service.entry.identity import caller_without_tenant, signer_of
from strongroom_service.usecases.admission import refuse_stranger

from .events import original_event
from .requests import BodyT, Call, JsonBody, Query, QueryT, ports_of, refuse_anything_else


async def speaking_for_none(request: Request) -> Caller:
    """The caller, of no tenant in particular; raises `AccessDenied` for strangers, which is recorded.

    Whether the caller is an operator is for the use case to decide.
    """
    ports, event = ports_of(request), original_event(request.scope)
    principal = signer_of(event)
    caller = caller_without_tenant(event, principal)
    registry = ports.registry.in_force()
    if not registry.is_operator(principal) and not registry.tenants_of(principal):
        refuse_stranger(caller, ports)
    return caller


Speaking = Annotated[Caller, Depends(speaking_for_none)]


async def deployment_call_of(request: Request, caller: Speaking) -> Call:
    """The call."""
    return Call(caller, ports_of(request))


class DeploymentBody(JsonBody[BodyT]):
    """A JSON body."""

    async def __call__(self, request: Request, caller: Speaking) -> AsyncIterator[BodyT]:
        """Read, check, hand over, wipe."""
        del caller
        body = self.read(request)
        try:
            yield body
        finally:
            body.wipe()


class DeploymentQuery(Query[QueryT]):
    """The query's parameters; there is no body."""

    async def __call__(self, request: Request, caller: Speaking) -> QueryT:
        """Read and check."""
        del caller
        return self.read(request)


async def nothing_else_for_none(request: Request, caller: Speaking) -> None:
    """Neither a query nor a body."""
    del caller
    refuse_anything_else(request)
