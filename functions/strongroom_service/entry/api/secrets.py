"""Secrets: register, list, read metadata, change, delete, restore, purge."""

from typing import Annotated

from fastapi import APIRouter, Depends

from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.usecases.change_secret import (
    MetadataChange,
    delete_secret,
    purge_secret,
    restore_secret,
    update_secret,
)
from strongroom_service.usecases.changing import Target, read_metadata
from strongroom_service.usecases.list_secrets import Query as Listing
from strongroom_service.usecases.list_secrets import list_secrets
from strongroom_service.usecases.register_secret import Registration, register_secret

from .answers import SecretList, SecretMetadata, SecretRegistered, SecretSummary
from .models import DeleteSecretQuery, ListSecretsQuery, RegisterSecretRequest, UpdateSecretRequest
from .requests import Call, JsonBody, Query, call_of, nothing_else, target_of

router = APIRouter(tags=["secrets"])

Calling = Annotated[Call, Depends(call_of)]


@router.post("/secrets", status_code=201, operation_id="registerSecret")
async def register(
    call: Calling, body: Annotated[RegisterSecretRequest, Depends(JsonBody(RegisterSecretRequest))]
) -> SecretRegistered:
    """Register a secret: a named slot without a value yet."""
    registration = Registration(
        name=SecretName.parse(tenant=call.caller.tenant, environment=body.environment, path=body.path),
        owner_team=body.owner_team,
        rotation_strategy=body.rotation_strategy,
        description=body.description,
        tags=body.tags,
        client_token=body.client_token,
    )
    return SecretRegistered.of(register_secret(registration, caller=call.caller, ports=call.ports))


@router.get("/secrets", operation_id="listSecrets")
async def list_page(call: Calling, query: Annotated[ListSecretsQuery, Depends(Query(ListSecretsQuery))]) -> SecretList:
    """List the metadata of an environment's secrets, page by page, by path."""
    listed = list_secrets(
        Listing(
            namespace=Namespace(call.caller.tenant, query.environment),
            prefix=query.prefix,
            tag=query.tag,
            include_deleted=query.include_deleted == "true",
            rotation_due=query.rotation_due == "true",
            cursor=query.cursor,
            limit=int(query.limit),
        ),
        caller=call.caller,
        ports=call.ports,
    )
    return SecretList(items=[SecretSummary.of(head) for head in listed.heads], next_cursor=listed.next_cursor)


@router.get("/secrets/{secretId}", operation_id="getSecret", dependencies=[Depends(nothing_else)])
async def describe(call: Calling, target: Annotated[Target, Depends(target_of)]) -> SecretMetadata:
    """Read a secret's metadata."""
    head = read_metadata(target, action=AuditAction.READ_METADATA, caller=call.caller, ports=call.ports)
    return SecretMetadata.of(head)


@router.patch("/secrets/{secretId}", operation_id="updateSecret")
async def update(
    call: Calling,
    target: Annotated[Target, Depends(target_of)],
    body: Annotated[UpdateSecretRequest, Depends(JsonBody(UpdateSecretRequest))],
) -> SecretMetadata:
    """Change a secret's metadata; what is left out stays."""
    change = MetadataChange(
        owner_team=body.owner_team,
        rotation_strategy=body.rotation_strategy,
        description=body.description,
        tags=body.tags,
    )
    head = update_secret(change, target=target, caller=call.caller, ports=call.ports)
    return SecretMetadata.of(head)


@router.delete("/secrets/{secretId}", operation_id="deleteSecret")
async def delete(
    call: Calling,
    target: Annotated[Target, Depends(target_of)],
    query: Annotated[DeleteSecretQuery, Depends(Query(DeleteSecretQuery))],
) -> SecretMetadata:
    """Delete a secret; it can be restored for some days."""
    head = delete_secret(int(query.restore_days), target=target, caller=call.caller, ports=call.ports)
    return SecretMetadata.of(head)


@router.post("/secrets/{secretId}/restore", operation_id="restoreSecret", dependencies=[Depends(nothing_else)])
async def restore(call: Calling, target: Annotated[Target, Depends(target_of)]) -> SecretMetadata:
    """Undo a deletion."""
    return SecretMetadata.of(restore_secret(target=target, caller=call.caller, ports=call.ports))


@router.post("/secrets/{secretId}/purge", operation_id="purgeSecret", dependencies=[Depends(nothing_else)])
async def purge(call: Calling, target: Annotated[Target, Depends(target_of)]) -> SecretMetadata:
    """Destroy every value of a secret now; a tombstone stays."""
    return SecretMetadata.of(purge_secret(target=target, caller=call.caller, ports=call.ports))
