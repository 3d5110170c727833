"""PutRecords that stores a part of its records and reports the rest as throttled, with status 200, as Kinesis may."""

import json
import re
from dataclasses import dataclass
from typing import Any

from infra.local.faults.http import Message, respond

_CREDENTIAL = re.compile(rb"Credential=[^/,\s]+/")
_LENGTH = re.compile(rb"\r\ncontent-length:[^\r\n]*", re.IGNORECASE)
_CODE = "ProvisionedThroughputExceededException"


@dataclass(frozen=True, slots=True)
class PartialPut:
    """A PutRecords call split into what is stored and what is reported as failed."""

    request: Message | None
    """What to forward: the stored records under the emulator's administrator key, since the caller's signature covered
    the whole body; None when nothing is stored."""
    failed: frozenset[int]
    total: int


def split(message: Message, *, share: float, admin_key: str) -> PartialPut | None:
    """Split a PutRecords call; None when the request is no such call."""
    try:
        body = json.loads(message.body)
    except ValueError:
        return None
    records = body.get("Records") if isinstance(body, dict) else None
    if not isinstance(records, list) or not records:
        return None
    count = max(1, round(len(records) * share))
    failed = frozenset(range(len(records) - count, len(records)))
    kept = [record for index, record in enumerate(records) if index not in failed]
    request = None
    if kept:
        forwarded = json.dumps({**body, "Records": kept}).encode()
        head = _CREDENTIAL.sub(f"Credential={admin_key}/".encode(), message.head)
        head = _LENGTH.sub(f"\r\ncontent-length: {len(forwarded)}".encode(), head)
        request = Message(head, forwarded)
    return PartialPut(request, failed, len(records))


def merge(put: PartialPut, response: Message | None) -> bytes:
    """The answer to the whole call, from the answer to its stored part."""
    stored: list[Any] = []
    if response is not None:
        stored = list(json.loads(response.body).get("Records", []))
    entries = [
        {"ErrorCode": _CODE, "ErrorMessage": "Rate exceeded."} if index in put.failed else stored.pop(0)
        for index in range(put.total)
    ]
    body = json.dumps({"FailedRecordCount": len(put.failed), "Records": entries}).encode()
    return respond(200, "OK", {"content-type": "application/x-amz-json-1.1"}, body)
