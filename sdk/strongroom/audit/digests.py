"""The digest as it is stored: JSON with sorted keys, signed by the deployment's key, chained to the one before.

`signature` is base64 of an ECDSA signature (P-256, SHA-256, DER) over the canonical object without `signature`. The
object is stored with a newline at its end. `docs/verification.md` describes every field.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .records import canonical

PREFIX: Final = "digests/"
RECORDS: Final = "records/"
TYPE: Final = "strongroom/audit-digest"
FORMAT_VERSION: Final = 1
ALGORITHM: Final = "ECDSA_SHA_256"
_KEY: Final = re.compile(r"digests/(\d{12})\.json")


class NoDigest(Exception):
    """Some bytes are no digest."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which archive a digest is of."""

    stage: str
    account: str
    region: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Link:
    """The digest before."""

    number: int
    version_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SealedObject:
    """One version of an object, and the hash of its content."""

    key: str
    version_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Span:
    """How far a chain reaches in a digest's objects."""

    chain_id: str
    first: int
    last: int
    last_hash: str


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What the sealing noticed."""

    kind: str
    key: str
    version_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a digest states, as far as a verification needs it, and what its signature is over."""

    place: Place
    number: int
    previous: Link | None
    sealed_at: datetime
    watched_from: str
    covered_until: datetime | None
    objects: Sequence[SealedObject]
    spans: Sequence[Span]
    anomalies: Sequence[Anomaly]
    message: bytes
    signature: bytes


def digest_key(number: int) -> str:
    """Where the digest of a number lies."""
    return f"{PREFIX}{number:012}.json"


def number_of(key: str) -> int | None:
    """The number of the digest under a key; None for any other key."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found else None


def parse_digest(stored: bytes) -> Digest:
    """Read a digest; raises `NoDigest` for what is not in the format, byte by byte."""
    try:
        fields = json.loads(stored)
        if canonical(fields) + b"\n" != stored:
            raise NoDigest
        if (fields["type"], fields["formatVersion"], fields["algorithm"]) != (TYPE, FORMAT_VERSION, ALGORITHM):
            raise NoDigest
        signature = base64.b64decode(fields.pop("signature"), validate=True)
        return _digest(fields, signature)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise NoDigest from None


def _digest(fields: Mapping[str, Any], signature: bytes) -> Digest:
    previous, until = fields["previous"], fields["coveredUntil"]
    return Digest(
        place=Place(_text(fields["stage"]), _text(fields["account"]), _text(fields["region"]), _text(fields["bucket"])),
        number=_number(fields["number"]),
        previous=None
        if previous is None
        else Link(_number(previous["number"]), _text(previous["versionId"]), _text(previous["sha256"])),
        sealed_at=_time(fields["sealedAt"]),
        watched_from=_text(fields["watchedFrom"]),
        covered_until=None if until is None else _time(until),
        objects=[
            SealedObject(_text(it["key"]), _text(it["versionId"]), _text(it["sha256"])) for it in fields["objects"]
        ],
        spans=[
            Span(_text(it["chainId"]), _number(it["first"]), _number(it["last"]), _text(it["lastHash"]))
            for it in fields["chains"]
        ],
        anomalies=[Anomaly(_text(it["kind"]), _text(it["key"]), _text(it["versionId"])) for it in fields["anomalies"]],
        message=canonical(fields),
        signature=signature,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise TypeError("not a number")
    return value


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(_text(value))
    if time.tzinfo is None:
        raise ValueError("a time without an offset")
    return time.astimezone(UTC)
