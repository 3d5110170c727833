"""What a verification found, named exactly: object, line, event, chain, sequence, digest. Never a record's content."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from .digests import Place
from .receipts import Receipt

KEPT: Final = 1000
"""Findings and notes that are told one by one, each; beyond that they are counted by kind."""


class Kind(StrEnum):
    """What is wrong, by stable names; `docs/verification.md` says of each what to do."""

    DIGEST_MISSING = "digest_missing"
    DIGEST_CHANGED = "digest_changed"
    DIGEST_SIGNATURE = "digest_signature"
    DIGEST_FOREIGN = "digest_foreign"
    DIGEST_UNCHAINED = "digest_unchained"
    DIGEST_OVERWRITTEN = "digest_overwritten"
    DIGEST_DELETED = "digest_deleted"
    DIGEST_ROLLED_BACK = "digest_rolled_back"
    DIGEST_LATE = "digest_late"
    OBJECT_MISSING = "object_missing"
    OBJECT_CHANGED = "object_changed"
    OBJECT_OVERWRITTEN = "object_overwritten"
    OBJECT_DELETED = "object_deleted"
    OBJECT_INSERTED = "object_inserted"
    RECORD_MISSING = "record_missing"
    RECORD_CHANGED = "record_changed"
    RECORD_CONFLICT = "record_conflict"
    RECORD_INSERTED = "record_inserted"
    RECORD_DAMAGED = "record_damaged"
    CHAIN_BROKEN = "chain_broken"
    RECEIPT_UNKNOWN = "receipt_unknown"
    RECEIPT_MISMATCH = "receipt_mismatch"

    # Notes: nothing is wrong.
    FOREIGN_LINE = "foreign_line"
    RECORD_AWAITED = "record_awaited"
    RECORD_UNACKNOWLEDGED = "record_unacknowledged"


NOTES: Final = frozenset({Kind.FOREIGN_LINE, Kind.RECORD_AWAITED, Kind.RECORD_UNACKNOWLEDGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding or note. What does not apply is None."""

    kind: Kind
    message: str
    key: str | None = None
    version_id: str | None = None
    line: int | None = None
    event_id: str | None = None
    chain_id: str | None = None
    sequence: int | None = None
    last_sequence: int | None = None
    """The end of a run of sequences that begins with `sequence`."""
    digest: int | None = None
    receipt: str | None = None

    def as_json(self) -> dict[str, Any]:
        """By the names of the machine-readable report, without what does not apply."""
        named = {
            "kind": str(self.kind),
            "message": self.message,
            "key": self.key,
            "versionId": self.version_id,
            "line": self.line,
            "eventId": self.event_id,
            "chainId": self.chain_id,
            "sequence": self.sequence,
            "lastSequence": self.last_sequence,
            "digest": self.digest,
            "receipt": self.receipt,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenReceipt:
    """A receipt whose record is in the archive, as it says."""

    receipt: Receipt
    key: str
    line: int
    digest: int | None
    """The digest that seals it; None while none does."""

    def as_json(self) -> dict[str, Any]:
        """By the names of the machine-readable report."""
        return {"receipt": str(self.receipt), "key": self.key, "line": self.line, "digest": self.digest}


@dataclass(slots=True)
class Report:
    """The result of a verification."""

    place: Place | None = None
    """Whose archive it is, by its digests."""
    key: str = ""
    """Where the public key was taken from."""
    digests: int = 0
    last_digest: int | None = None
    last_digest_sha256: str | None = None
    sealed_at: datetime | None = None
    objects: int = 0
    """Objects that were read."""
    records: int = 0
    repeated: int = 0
    """Lines that repeat a record byte by byte: deliveries may."""
    chains: int = 0
    unsealed_objects: int = 0
    unsealed_records: int = 0
    oldest_unsealed: str | None = None
    receipts: list[ProvenReceipt] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """The first of them; `counts` has all."""
    notes: list[Finding] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not any(count for kind, count in self.counts.items() if kind not in NOTES)

    def add(self, finding: Finding) -> None:
        """Take a finding or note."""
        self.counts[finding.kind] += 1
        told = self.notes if finding.kind in NOTES else self.findings
        if len(told) < KEPT:
            told.append(finding)

    def as_json(self) -> Mapping[str, Any]:
        """The machine-readable report; names stay, new ones may come."""
        place = self.place
        return {
            "formatVersion": 1,
            "sound": self.is_sound,
            "archive": place
            and {"stage": place.stage, "account": place.account, "region": place.region, "bucket": place.bucket},
            "publicKey": self.key,
            "digests": {
                "count": self.digests,
                "last": self.last_digest,
                "lastSha256": self.last_digest_sha256,
                "sealedAt": self.sealed_at and self.sealed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            },
            "objects": self.objects,
            "records": self.records,
            "repeated": self.repeated,
            "chains": self.chains,
            "unsealed": {
                "objects": self.unsealed_objects,
                "records": self.unsealed_records,
                "oldest": self.oldest_unsealed,
            },
            "receipts": [receipt.as_json() for receipt in self.receipts],
            "counts": {str(kind): count for kind, count in sorted(self.counts.items())},
            "findings": [finding.as_json() for finding in self.findings],
            "notes": [note.as_json() for note in self.notes],
        }
