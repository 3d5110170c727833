"""The one-call put by path: register if missing, propose, promote."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from strongroom_service.domain.names import SecretName
from strongroom_service.domain.times import rfc3339
from strongroom_service.usecases.put_value import Expectation, Put, put_value

from . import fields as f
from .answers import ValueStored
from .models import PutValueRequest
from .proposals import proposal_of
from .requests import Call, JsonBody, call_of

router = APIRouter(tags=["values"])


@router.put("/values/{environment}/{path:path}", operation_id="putValue")
async def put(
    call: Annotated[Call, Depends(call_of)],
    environment: Annotated[f.Environment, Path()],
    path: Annotated[f.Path, Path()],
    body: Annotated[PutValueRequest, Depends(JsonBody(PutValueRequest))],
    response: Response,
) -> ValueStored:
    """Store a value and make it current; 201 when the secret was registered for it."""
    expected = "expected_current" in body.model_fields_set
    stored = put_value(
        Put(
            name=SecretName.parse(tenant=call.caller.tenant, environment=environment, path=path),
            proposal=proposal_of(body, now=call.ports.clock.now()),
            expectation=Expectation(body.expected_current) if expected else None,
            owner_team=body.owner_team,
            rotation_strategy=body.rotation_strategy,
            description=body.description,
            tags=body.tags,
        ),
        caller=call.caller,
        ports=call.ports,
    )
    if stored.created:
        response.status_code = 201
    head = stored.head
    record = head.versions.get(stored.number)
    return ValueStored(
        secret_id=head.secret_id,
        secret_path=head.name.secret_path,
        version_number=stored.number,
        sha256_fingerprint=record.fingerprint if record else None,
        consistency_token=str(head.token),
        updated_at=rfc3339(head.updated_at),
        created=stored.created,
    )
