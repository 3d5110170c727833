"""Requests for grants as DynamoDB's typed attribute values, and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from strongroom_service.domain.break_glass import Approval, BreakGlass, GrantStatus, SecretRead, Settling
from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.grants import GrantScope
from strongroom_service.domain.times import from_rfc3339, rfc3339

from . import layout as at

Item = Mapping[str, Any]


def encode_request(request: BreakGlass) -> dict[str, Any]:
    """All attributes of a request but its key."""
    texts = {
        at.GRANT_ID: request.id,
        at.TENANT: request.tenant,
        at.REQUESTER: request.requester,
        at.ENVIRONMENT: request.scope.environment,
        at.PATH: request.scope.path,
        at.PREFIX: request.scope.prefix,
        at.REASON: request.reason,
        at.TICKET: request.ticket,
        at.STATUS: request.status.value,
        at.REQUESTED_AT: rfc3339(request.requested_at),
        at.ACTIVE_FROM: _text(request.active_from),
        at.UNTIL: _text(request.until),
        at.CLOSED_AT: _text(request.closed_at),
        at.CLOSED_BY: request.closed_by or None,
    }
    numbers = {
        at.MINUTES: request.minutes,
        at.REQUIRED: request.required,
        at.EPOCH: request.epoch,
        at.REVISION: request.revision,
    }
    item: dict[str, Any] = {name: {"S": text} for name, text in texts.items() if text is not None}
    item |= {name: {"N": str(number)} for name, number in numbers.items()}
    item[at.APPROVALS] = {
        "L": [{"M": {at.PRINCIPAL: {"S": it.principal}, at.TIME: {"S": rfc3339(it.time)}}} for it in request.approvals]
    }
    if request.settling is not None:
        item[at.SETTLING] = {"M": _encode_settling(request.settling)}
    return item


def decode_request(item: Item) -> BreakGlass:
    """Read a request. Raises `IntegrityFailure`."""
    try:
        settling = item.get(at.SETTLING)
        return BreakGlass(
            id=item[at.GRANT_ID]["S"],
            tenant=item[at.TENANT]["S"],
            requester=item[at.REQUESTER]["S"],
            scope=GrantScope(
                environment=item[at.ENVIRONMENT]["S"], path=_string(item, at.PATH), prefix=_string(item, at.PREFIX)
            ),
            reason=item[at.REASON]["S"],
            ticket=item[at.TICKET]["S"],
            minutes=int(item[at.MINUTES]["N"]),
            required=int(item[at.REQUIRED]["N"]),
            requested_at=from_rfc3339(item[at.REQUESTED_AT]["S"]),
            epoch=int(item[at.EPOCH]["N"]),
            revision=int(item[at.REVISION]["N"]),
            status=GrantStatus(item[at.STATUS]["S"]),
            approvals=tuple(
                Approval(entry["M"][at.PRINCIPAL]["S"], from_rfc3339(entry["M"][at.TIME]["S"]))
                for entry in item[at.APPROVALS]["L"]
            ),
            active_from=_time(item, at.ACTIVE_FROM),
            until=_time(item, at.UNTIL),
            closed_at=_time(item, at.CLOSED_AT),
            closed_by=_string(item, at.CLOSED_BY) or "",
            settling=_decode_settling(settling["M"]) if settling else None,
        )
    except (KeyError, TypeError, ValueError):
        raise IntegrityFailure from None


def _encode_settling(settling: Settling) -> dict[str, Any]:
    return {
        at.DUE: {"S": rfc3339(settling.due)},
        at.SCANS: {"N": str(settling.scans)},
        at.READS: {"L": [{"M": _encode_read(read)} for read in settling.reads]},
        at.UNANSWERED: {"L": [{"S": region} for region in settling.unanswered]},
        at.SETTLED: {"BOOL": settling.is_settled},
    }


def _decode_settling(raw: Item) -> Settling:
    return Settling(
        due=from_rfc3339(raw[at.DUE]["S"]),
        scans=int(raw[at.SCANS]["N"]),
        reads=tuple(_decode_read(entry["M"]) for entry in raw[at.READS]["L"]),
        unanswered=tuple(entry["S"] for entry in raw[at.UNANSWERED]["L"]),
        is_settled=raw[at.SETTLED]["BOOL"] is True,
    )


def _encode_read(read: SecretRead) -> dict[str, Any]:
    return {
        at.SECRET_ID: {"S": read.secret_id},
        at.PATH: {"S": read.path},
        at.VERSION: {"N": str(read.version)},
        at.TIME: {"S": rfc3339(read.time)},
    }


def _decode_read(raw: Item) -> SecretRead:
    return SecretRead(
        raw[at.SECRET_ID]["S"], raw[at.PATH]["S"], int(raw[at.VERSION]["N"]), from_rfc3339(raw[at.TIME]["S"])
    )


def _text(time: datetime | None) -> str | None:
    return rfc3339(time) if time else None


def _string(item: Item, name: str) -> str | None:
    return str(item[name]["S"]) if name in item else None


def _time(item: Item, name: str) -> datetime | None:
    return from_rfc3339(item[name]["S"]) if name in item else None
