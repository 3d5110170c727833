"""Questions about policies: who may what, what would change, and why not. Answered in every region."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.usecases.explain_denial import explain
from strongroom_service.usecases.replay_access import replay
from strongroom_service.usecases.simulate_access import simulate

from .access_answers import AccessReplayed, AccessSimulated, RequestExplained
from .access_fields import RequestId
from .access_models import ReplayRequest, SimulateRequest
from .requests import Call, JsonBody, call_of, nothing_else

router = APIRouter(tags=["policies"])

Calling = Annotated[Call, Depends(call_of)]


@router.post("/policies/simulate", operation_id="simulateAccess")
async def simulate_access(
    call: Calling, body: Annotated[SimulateRequest, Depends(JsonBody(SimulateRequest))]
) -> AccessSimulated:
    """Ask who may do something, under the policies in force or with a proposed change of them."""
    return AccessSimulated.of(simulate(body.question(), caller=call.caller, ports=call.ports))


@router.post("/policies/replay", operation_id="replayAccess")
async def replay_access(
    call: Calling, body: Annotated[ReplayRequest, Depends(JsonBody(ReplayRequest))]
) -> AccessReplayed:
    """Ask what a proposed change would have decided differently in the last days, page by page."""
    return AccessReplayed.of(replay(body.query(), caller=call.caller, ports=call.ports))


@router.get("/policies/explain/{requestId}", operation_id="explainDenial", dependencies=[Depends(nothing_else)])
async def explain_denial(call: Calling, request_id: Annotated[RequestId, Path(alias="requestId")]) -> RequestExplained:
    """Explain why a request was denied, to who may explain what it asked for."""
    return RequestExplained.of(explain(request_id, caller=call.caller, ports=call.ports))
