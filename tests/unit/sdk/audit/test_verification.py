"""Every way of tampering with an archive is found and named exactly; what deliveries do by themselves is not."""

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.audit import Finding, FolderArchive, Kind, KnownDigest, PublicKey, Receipt, Report, verify
from strongroom_service.domain.audit import Chain, record_hash
from strongroom_service.domain.digest import digest_key
from tests.support.archives import PLACE, GeneratedArchive, LocalSigner, StoredVersion, record_of


class Scene:
    """Four hours of two environments, each hour sealed; the tests tamper with it."""

    def __init__(self) -> None:
        self.archive = GeneratedArchive()
        self.bucket = self.archive.bucket
        self.chains = [self.archive.chain(), self.archive.chain()]
        self.keys = self.archive.hours(4, chains=self.chains)

    def lines(self, key: str) -> list[bytes]:
        return self.bucket.body(key).splitlines(keepends=True)

    def rewrite(self, key: str, lines: list[bytes]) -> None:
        """Under the same version, as in a copy."""
        self.bucket.replace(key, b"".join(lines))

    def record(self, key: str, line: int) -> dict[str, Any]:
        """By its number, from 1."""
        return record_of(self.lines(key)[line - 1])

    def found(self, **said: Any) -> Report:
        return self.archive.verify(**said)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def only(report: Report, kind: Kind) -> Finding:
    """The one finding of a kind."""
    (finding,) = [it for it in report.findings if it.kind is kind]
    return finding


def kinds(report: Report) -> Counter[str]:
    return Counter(it.kind.value for it in report.findings)


def sealed_anew(line: bytes, **changed: Any) -> bytes:
    """A record with other content and the right hash for it."""
    fields = record_of(line) | changed
    fields["hash"] = record_hash(fields)
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_an_untouched_archive_is_sound(scene: Scene) -> None:
    report = scene.found()
    assert report.is_sound
    assert (report.digests, report.objects, report.records, report.chains) == (4, 8, 48, 2)
    assert (report.unsealed_objects, report.unsealed_records, report.repeated) == (0, 0, 0)
    assert report.last_digest == 4
    assert report.place is not None
    assert report.place.bucket == PLACE.bucket


def test_an_untouched_copy_is_sound(scene: Scene, tmp_path: Path) -> None:
    copy = FolderArchive(scene.bucket.copy_to(tmp_path))
    report = verify(copy, key=scene.archive.signer.public_key())
    assert (report.is_sound, report.objects, report.records) == (True, 8, 48)


def test_a_removed_object_is_named_with_the_records_that_are_gone(scene: Scene) -> None:
    del scene.bucket.objects[scene.keys[2]]
    report = scene.found()
    assert only(report, Kind.OBJECT_MISSING).key == scene.keys[2]
    assert only(report, Kind.OBJECT_MISSING).digest == 2
    gone = {(it.chain_id, it.sequence, it.last_sequence) for it in report.findings if it.kind is Kind.RECORD_MISSING}
    assert gone == {(chain.chain_id, 7, 9) for chain in scene.chains}


def test_a_removed_line_is_named_by_its_place(scene: Scene) -> None:
    key = scene.keys[3]
    record = scene.record(key, 2)
    lines = scene.lines(key)
    scene.rewrite(key, [lines[0], *lines[2:]])
    report = scene.found()
    assert kinds(report) == {"object_changed": 1, "record_missing": 1}
    assert (only(report, Kind.OBJECT_CHANGED).key, only(report, Kind.OBJECT_CHANGED).digest) == (key, 2)
    gap = only(report, Kind.RECORD_MISSING)
    assert (gap.chain_id, gap.sequence, gap.last_sequence) == (
        record["chainId"],
        record["sequence"],
        record["sequence"],
    )


def test_a_changed_field_is_named_by_event_and_line(scene: Scene) -> None:
    key = scene.keys[1]
    lines = scene.lines(key)
    record = scene.record(key, 4)
    lines[3] = lines[3].replace(b"payments/db-password", b"payments/db-passwore")
    scene.rewrite(key, lines)
    report = scene.found()
    assert kinds(report) == {"object_changed": 1, "record_changed": 1}
    changed = only(report, Kind.RECORD_CHANGED)
    assert (changed.key, changed.line, changed.event_id) == (key, 4, record["eventId"])
    assert (changed.chain_id, changed.sequence) == (record["chainId"], record["sequence"])


@given(seed=st.integers(0, 2**32))
def test_any_changed_byte_is_found(seed: int) -> None:
    """Wherever it is, in a sealed object or in a digest."""
    scene, chance = Scene(), random.Random(seed)  # noqa: S311  # where to tamper
    key = chance.choice(sorted(scene.bucket.objects))
    body = bytearray(scene.bucket.body(key))
    at = chance.randrange(len(body))
    body[at] ^= 1 << chance.randrange(8)
    scene.bucket.replace(key, bytes(body))
    report = scene.found()
    assert not report.is_sound
    assert {it.key for it in report.findings} & {key}


def test_a_record_hashed_anew_does_not_continue_its_chain(scene: Scene) -> None:
    """Changed with the right hash for its content: the chain and the object tell."""
    key = scene.keys[1]
    lines = scene.lines(key)
    lines[1] = sealed_anew(lines[1], actor="iam:somebody-else")
    scene.rewrite(key, lines)
    report = scene.found()
    assert kinds(report) == {"object_changed": 1, "chain_broken": 1}
    broken = only(report, Kind.CHAIN_BROKEN)
    assert (broken.key, broken.line, broken.sequence) == (key, 3, scene.record(key, 3)["sequence"])


def test_an_inserted_record_of_a_new_chain_is_named(scene: Scene) -> None:
    """Right in itself, and without a place: its object was sealed without it."""
    key = scene.keys[1]
    (forged,) = Chain("f" * 32).seal([replace_event(scene)])
    lines = scene.lines(key)
    scene.rewrite(key, [*lines[:2], forged.line, *lines[2:]])
    report = scene.found()
    assert kinds(report) == {"object_changed": 1, "record_inserted": 1}
    inserted = only(report, Kind.RECORD_INSERTED)
    assert (inserted.key, inserted.line, inserted.chain_id) == (key, 3, "f" * 32)
    assert (inserted.event_id, inserted.digest) == (forged.receipt.event_id, 1)


def replace_event(scene: Scene) -> Any:
    from tests.support.auditing import EVENT  # noqa: PLC0415  # beside its one use

    return replace(EVENT, event_id="01900000-0000-7000-8000-00000000f0f0", time=scene.archive.clock.now())


def test_an_inserted_record_past_a_chains_end_is_named(scene: Scene) -> None:
    """Continuing the last record by its hash does not help: the digests know where the chain ended."""
    key = scene.keys[-1]
    lines = scene.lines(key)
    last = record_of(lines[-1])
    forged = sealed_anew(
        lines[-1], sequence=last["sequence"] + 1, previousHash=last["hash"], eventId="01900000-0000-7000-8000-0f"
    )
    scene.rewrite(key, [*lines, forged])
    report = scene.found()
    assert kinds(report) == {"object_changed": 1, "record_inserted": 1}
    assert only(report, Kind.RECORD_INSERTED).sequence == last["sequence"] + 1


def test_two_records_in_one_place_are_named_both(scene: Scene) -> None:
    key = scene.keys[1]
    lines = scene.lines(key)
    other = sealed_anew(lines[0], eventId="01900000-0000-7000-8000-0000000000aa")
    scene.rewrite(key, [*lines, other])
    report = scene.found()
    conflict = only(report, Kind.RECORD_CONFLICT)
    record = record_of(lines[0])
    assert (conflict.chain_id, conflict.sequence) == (record["chainId"], record["sequence"])
    told = f"{conflict.event_id} {conflict.line} {conflict.message}"
    assert record["eventId"] in told
    assert "01900000-0000-7000-8000-0000000000aa" in told


def test_reordered_and_repeated_deliveries_are_benign() -> None:
    """Lines in any order over objects in any order, some of them twice or more often."""
    archive, chance = GeneratedArchive(), random.Random(3)  # noqa: S311  # order
    chains = [archive.chain() for _ in range(3)]
    lines = [line for chain in chains for line in archive.lines(chain, 20)]
    delivered = [*lines, *chance.sample(lines, 15), *lines[:2] * 2]
    chance.shuffle(delivered)
    for at in range(0, len(delivered), 10):
        archive.deliver(delivered[at : at + 10])
        archive.pass_time(minutes=7)
        if chance.random() < 0.5:
            archive.seal()
    archive.seal()
    archive.pass_time(hours=1)
    archive.seal()
    report = archive.verify()
    assert report.is_sound, report.findings
    assert report.repeated == 19


def test_a_tail_that_was_cut_after_its_sealing_is_named(scene: Scene) -> None:
    key = scene.keys[-1]
    chain = scene.chains[1].chain_id
    kept = [line for line in scene.lines(key) if record_of(line)["chainId"] != chain]
    scene.rewrite(key, kept)
    report = scene.found()
    assert kinds(report) == {"object_changed": 1, "record_missing": 1}
    tail = only(report, Kind.RECORD_MISSING)
    assert (tail.chain_id, tail.sequence, tail.last_sequence, tail.digest) == (chain, 22, 24, 4)


def test_a_tail_that_was_cut_before_its_sealing_cannot_be_seen(scene: Scene) -> None:
    """What no digest covers is not proven: it is reported as unsealed as long as it is there."""
    key = scene.archive.deliver(scene.archive.lines(scene.chains[0], 2))
    report = scene.found()
    assert report.is_sound
    assert (report.unsealed_objects, report.unsealed_records, report.oldest_unsealed) == (1, 2, key)
    del scene.bucket.objects[key]
    assert scene.found().is_sound


def test_a_cut_tail_that_the_next_chain_names_is_found(scene: Scene) -> None:
    """The environment went on in another chain, and says what it knew to be stored."""
    last = scene.archive.receipts[-1]
    (line,) = scene.archive.lines(scene.archive.chain(follows=replace(last, sequence=30, hash="a" * 64)), 1)
    scene.archive.deliver([line])
    scene.archive.pass_time(hours=2)
    scene.archive.seal()
    tail = only(scene.found(), Kind.RECORD_MISSING)
    assert (tail.chain_id, tail.sequence, tail.last_sequence) == (last.chain_id, 25, 30)


def test_a_chain_that_follows_another_record_than_the_one_there_is_broken(scene: Scene) -> None:
    last = scene.archive.receipts[-1]
    scene.archive.deliver(scene.archive.lines(scene.archive.chain(follows=replace(last, hash="a" * 64)), 1))
    scene.archive.seal()
    assert only(scene.found(), Kind.CHAIN_BROKEN).sequence == 1


def test_a_tail_that_was_never_acknowledged_may_be_there_or_not(scene: Scene) -> None:
    archive, chain = scene.archive, scene.chains[0]
    first, second = archive.lines(chain, 2)
    follows = next(it for it in reversed(archive.receipts[:-2]) if it.chain_id == chain.chain_id)
    tied = archive.lines(archive.chain(follows=follows), 1)
    archive.deliver([second, *tied])
    archive.pass_time(hours=2)
    archive.seal()
    report = scene.found()
    assert report.is_sound
    (note,) = report.notes
    assert (note.kind, note.sequence) == (Kind.RECORD_UNACKNOWLEDGED, record_of(first)["sequence"])
    archive.deliver([first])
    archive.seal()
    assert scene.found().notes == []


def test_a_record_that_is_still_on_its_way_is_awaited_then_missing(scene: Scene) -> None:
    """It may wait in the buffer; an hour later it should be there."""
    first, second = scene.archive.lines(scene.chains[0], 2)
    scene.archive.deliver([second])
    scene.archive.seal()
    report = scene.found()
    assert report.is_sound
    assert [(note.kind, note.sequence) for note in report.notes] == [
        (Kind.RECORD_AWAITED, record_of(first)["sequence"])
    ]
    scene.archive.pass_time(hours=2)
    scene.archive.seal()
    assert only(scene.found(), Kind.RECORD_MISSING).sequence == record_of(first)["sequence"]


def test_a_chain_without_its_start_is_named() -> None:
    archive = GeneratedArchive()
    lines = archive.lines(archive.chain(), 5)
    archive.deliver(lines[2:])
    archive.pass_time(hours=2)
    archive.seal()
    gap = only(archive.verify(), Kind.RECORD_MISSING)
    assert (gap.sequence, gap.last_sequence) == (1, 2)


def test_a_whole_chain_that_is_gone_is_named() -> None:
    archive = GeneratedArchive()
    kept, lost = archive.chain(), archive.chain()
    archive.deliver(archive.lines(kept, 1))
    key = archive.deliver(archive.lines(lost, 4))
    archive.seal()
    del archive.bucket.objects[key]
    gone = only(archive.verify(), Kind.RECORD_MISSING)
    assert (gone.chain_id, gone.sequence, gone.last_sequence, gone.digest) == (lost.chain_id, 1, 4, 1)


def test_a_removed_digest_is_named(scene: Scene) -> None:
    del scene.bucket.objects[digest_key(2)]
    report = scene.found()
    missing = only(report, Kind.DIGEST_MISSING)
    assert (missing.digest, missing.key) == (2, digest_key(2))


def test_a_removed_first_digest_is_named(scene: Scene) -> None:
    del scene.bucket.objects[digest_key(1)]
    assert only(scene.found(), Kind.DIGEST_MISSING).digest == 1


def test_removed_last_digests_are_late_and_rolled_back(scene: Scene) -> None:
    """Nothing after them counts them: their age tells, and whoever kept the last one's hash."""
    before = scene.found()
    known = KnownDigest.parse(f"{before.last_digest}.{before.last_digest_sha256}")
    assert scene.found(known=known).is_sound
    for number in (3, 4):
        del scene.bucket.objects[digest_key(number)]
    scene.archive.pass_time(minutes=30)
    report = scene.found(known=known)
    assert only(report, Kind.DIGEST_ROLLED_BACK).digest == 4
    assert only(report, Kind.DIGEST_LATE).digest == 2


def test_a_changed_digest_is_named(scene: Scene) -> None:
    stored = scene.bucket.body(digest_key(2))
    scene.bucket.replace(digest_key(2), stored.replace(b'"stage":"test"', b'"stage":"tesu"'))
    changed = only(scene.found(), Kind.DIGEST_SIGNATURE)
    assert (changed.digest, changed.key) == (2, digest_key(2))
    scene.bucket.replace(digest_key(2), stored + b" ")
    assert only(scene.found(), Kind.DIGEST_CHANGED).digest == 2


def test_digests_signed_by_another_key_prove_nothing() -> None:
    """An archive that somebody made up whole, with a key of his own."""
    forged = GeneratedArchive(signer=LocalSigner())
    forged.hours(2, chains=[forged.chain()])
    honest = LocalSigner()
    report = verify_with(forged, honest.public_key())
    assert kinds(report)["digest_signature"] == 2
    assert kinds(report)["digest_missing"] == 1
    assert report.place is None


def verify_with(archive: GeneratedArchive, key: PublicKey, **said: Any) -> Report:
    from tests.support.archives import BucketSource  # noqa: PLC0415  # beside its one use

    return verify(BucketSource(archive.bucket), key=key, now=archive.clock.now(), **said)


def test_digests_of_two_regions_do_not_stand_for_each_other() -> None:
    """One key signs in all regions: what is signed names the archive."""
    signer = LocalSigner()
    here = GeneratedArchive(signer=signer)
    there = GeneratedArchive(signer=signer, place=replace(PLACE, region="us-west-2", bucket="another"))
    for archive in (here, there):
        archive.hours(3, chains=[archive.chain()])
    for number in (1, 2, 3):
        ours, theirs = here.bucket.body(digest_key(number)), there.bucket.body(digest_key(number))
        here.bucket.replace(digest_key(number), theirs)
        there.bucket.replace(digest_key(number), ours)
    for archive in (here, there):
        report = archive.verify()
        assert kinds(report)["digest_foreign"] == 3
        assert "another archive" in report.findings[0].message


def test_a_digest_in_the_place_of_another_is_named(scene: Scene) -> None:
    scene.bucket.replace(digest_key(3), scene.bucket.body(digest_key(2)))
    assert only(scene.found(), Kind.DIGEST_CHANGED).digest == 3


def test_a_digest_that_continues_another_one_is_unchained(scene: Scene) -> None:
    """Both are signed: of two successors one is not of this archive's history."""
    fork = GeneratedArchive(signer=scene.archive.signer)
    fork.hours(2, chains=[fork.chain()])
    scene.bucket.replace(digest_key(2), fork.bucket.body(digest_key(2)))
    report = scene.found()
    assert {it.digest for it in report.findings if it.kind is Kind.DIGEST_UNCHAINED} == {2, 3}


def test_a_digest_that_leaves_a_sound_one_out_is_unchained(scene: Scene) -> None:
    """A second history, signed by the same key, beside the one that is there."""
    third = scene.bucket.objects.pop(digest_key(3))
    fourth = scene.bucket.objects.pop(digest_key(4))
    scene.bucket.put(digest_key(3), b"{}")
    scene.archive.seal()  # the fourth, which steps over the third and continues the second
    scene.bucket.objects[digest_key(3)] = third
    report = scene.found()
    assert {it.digest for it in report.findings if it.kind is Kind.DIGEST_UNCHAINED} == {4}
    assert fourth != scene.bucket.objects[digest_key(4)]


@given(seed=st.integers(0, 2**32))
def test_any_removed_line_is_named(seed: int) -> None:
    """Whichever it is: by the place of its record."""
    scene, chance = Scene(), random.Random(seed)  # noqa: S311  # what to remove
    key = chance.choice(scene.keys)
    lines = scene.lines(key)
    gone = record_of(lines.pop(chance.randrange(len(lines))))
    scene.rewrite(key, lines)
    report = scene.found()
    assert only(report, Kind.OBJECT_CHANGED).key == key
    missing = only(report, Kind.RECORD_MISSING)
    assert (missing.chain_id, missing.sequence, missing.last_sequence) == (
        gone["chainId"], gone["sequence"], gone["sequence"]
    )  # fmt: skip


def test_an_overwritten_object_is_named_by_its_version(scene: Scene) -> None:
    """Before the next sealing, and after it: whoever verifies, and the sealing itself, see it."""
    version = scene.bucket.put(scene.keys[0], b"")
    for _ in range(2):
        overwritten = only(scene.found(), Kind.OBJECT_OVERWRITTEN)
        assert (overwritten.key, overwritten.version_id) == (scene.keys[0], version)
        scene.archive.seal()


def test_a_deleted_object_is_named_and_what_it_held_is_still_read(scene: Scene) -> None:
    scene.bucket.delete(scene.keys[0])
    for _ in range(2):
        assert kinds(scene.found()) == {"object_deleted": 1}
        scene.archive.seal()


def test_a_copy_shows_by_the_digests_what_happened_before_it_was_made(scene: Scene, tmp_path: Path) -> None:
    scene.bucket.delete(scene.keys[0])
    scene.bucket.put(scene.keys[1], b"other\n")
    scene.archive.seal()
    report = verify(FolderArchive(scene.bucket.copy_to(tmp_path)), key=scene.archive.signer.public_key())
    assert only(report, Kind.OBJECT_DELETED).key == scene.keys[0]
    assert only(report, Kind.OBJECT_OVERWRITTEN).key == scene.keys[1]


def test_an_overwritten_or_deleted_digest_is_named(scene: Scene) -> None:
    scene.bucket.put(digest_key(1), b"{}")
    scene.bucket.delete(digest_key(2))
    report = scene.found()
    assert kinds(report) == {"digest_overwritten": 1, "digest_deleted": 1}


def test_an_object_in_an_hour_that_is_sealed_no_more_is_named(scene: Scene) -> None:
    scene.archive.pass_time(hours=400)
    scene.archive.seal()
    key = "records/2030/01/01/12/late"
    (forged,) = Chain("f" * 32).seal([replace_event(scene)])
    scene.archive.pass_time(hours=1)
    scene.archive.seal()
    scene.bucket.put(key, forged.line)
    assert only(scene.found(), Kind.OBJECT_INSERTED).key == key


def test_an_object_that_no_digest_covers_though_it_is_older_is_named(scene: Scene) -> None:
    key = f"{scene.keys[-1]}-inserted"
    modified = scene.archive.clock.now() - timedelta(minutes=30)
    scene.bucket.objects[key] = [StoredVersion("v-forged", b"", modified)]
    assert only(scene.found(), Kind.OBJECT_INSERTED).key == key


def test_an_archive_without_digests_proves_nothing() -> None:
    archive = GeneratedArchive()
    archive.deliver(archive.lines(archive.chain(), 3))
    report = archive.verify()
    assert kinds(report) == {"digest_missing": 1}
    assert report.unsealed_records == 3


def test_lines_that_are_no_records_are_noted(scene: Scene) -> None:
    """Somebody with the right to put on the stream wrote there; nothing of the audit is touched by it."""
    scene.archive.deliver([b'{"made":"up"}\n', b"[1]\n"])
    report = scene.found()
    assert [note.kind for note in report.notes] == [Kind.FOREIGN_LINE]
    damaged = only(report, Kind.RECORD_DAMAGED)
    assert damaged.line == 2


def test_receipts_are_proven_with_the_digest_that_seals_them(scene: Scene) -> None:
    early, late = scene.archive.receipts[0], scene.archive.receipts[-1]
    scene.archive.deliver(scene.archive.lines(scene.chains[0], 1))
    unsealed = scene.archive.receipts[-1]
    report = scene.found(receipts=[Receipt.parse(str(it)) for it in (early, late, unsealed)])
    assert report.is_sound
    assert [(str(it.receipt), it.digest) for it in report.receipts] == [
        (str(early), 1), (str(late), 4), (str(unsealed), None)
    ]  # fmt: skip


def test_receipts_without_their_record_are_named(scene: Scene) -> None:
    one = scene.archive.receipts[0]
    unknown = replace(one, chain_id="e" * 32)
    mismatched = replace(one, hash="0" * 64)
    other_event = replace(one, event_id=scene.archive.receipts[1].event_id)
    receipts = [Receipt.parse(str(it)) for it in (unknown, mismatched, other_event)]
    report = scene.found(receipts=receipts)
    assert [(it.kind, it.receipt) for it in report.findings] == [
        (Kind.RECEIPT_UNKNOWN, str(unknown)),
        (Kind.RECEIPT_MISMATCH, str(mismatched)),
        (Kind.RECEIPT_MISMATCH, str(other_event)),
    ]


def test_a_receipt_is_not_proven_by_a_record_that_was_changed(scene: Scene) -> None:
    """Its hash still stands in it, and is no longer that of what it says."""
    key, receipt = scene.keys[0], Receipt.parse(str(scene.archive.receipts[0]))
    lines = scene.lines(key)
    lines[0] = lines[0].replace(b"payments/db-password", b"payments/db-passwore")
    scene.rewrite(key, lines)
    report = scene.found(receipts=[receipt])
    assert report.receipts == []
    assert only(report, Kind.RECEIPT_MISMATCH).receipt == str(receipt)


def test_a_receipt_in_a_changed_object_is_not_called_sealed(scene: Scene) -> None:
    """The record itself is whole; the digest is over something else."""
    key, receipt = scene.keys[0], Receipt.parse(str(scene.archive.receipts[0]))
    scene.rewrite(key, scene.lines(key)[:2])
    report = scene.found(receipts=[receipt])
    assert [it.digest for it in report.receipts] == [None]


def test_a_range_reads_only_what_was_sealed_in_it(scene: Scene) -> None:
    """All digests are checked; a chain that comes from before it and goes on behind it has no gap by that."""
    hour = timedelta(hours=1)
    begin = scene.archive.clock.now() - 3 * hour
    report = scene.found(since=begin + hour / 2, until=begin + 2 * hour)
    assert report.is_sound, report.findings
    assert (report.digests, report.objects) == (4, 4)
    scene.rewrite(scene.keys[0], [])
    assert scene.found(since=begin + hour / 2).is_sound
    del scene.bucket.objects[digest_key(1)]
    assert only(scene.found(since=begin + hour / 2), Kind.DIGEST_MISSING).digest == 1


def test_what_was_covered_anew_after_a_loss_is_read_in_any_range(scene: Scene) -> None:
    """The second digest over the same versions counts as the first does."""
    del scene.bucket.objects[digest_key(3)]
    scene.archive.pass_time(hours=1)
    scene.archive.seal()
    assert kinds(scene.found()) == {"digest_missing": 1}
    report = scene.found(since=scene.archive.clock.now() - timedelta(minutes=1))
    assert report.objects == 6
    assert kinds(report) == {"digest_missing": 1}


def test_no_content_of_a_record_is_in_a_report(scene: Scene) -> None:
    """Ids alone, also where the ids are not what they should be."""
    key = scene.keys[1]
    lines = scene.lines(key)
    planted = "planted-content"
    lines[0] = sealed_anew(lines[0], eventId=planted + " " + planted)
    lines[1] = sealed_anew(lines[1], path=planted, actor=planted)
    lines[2] = lines[2].replace(b"payments/db-password", planted.encode())
    scene.rewrite(key, lines)
    report = scene.found()
    assert not report.is_sound
    assert planted not in json.dumps(report.as_json())


def test_a_report_of_very_many_findings_stays_small() -> None:
    archive = GeneratedArchive()
    archive.deliver([b"damaged\n"] * 5_000)
    archive.seal()
    report = archive.verify()
    assert report.counts[Kind.RECORD_DAMAGED] == 5_000
    assert len(report.findings) == 1_000
