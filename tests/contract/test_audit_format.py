"""The verification and the service share no code: what one writes, the other must read, byte by byte."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from strongroom.audit import Receipt, digests, records
from strongroom_service.domain import audit, digest, digest_content
from tests.support.auditing import EVENT
from tests.unit.service.domain.test_digest import DIGEST

ANY_TEXT = st.text(st.characters(), max_size=30)
"""Lone surrogates too: headers reach the audit as any text at all."""


@given(texts=st.lists(ANY_TEXT, min_size=4, max_size=4), count=st.integers(1, 4))
def test_every_record_is_read_as_it_was_written(texts: list[str], count: int) -> None:
    """Ids, place and hash, whatever its texts hold."""
    path, actor, user_agent, session = texts
    event = replace(EVENT, path=path, actor=actor, user_agent=user_agent, session=session)
    for sealed in audit.Chain("0" * 32).seal([event] * count):
        line = records.read_line(sealed.line.removesuffix(b"\n"))
        assert line.kind is records.LineKind.RECORD
        assert line.record is not None
        assert line.record.time == "2026-06-06T14:30:00.000Z"
        found = line.record
        receipt = Receipt(found.event_id, found.chain_id, found.sequence, found.hash)
        assert str(receipt) == str(sealed.receipt)
        assert Receipt.parse(str(sealed.receipt)) == receipt


def test_a_chain_begins_with_the_same_zeros_and_ties_in_the_same_way() -> None:
    first = audit.Chain("0" * 32)
    (before,) = first.seal([EVENT])
    (tied,) = audit.Chain("1" * 32, follows=before.receipt).seal([EVENT])
    found = records.read_line(tied.line[:-1]).record
    assert found is not None
    assert found.previous == records.NO_HASH == audit.NO_HASH
    assert found.tie == records.Tie("0" * 32, 1, before.receipt.hash)


def test_a_digest_is_read_as_it_was_written() -> None:
    found = digests.parse_digest(DIGEST.stored(b"signature"))
    assert (found.message, found.signature) == (DIGEST.message(), b"signature")
    assert (found.number, found.watched_from, found.covered_until) == (
        2, "records/2026/05/28/15/", datetime(2026, 6, 6, 15, tzinfo=UTC)
    )  # fmt: skip
    assert found.previous == digests.Link(1, "v1", "0" * 64)
    assert found.objects == [digests.SealedObject("records/2026/06/06/14/x \u00fc", "v2", "1" * 64)]
    assert found.spans == [digests.Span("2" * 32, 3, 4, "3" * 64)]
    assert found.anomalies == [digests.Anomaly("DELETE_MARKER", "records/2026/06/06/14/y", "v3")]
    assert (found.place.stage, found.place.account) == ("prod", "111122223333")


def test_both_name_the_same_places_and_limits() -> None:
    assert (digests.PREFIX, digests.RECORDS, digests.TYPE) == (digest.DIGESTS, digest.RECORDS, digest.TYPE)
    assert digests.FORMAT_VERSION == digest.FORMAT_VERSION
    assert digests.ALGORITHM == digest.ALGORITHM
    assert digests.digest_key(7) == digest.digest_key(7)
    assert digests.number_of(digest.digest_key(7)) == 7
    assert records.MAX_LINE == digest_content.MAX_LINE
