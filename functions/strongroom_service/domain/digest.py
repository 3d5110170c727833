"""The digest of the audit's archive: the stored format, in one place.

A digest is a JSON object with sorted keys and no spaces, in UTF-8, ended by a newline, with all of its fields always
present. `signature` is base64 of an ECDSA signature (P-256, SHA-256, DER) over the same object without `signature`
and without the newline. What is signed names the deployment's stage, account, region and bucket, so that a digest
proves nothing about another archive. Digests are numbered from 1 and lie under `digests/<number>.json`, twelve digits;
`previous` names the one before by key, version and the SHA-256 of its stored bytes.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from .times import from_rfc3339, rfc3339

FORMAT_VERSION: Final = 1
TYPE: Final = "strongroom/audit-digest"
ALGORITHM: Final = "ECDSA_SHA_256"
RECORDS: Final = "records/"
"""Where the archive's records lie, by the hour of their arrival (UTC): `records/<year>/<month>/<day>/<hour>/`."""
DIGESTS: Final = "digests/"
_KEY: Final = re.compile(r"digests/(\d{12})\.json")
_SKEW: Final = timedelta(hours=1)
"""How far the clocks of what writes objects and of what seals them may differ."""


class DigestInvalidError(Exception):
    """Some bytes are no digest. Says what is wrong with their form, never what they hold."""


class AnomalyKind(StrEnum):
    """What a sealing noticed that an archive which only grows cannot show."""

    DELETE_MARKER = "DELETE_MARKER"
    """Somebody deleted an object; its versions are still there unless they are stated to be missing."""
    OVERWRITTEN = "OVERWRITTEN"
    """A further version of an object. It is covered like every other."""
    MISSING = "MISSING"
    """A version that an earlier digest covers is gone."""
    FOREIGN_DIGEST = "FOREIGN_DIGEST"
    """An object lies in a digest's place and is none of this archive."""
    DIGEST_LOST = "DIGEST_LOST"
    """An earlier digest is gone or altered; what it may have covered is covered anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which archive a digest is of."""

    stage: str
    account: str
    region: str
    bucket: str


@dataclass(frozen=True, slots=True)
class ArchivedVersion:
    """One version of an object as a listing shows it."""

    key: str
    version_id: str
    size: int
    modified_at: datetime
    is_delete_marker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredObject:
    """One version of an object with the hash of its content."""

    key: str
    version_id: str
    size: int
    modified_at: datetime
    sha256: str
    records: int
    """Lines that are audit records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpan:
    """What a digest's objects hold of one chain."""

    chain_id: str
    first: int
    last: int
    last_hash: str
    records: int
    """Repeated ones counted each time."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that was noticed, stated once."""

    kind: AnomalyKind
    key: str
    version_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestLink:
    """The digest before."""

    number: int
    key: str
    version_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one sealing states."""

    place: Place
    number: int
    previous: DigestLink | None
    sealed_at: datetime
    watched_from: str
    """The key from which on the archive was looked through."""
    covered_until: datetime | None
    """Every version that existed at this time, from `watched_from` on, is covered by this digest or by one before it.
    None until the first sealing got through the whole archive."""
    key_id: str
    """The ARN of the key that signed."""
    objects: tuple[CoveredObject, ...]
    chains: tuple[ChainSpan, ...]
    anomalies: tuple[Anomaly, ...]

    def message(self) -> bytes:
        """What is signed."""
        return _canonical(_fields(self))

    def stored(self, signature: bytes) -> bytes:
        """The object as it is stored."""
        return _canonical({**_fields(self), "signature": base64.b64encode(signature).decode("ascii")}) + b"\n"


@dataclass(frozen=True, slots=True)
class SignedDigest:
    """A digest as it was read, with the signature that it carries."""

    digest: Digest
    signature: bytes


def digest_key(number: int) -> str:
    """Where the digest of a number lies."""
    return f"{DIGESTS}{number:012}.json"


def number_of(key: str) -> int | None:
    """The number of the digest that lies under a key; None for any other key."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found else None


def link_to(digest: Digest, *, version_id: str, stored: bytes) -> DigestLink:
    """How the next digest names this one."""
    return DigestLink(
        number=digest.number,
        key=digest_key(digest.number),
        version_id=version_id,
        sha256=hashlib.sha256(stored).hexdigest(),
    )


def watched_from(previous: Digest | None, *, lookback: timedelta) -> str:
    """Where a sealing begins to look: so far back that what was delivered late is found, counted from what is done."""
    if previous is None or previous.covered_until is None:
        return RECORDS
    return hour_prefix(previous.covered_until - lookback)


def hour_prefix(time: datetime) -> str:
    """The prefix of the objects whose records arrived in an hour."""
    return f"{RECORDS}{time.astimezone(UTC):%Y/%m/%d/%H}/"


def may_cover(digest: Digest, since: str) -> bool:
    """Whether a digest can cover anything from a key on: an object is never sealed before its hour."""
    return since == RECORDS or hour_prefix(digest.sealed_at + _SKEW) >= since


def read_digest(stored: bytes) -> SignedDigest:
    """Read what `Digest.stored` made; raises `DigestInvalidError` for everything else."""
    try:
        fields = json.loads(stored)
        signature = base64.b64decode(fields["signature"], validate=True)
        digest = _digest(fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        digest = None
    if digest is None or digest.stored(signature) != stored:
        raise DigestInvalidError("not in the format of a digest")
    return SignedDigest(digest, signature)


def _canonical(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace")


def _fields(digest: Digest) -> dict[str, object]:
    previous = digest.previous
    return {
        "type": TYPE,
        "formatVersion": FORMAT_VERSION,
        "stage": digest.place.stage,
        "account": digest.place.account,
        "region": digest.place.region,
        "bucket": digest.place.bucket,
        "number": digest.number,
        "previous": previous
        and {
            "number": previous.number,
            "key": previous.key,
            "versionId": previous.version_id,
            "sha256": previous.sha256,
        },
        "sealedAt": rfc3339(digest.sealed_at),
        "watchedFrom": digest.watched_from,
        "coveredUntil": digest.covered_until and rfc3339(digest.covered_until),
        "keyId": digest.key_id,
        "algorithm": ALGORITHM,
        "objects": [
            {
                "key": it.key,
                "versionId": it.version_id,
                "size": it.size,
                "modifiedAt": rfc3339(it.modified_at),
                "sha256": it.sha256,
                "records": it.records,
            }
            for it in digest.objects
        ],
        "chains": [
            {
                "chainId": it.chain_id,
                "first": it.first,
                "last": it.last,
                "lastHash": it.last_hash,
                "records": it.records,
            }
            for it in digest.chains
        ],
        "anomalies": [{"kind": it.kind, "key": it.key, "versionId": it.version_id} for it in digest.anomalies],
    }


def _digest(fields: Mapping[str, Any]) -> Digest:
    previous = fields["previous"]
    until = fields["coveredUntil"]
    return Digest(
        place=Place(stage=fields["stage"], account=fields["account"], region=fields["region"], bucket=fields["bucket"]),
        number=fields["number"],
        previous=None
        if previous is None
        else DigestLink(
            number=previous["number"],
            key=previous["key"],
            version_id=previous["versionId"],
            sha256=previous["sha256"],
        ),
        sealed_at=from_rfc3339(fields["sealedAt"]),
        watched_from=fields["watchedFrom"],
        covered_until=None if until is None else from_rfc3339(until),
        key_id=fields["keyId"],
        objects=tuple(
            CoveredObject(
                key=it["key"],
                version_id=it["versionId"],
                size=it["size"],
                modified_at=from_rfc3339(it["modifiedAt"]),
                sha256=it["sha256"],
                records=it["records"],
            )
            for it in fields["objects"]
        ),
        chains=tuple(
            ChainSpan(
                chain_id=it["chainId"],
                first=it["first"],
                last=it["last"],
                last_hash=it["lastHash"],
                records=it["records"],
            )
            for it in fields["chains"]
        ),
        anomalies=tuple(Anomaly(AnomalyKind(it["kind"]), it["key"], it["versionId"]) for it in fields["anomalies"]),
    )
