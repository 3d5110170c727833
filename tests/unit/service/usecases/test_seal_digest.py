"""Sealing: every version is covered once, one successor for each digest, and what should not happen is stated."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.domain.digest import Anomaly, AnomalyKind, Digest, digest_key, read_digest
from strongroom_service.domain.errors import IntegrityFailure, KmsUnavailable, StoreUnavailable
from strongroom_service.usecases import seal_digest
from strongroom_service.usecases.seal_digest import Sealing
from tests.support.archives import GeneratedArchive, LocalSigner


def digests(archive: GeneratedArchive) -> list[Digest]:
    """All digests, in order; each has been verified."""
    found = []
    for key in archive.bucket.keys("digests/"):
        signed = read_digest(archive.bucket.objects[key][0].body)
        assert archive.signer.verify(signed.digest.message(), signed.signature)
        found.append(signed.digest)
    return found


def covered(archive: GeneratedArchive) -> list[tuple[str, str]]:
    return [(it.key, it.version_id) for digest in digests(archive) for it in digest.objects]


def anomalies(archive: GeneratedArchive) -> list[Anomaly]:
    return [anomaly for digest in digests(archive) for anomaly in digest.anomalies]


@pytest.fixture
def archive() -> GeneratedArchive:
    return GeneratedArchive()


def test_an_empty_archive_is_sealed_too(archive: GeneratedArchive) -> None:
    """That there was nothing is a statement as well."""
    assert archive.seal() == Sealing(1, 0, 0, is_complete=True)
    (first,) = digests(archive)
    assert (first.number, first.previous, first.watched_from) == (1, None, "records/")
    assert first.covered_until == archive.clock.now()


def test_each_object_is_covered_once_by_chained_digests(archive: GeneratedArchive) -> None:
    chain = archive.chain()
    keys = archive.hours(3, chains=[chain], records=2)
    assert [key for key, _ in covered(archive)] == keys
    found = digests(archive)
    assert [digest.number for digest in found] == [1, 2, 3]
    for before, after in itertools.pairwise(found):
        assert after.previous is not None
        assert (after.previous.number, after.previous.key) == (before.number, digest_key(before.number))
    assert [(span.first, span.last, span.records) for digest in found for span in digest.chains] == [
        (1, 4, 4), (5, 8, 4), (9, 12, 4)
    ]  # fmt: skip
    assert found[-1].chains[0].last_hash == archive.receipts[-1].hash


def test_what_is_delivered_late_is_covered_by_the_next_one(archive: GeneratedArchive) -> None:
    """Into an hour that was sealed, days later."""
    archive.hours(2, chains=[archive.chain()])
    late_key = "records/2030/01/01/12/late"
    archive.pass_time(hours=100)
    archive.bucket.put(late_key, b"".join(archive.lines(archive.chain(), 1)))
    assert archive.seal().objects == 1
    assert covered(archive)[-1][0] == late_key
    assert archive.seal().objects == 0


def test_nothing_is_skipped_after_weeks_without_a_sealing(archive: GeneratedArchive) -> None:
    archive.hours(1, chains=[archive.chain()])
    delivered = []
    for _ in range(20):
        archive.pass_time(days=2)
        delivered.append(archive.deliver(archive.lines(archive.chain(), 1)))
    assert archive.seal().objects == 20
    assert [key for key, _ in covered(archive)][2:] == delivered


def test_a_backlog_is_sealed_in_several_digests(archive: GeneratedArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded each; only the last says that all is covered."""
    monkeypatch.setattr(seal_digest, "MAX_ENTRIES", 4)
    for _ in range(10):
        archive.deliver(archive.lines(archive.chain(), 1))
        archive.pass_time(minutes=1)
    assert archive.seal() == Sealing(3, 10, 0, is_complete=True)
    found = digests(archive)
    assert [len(digest.objects) for digest in found] == [4, 4, 2]
    assert [digest.covered_until for digest in found] == [None, None, archive.clock.now()]


def test_a_sealing_without_time_stores_what_it_has_and_the_next_goes_on(archive: GeneratedArchive) -> None:
    for _ in range(5):
        archive.deliver(archive.lines(archive.chain(), 1))
        archive.pass_time(minutes=1)
    ticks = iter([True, True, False, False])
    assert archive.seal(has_time=lambda: next(ticks)) == Sealing(1, 3, 0, is_complete=False)
    assert archive.seal() == Sealing(1, 2, 0, is_complete=True)
    assert len(set(covered(archive))) == 5


def test_of_two_sealings_at_once_one_stores_the_digest(archive: GeneratedArchive) -> None:
    """The other finds its place taken and has changed nothing."""
    archive.deliver(archive.lines(archive.chain(), 1))
    put = archive.bucket.put_digest
    results = []

    def put_after_another(key: str, stored: bytes) -> str | None:
        archive.bucket.put_digest = put  # type: ignore[method-assign]  # once
        results.append(archive.seal())
        return put(key, stored)

    archive.bucket.put_digest = put_after_another  # type: ignore[method-assign]  # the race
    results.append(archive.seal())
    assert results == [Sealing(1, 1, 0, is_complete=True), Sealing(0, 0, 0, is_complete=False)]
    assert len(digests(archive)) == 1


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("step", range(12))
def test_a_sealing_that_dies_at_any_step_is_completed_by_the_next(step: int) -> None:
    archive = GeneratedArchive()
    archive.hours(1, chains=[archive.chain()])
    for _ in range(3):
        archive.deliver(archive.lines(archive.chain(), 1))
        archive.pass_time(minutes=1)
    left = itertools.count()

    def dying(call: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **said: Any) -> Any:
            if not after and next(left) == step:
                raise Killed
            done = call(*arguments, **said)
            if after and next(left) == step:
                raise Killed
            return done

        return wrapped

    bucket, signer = archive.bucket, archive.signer
    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(bucket, "read", dying(bucket.read))
        patch.setattr(bucket, "records", dying(bucket.records))
        patch.setattr(bucket, "digests", dying(bucket.digests))
        patch.setattr(signer, "sign", dying(signer.sign))
        patch.setattr(bucket, "put_digest", dying(bucket.put_digest, after=step % 2 == 1))
        archive.seal()
    archive.seal()
    assert len(covered(archive)) == len(set(covered(archive))) == 5
    assert archive.verify().is_sound


def test_what_happens_to_covered_objects_is_stated_once(archive: GeneratedArchive) -> None:
    """A delete marker, a further version, a version that is gone: each by its version, by one digest."""
    deleted, overwritten, gone, *_ = archive.hours(2, chains=[archive.chain()])
    archive.bucket.delete(deleted)
    archive.bucket.put(overwritten, b"other\n")
    (gone_version,) = archive.bucket.objects.pop(gone)
    assert archive.seal() == Sealing(1, 1, 3, is_complete=True)
    marker, further = archive.bucket.objects[deleted][-1], archive.bucket.objects[overwritten][-1]
    assert set(anomalies(archive)) == {
        Anomaly(AnomalyKind.DELETE_MARKER, deleted, marker.version_id),
        Anomaly(AnomalyKind.OVERWRITTEN, overwritten, further.version_id),
        Anomaly(AnomalyKind.MISSING, gone, gone_version.version_id),
    }
    assert (overwritten, further.version_id) in covered(archive)
    assert archive.seal() == Sealing(1, 0, 0, is_complete=True)


def test_an_object_that_goes_while_it_is_read_is_stated(archive: GeneratedArchive) -> None:
    key = archive.deliver(archive.lines(archive.chain(), 1))
    version = archive.bucket.objects[key][0].version_id
    records = archive.bucket.records

    def records_then_gone(since: str) -> object:
        listed = list(records(since))
        archive.bucket.objects.pop(key, None)
        return iter(listed)

    archive.bucket.records = records_then_gone  # type: ignore[method-assign,assignment]  # the race
    archive.seal()
    assert anomalies(archive) == [Anomaly(AnomalyKind.MISSING, key, version)]


def test_a_foreign_object_in_the_next_place_is_stepped_over_and_stated(archive: GeneratedArchive) -> None:
    """Signed by nobody, by another key, or for another archive: the chain goes on around it."""
    archive.hours(1, chains=[archive.chain()])
    other = GeneratedArchive(signer=LocalSigner())
    other.seal()
    foreign = other.bucket.body(digest_key(1)).replace(b'"number":1', b'"number":3')
    versions = [archive.bucket.put(digest_key(2), b"{}"), archive.bucket.put(digest_key(3), foreign)]
    assert archive.seal().digests == 1
    last = read_digest(archive.bucket.body(digest_key(4))).digest
    assert last.previous is not None
    assert last.previous.number == 1
    assert set(last.anomalies) == {
        Anomaly(AnomalyKind.FOREIGN_DIGEST, digest_key(number), version)
        for number, version in zip((2, 3), versions, strict=True)
    }
    assert archive.seal() == Sealing(1, 0, 0, is_complete=True)


def test_a_digest_that_was_overwritten_is_followed_as_it_was_sealed(archive: GeneratedArchive) -> None:
    archive.hours(1, chains=[archive.chain()])
    first = archive.bucket.objects[digest_key(1)][0]
    archive.bucket.put(digest_key(1), b"{}")
    archive.seal()
    last = read_digest(archive.bucket.body(digest_key(2))).digest
    assert last.previous is not None
    assert (last.previous.number, last.previous.version_id) == (1, first.version_id)


def test_what_a_lost_digest_covered_is_covered_anew(archive: GeneratedArchive) -> None:
    """Better twice than never; that it is lost is stated once."""
    keys = archive.hours(3, chains=[archive.chain()])
    lost = archive.bucket.objects.pop(digest_key(2))
    assert archive.seal().objects == 4
    assert anomalies(archive) == [Anomaly(AnomalyKind.DIGEST_LOST, digest_key(2), lost[0].version_id)]
    assert {key for key, _ in covered(archive)} == set(keys)
    assert archive.seal() == Sealing(1, 0, 0, is_complete=True)


def test_a_flood_of_foreign_digests_is_a_failure_not_a_new_beginning(archive: GeneratedArchive) -> None:
    for number in range(100):
        archive.bucket.put(digest_key(number + 1), b"{}")
    with pytest.raises(IntegrityFailure):
        archive.seal()


@pytest.mark.parametrize(("operation", "error"), [("sign", KmsUnavailable), ("put_digest", StoreUnavailable)])
def test_a_failure_leaves_all_to_the_next(
    archive: GeneratedArchive, monkeypatch: pytest.MonkeyPatch, operation: str, error: type[Exception]
) -> None:
    archive.deliver(archive.lines(archive.chain(), 1))

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(archive.signer if operation == "sign" else archive.bucket, operation, fail)
        with pytest.raises(error):
            archive.seal()
    assert digests(archive) == []
    assert archive.seal().objects == 1


def test_lines_that_are_no_records_are_covered_with_their_object(archive: GeneratedArchive) -> None:
    lines = archive.lines(archive.chain(), 1)
    archive.deliver([b'{"made":"up"}\n', *lines, b"\xff\n", b'{"chainId":1,"sequence":"x","hash":null}\n'])
    archive.seal()
    (digest,) = digests(archive)
    assert [it.records for it in digest.objects] == [1]
    assert [span.records for span in digest.chains] == [1]


@given(st.lists(st.sampled_from(["deliver", "late", "overwrite", "delete", "seal", "pass"]), max_size=25))
def test_every_version_is_covered_exactly_once_whatever_comes(steps: list[str]) -> None:
    """Any order of deliveries, late ones, overwriting, deleting and sealing."""
    archive = GeneratedArchive()
    chain = archive.chain()
    for number, step in enumerate([*steps, "seal"]):
        keys = archive.bucket.keys("records/")
        match step:
            case "deliver":
                archive.deliver(archive.lines(chain, 1))
            case "late":
                archive.bucket.put(f"records/2030/01/01/12/late-{number}", b"late\n")
            case "overwrite" if keys:
                archive.bucket.put(keys[number % len(keys)], b"other\n")
            case "delete" if keys:
                archive.bucket.delete(keys[number % len(keys)])
            case "seal":
                assert archive.seal().is_complete
            case "pass":
                archive.pass_time(hours=1)
            case _:
                pass
    there = [(key, it.version_id) for key, it in archive.bucket.listed("records/") if not it.is_delete_marker]
    assert sorted(covered(archive)) == sorted(there)
