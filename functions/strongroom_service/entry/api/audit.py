"""The audit of this region: ask it, prove a receipt, and report reads that a client's memory served."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from strongroom_service.domain.audit_record import is_event_id
from strongroom_service.domain.errors import DomainError, InvalidRequest, Violation
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.times import from_rfc3339
from strongroom_service.usecases.ask_audit import Question, ask_audit, read_receipt
from strongroom_service.usecases.report_cached_reads import CachedReads, report_cached_reads

from . import fields as f
from .audit_models import (
    AskAuditQuery,
    AuditReceipt,
    AuditRecord,
    AuditRecords,
    CachedReadRecorded,
    CachedReadsRecorded,
    CachedReadsRequest,
)
from .requests import Call, JsonBody, Query, call_of, nothing_else

router = APIRouter(tags=["audit"])

Calling = Annotated[Call, Depends(call_of)]
EventId = Annotated[
    str,
    f.TextRule(
        is_event_id,
        "must be an event's id, a UUID of version 7",
        {"format": "uuid", "examples": ["01a20c83-2e9d-7f5b-a238-4a6bf8e1636a"]},
    ),
]


@router.get("/audit", operation_id="askAudit")
async def ask(call: Calling, query: Annotated[AskAuditQuery, Depends(Query(AskAuditQuery))]) -> AuditRecords:
    """Look for records by secret, actor, request or time, newest first; asking is recorded as well."""
    answered = ask_audit(
        Question(
            secret_id=query.secret_id,
            actor=query.actor,
            request_id=query.request_id,
            since=_time(query.since, "from"),
            until=_time(query.until, "to"),
            cursor=query.cursor,
            limit=int(query.limit),
        ),
        caller=call.caller,
        ports=call.ports,
    )
    return AuditRecords(
        region=call.ports.region,
        items=[AuditRecord.of(proof) for proof in answered.records],
        next_cursor=answered.next_cursor,
    )


@router.get("/audit/receipts/{eventId}", operation_id="proveReceipt", dependencies=[Depends(nothing_else)])
async def prove(call: Calling, event_id: Annotated[EventId, Path(alias="eventId")]) -> AuditReceipt:
    """The record of a receipt, by the event id that the receipt begins with."""
    proof = read_receipt(event_id, caller=call.caller, ports=call.ports)
    return AuditReceipt(
        record=proof.record, receipt=str(proof.receipt), proven=proof.is_proven, region=call.ports.region
    )


@router.post("/audit/cached-reads", operation_id="reportCachedReads")
async def report(
    call: Calling, body: Annotated[CachedReadsRequest, Depends(JsonBody(CachedReadsRequest))]
) -> CachedReadsRecorded:
    """Record reads that the caller's own memory served: its statement, taken for secrets that it may read."""
    items = [
        CachedReads(
            name=SecretName.parse_secret_path(
                tenant=call.caller.tenant, secret_path=item.secret_path, field=f"items[{index}].secretPath"
            ),
            number=item.version_number,
            count=item.count,
            since=_moment(item.since, f"items[{index}].from"),
            until=_moment(item.until, f"items[{index}].to"),
        )
        for index, item in enumerate(body.items)
    ]
    results = report_cached_reads(items, caller=call.caller, ports=call.ports)
    return CachedReadsRecorded(
        items=[
            CachedReadRecorded(
                secret_path=item.name.secret_path,
                receipt=None if isinstance(result, DomainError) else str(result),
                code=result.code if isinstance(result, DomainError) else None,
            )
            for item, result in zip(items, results, strict=True)
        ]
    )


def _time(text: str | None, field: str) -> datetime | None:
    return None if text is None else _moment(text, field)


def _moment(text: str, field: str) -> datetime:
    """A time whose form was checked; there is no 30th of February all the same. Raises `InvalidRequest`."""
    try:
        return from_rfc3339(text)
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest([Violation(field, "must be a time that exists")])
