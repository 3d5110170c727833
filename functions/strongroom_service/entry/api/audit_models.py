"""Requests and answers about the audit."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from strongroom_service.domain import limits
from strongroom_service.usecases.ask_audit import Proof

from . import fields as f
from .answers import Answer, SecretPath
from .models import Body, Strict

Actor = Annotated[
    str,
    f.matches(
        rf"^[\x21-\x7e]{{1,{limits.MAX_PRINCIPAL_LENGTH}}}$",
        f"must be 1 to {limits.MAX_PRINCIPAL_LENGTH} printable ASCII characters without spaces",
        examples=["iam:arn:aws:iam::111122223333:role/app"],
    ),
]
RequestId = Annotated[
    str,
    f.matches(
        rf"^[A-Za-z0-9._=-]{{1,{limits.MAX_REQUEST_ID_LENGTH}}}$",
        f"must be 1 to {limits.MAX_REQUEST_ID_LENGTH} of A-Z, a-z, 0-9, '.', '_', '=' and '-'",
        examples=["01234567-89ab-4cde-8f01-23456789abcd"],
    ),
]


class AskAuditQuery(Strict):
    """Which records to look for."""

    secret_id: Annotated[f.SecretId | None, Field(description="Records about this secret.")] = None
    actor: Annotated[Actor | None, Field(description="Records of this principal, by its id.")] = None
    request_id: Annotated[RequestId | None, Field(description="Records of one request, by its `x-request-id`.")] = None
    since: Annotated[
        f.Timestamp | None,
        Field(alias="from", description="From then on. Without the three above at most a day before `to`."),
    ] = None
    until: Annotated[f.Timestamp | None, Field(alias="to", description="Before then; left out: now.")] = None
    cursor: Annotated[f.Cursor | None, Field(description="nextCursor of the page before.")] = None
    limit: Annotated[f.PageSize, Field(description="Records in one page, at most.")] = str(limits.DEFAULT_PAGE_SIZE)


class CachedReadItem(Strict):
    """Reads of one version that memory served."""

    secret_path: Annotated[str, Field(max_length=33 + limits.MAX_PATH_LENGTH, examples=["prod/payments/db-password"])]
    version_number: f.VersionNumber
    count: Annotated[int, Field(ge=1, le=limits.MAX_CACHED_READS)]
    since: Annotated[f.Timestamp, Field(alias="from", description="At most a day ago.")]
    until: Annotated[f.Timestamp, Field(alias="to", description="Not in the future.")]


class CachedReadsRequest(Body):
    """What a client's memory served since its last report."""

    items: Annotated[list[CachedReadItem], Field(min_length=1, max_length=limits.MAX_CACHED_READ_ITEMS)]


class AuditRecord(Answer):
    """A record and what can be said of it."""

    record: Annotated[
        Mapping[str, Any],
        Field(description="As it is stored: the fields of docs/audit.md. Later formats may have more."),
    ]
    receipt: Annotated[str, Field(description="`eventId.chainId.sequence.hash`, as the read that it records answered.")]
    proven: Annotated[bool, Field(description="Whether the hash is the one that the record's other fields make.")]

    @classmethod
    def of(cls, proof: Proof) -> "AuditRecord":
        """A record that was found."""
        return cls(record=proof.record, receipt=str(proof.receipt), proven=proof.is_proven)


class AuditRecords(Answer):
    """One page, newest first. A page may be short or empty and still have a next one."""

    region: Annotated[str, Field(description="Whose requests these are: each region indexes its own.")]
    items: Sequence[AuditRecord]
    next_cursor: Annotated[str | None, Field(description="Where to go on; null at the end.")]


class AuditReceipt(AuditRecord):
    """The record of one event."""

    region: str


class CachedReadRecorded(Answer):
    """What became of one item of a report."""

    secret_path: SecretPath
    receipt: Annotated[str | None, Field(description="Of its record; null when it was refused.")]
    code: Annotated[
        str | None, Field(description="Why it was refused, such as `access_denied` or `not_found`; else null.")
    ]


class CachedReadsRecorded(Answer):
    """What became of a report's items, in their order."""

    items: Sequence[CachedReadRecorded]
