"""The digest's stored format, with a known answer, and the rules of what a sealing looks at."""

from datetime import UTC, datetime, timedelta

import pytest

from strongroom_service.domain.digest import (
    Anomaly,
    AnomalyKind,
    ChainSpan,
    CoveredObject,
    Digest,
    DigestInvalidError,
    DigestLink,
    Place,
    digest_key,
    link_to,
    may_cover,
    number_of,
    read_digest,
    watched_from,
)
from strongroom_service.domain.digest_content import MAX_LINE, lines

DIGEST = Digest(
    place=Place(
        stage="prod",
        account="111122223333",
        region="us-east-1",
        bucket="strongroom-prod-audit-111122223333-us-east-1",
    ),
    number=2,
    previous=DigestLink(number=1, key="digests/000000000001.json", version_id="v1", sha256="0" * 64),
    sealed_at=datetime(2026, 6, 6, 15, 0, 1, 500000, tzinfo=UTC),
    watched_from="records/2026/05/28/15/",
    covered_until=datetime(2026, 6, 6, 15, tzinfo=UTC),
    key_id="arn:aws:kms:us-east-1:111122223333:key/mrk-0",
    objects=(
        CoveredObject(
            key="records/2026/06/06/14/x \u00fc",
            version_id="v2",
            size=812,
            modified_at=datetime(2026, 6, 6, 14, 30, tzinfo=UTC),
            sha256="1" * 64,
            records=1,
        ),
    ),
    chains=(ChainSpan(chain_id="2" * 32, first=3, last=4, last_hash="3" * 64, records=2),),
    anomalies=(Anomaly(AnomalyKind.DELETE_MARKER, "records/2026/06/06/14/y", "v3"),),
)
MESSAGE = (
    '{"account":"111122223333","algorithm":"ECDSA_SHA_256",'
    '"anomalies":[{"key":"records/2026/06/06/14/y","kind":"DELETE_MARKER","versionId":"v3"}],'
    '"bucket":"strongroom-prod-audit-111122223333-us-east-1",'
    f'"chains":[{{"chainId":"{"2" * 32}","first":3,"last":4,"lastHash":"{"3" * 64}","records":2}}],'
    '"coveredUntil":"2026-06-06T15:00:00.000Z","formatVersion":1,'
    '"keyId":"arn:aws:kms:us-east-1:111122223333:key/mrk-0","number":2,'
    '"objects":[{"key":"records/2026/06/06/14/x \u00fc","modifiedAt":"2026-06-06T14:30:00.000Z","records":1,'
    f'"sha256":"{"1" * 64}","size":812,"versionId":"v2"}}],'
    f'"previous":{{"key":"digests/000000000001.json","number":1,"sha256":"{"0" * 64}","versionId":"v1"}},'
    '"region":"us-east-1","sealedAt":"2026-06-06T15:00:01.500Z","stage":"prod","type":"strongroom/audit-digest",'
    '"watchedFrom":"records/2026/05/28/15/"}'
)
STORED = MESSAGE.replace('"stage":"prod"', '"signature":"c2lnbmF0dXJl","stage":"prod"') + "\n"


def test_a_digest_is_stored_and_signed_as_it_always_was() -> None:
    """A known answer: digests outlive every release, and so must what reads them."""
    assert DIGEST.message().decode() == MESSAGE
    assert DIGEST.stored(b"signature").decode() == STORED


def test_what_was_stored_is_read_back() -> None:
    found = read_digest(STORED.encode())
    assert (found.digest, found.signature) == (DIGEST, b"signature")


@pytest.mark.parametrize(
    "stored",
    [
        b"", b"{}", b"[]", b"null", b'"text"', b"\xff", b"[" * 100_000,
        STORED.encode()[:-1],
        STORED.encode() + b"\n",
        STORED.encode().replace(b'"number":2', b'"number": 2'),
        STORED.encode().replace(b'"number":2,', b'"number":2,"more":1,'),
        STORED.encode().replace(b"c2lnbmF0dXJl", b"c2lnbmF0dXJl!"),
        STORED.encode().replace(b"DELETE_MARKER", b"ANOTHER"),
        STORED.encode().replace(b'"formatVersion":1', b'"formatVersion":2'),
    ],
)  # fmt: skip
def test_nothing_else_is_a_digest(stored: bytes) -> None:
    """Not even the same facts written otherwise: what was signed are bytes."""
    with pytest.raises(DigestInvalidError):
        read_digest(stored)


def test_the_next_digest_names_the_bytes_of_this_one() -> None:
    link = link_to(DIGEST, version_id="v9", stored=b"")
    assert link.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (link.number, link.key, link.version_id) == (2, "digests/000000000002.json", "v9")


def test_digests_sort_by_their_numbers() -> None:
    numbers = [1, 9, 10, 99, 100, 999_999]
    assert sorted(map(digest_key, numbers)) == [digest_key(number) for number in numbers]
    assert [number_of(digest_key(number)) for number in numbers] == numbers
    assert number_of("digests/latest.json") is None


def test_a_sealing_looks_back_from_what_is_done_not_from_now() -> None:
    """After weeks without one, nothing is skipped."""
    assert watched_from(None, lookback=timedelta(hours=216)) == "records/"
    assert watched_from(DIGEST, lookback=timedelta(hours=216)) == "records/2026/05/28/15/"


def test_a_digest_may_cover_what_lies_in_hours_before_it() -> None:
    assert may_cover(DIGEST, "records/")
    assert may_cover(DIGEST, "records/2026/06/06/15/")
    # The clocks of what writes and of what seals may differ.
    assert may_cover(DIGEST, "records/2026/06/06/16/")
    assert not may_cover(DIGEST, "records/2026/06/06/17/")


def test_lines_are_found_however_they_are_cut() -> None:
    text = b"one\n\ntwo\nthree"
    for size in range(1, len(text) + 1):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert list(lines(pieces)) == [b"one", b"", b"two", b"three"]


def test_what_is_longer_than_any_record_is_not_held_in_memory() -> None:
    """It comes out cut short, and the lines behind it as they are."""
    chunks = [b"x" * (MAX_LINE // 2)] * 5 + [b"y\nnext\n"]
    assert [len(line) for line in lines(chunks)] == [MAX_LINE, len(b"next")]
