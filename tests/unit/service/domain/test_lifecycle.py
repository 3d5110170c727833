"""A version's life: every row of the table, and every change that is not in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from strongroom_service.domain import lifecycle, limits
from strongroom_service.domain.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    StaleExpectation,
    VersionDestroyed,
    VersionDisabled,
    VersionExpired,
)
from strongroom_service.domain.names import Alias, SecretName
from strongroom_service.domain.secret import Envelope, Head, RotationDue, SecretStatus, VersionStatus

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NAME = SecretName("default", "prod", "payments/db-password")
PENDING, CURRENT, PREVIOUS = VersionStatus.PENDING, VersionStatus.CURRENT, VersionStatus.PREVIOUS
DISABLED, DESTROYED = VersionStatus.DISABLED, VersionStatus.DESTROYED


def envelope(number: int) -> Envelope:
    return Envelope(f"message-{number}".encode(), "0" * 32, b"wrapped", "mrk-0")


def register(before: Head | None = None, secret_id: str = "sec_00000001") -> Head:
    return lifecycle.register(
        NAME,
        before=before,
        secret_id=secret_id,
        owner_team="payments",
        rotation_strategy="manual",
        description="what it is",
        tags={"tier": "1"},
        epoch=1,
        now=NOW,
    )


def propose(head: Head, *, now: datetime = NOW, expires: int = 0) -> Head:
    return lifecycle.propose(head, fingerprint="f" * 64, expires_at_unix=expires, epoch=1, now=now)


def promote(head: Head, number: int) -> Head:
    return lifecycle.promote(head, number, envelope=envelope(number), epoch=1, now=NOW)


def stage(head: Head, number: int) -> Head:
    return lifecycle.stage(head, number, envelope=envelope(number), epoch=1, now=NOW)


def disable(head: Head, number: int) -> Head:
    return lifecycle.disable(head, number, epoch=1, now=NOW)


def enable(head: Head, number: int) -> Head:
    return lifecycle.enable(head, number, envelope=envelope(number), epoch=1, now=NOW)


def destroy(head: Head, number: int) -> Head:
    return lifecycle.destroy(head, number, epoch=1, now=NOW)


def life() -> dict[VersionStatus, tuple[Head, int]]:
    """A head with a version in each state, and its number."""
    head = register()
    for number in (1, 2, 3, 4):
        head = promote(propose(head), number)
    head = propose(destroy(disable(head, 2), 1))
    return {
        DESTROYED: (head, 1),
        DISABLED: (head, 2),
        PREVIOUS: (head, 3),
        CURRENT: (head, 4),
        PENDING: (head, 5),
    }


Change = Callable[[Head, int], Head]

ALLOWED: list[tuple[VersionStatus, Change, VersionStatus]] = [
    (PENDING, promote, CURRENT),
    (PENDING, stage, PENDING),
    (PENDING, disable, DISABLED),
    (CURRENT, disable, DISABLED),
    (PREVIOUS, disable, DISABLED),
    (PREVIOUS, promote, CURRENT),
    (DISABLED, enable, PREVIOUS),
    (PENDING, destroy, DESTROYED),
    (PREVIOUS, destroy, DESTROYED),
    (DISABLED, destroy, DESTROYED),
]
UNCHANGED: list[tuple[VersionStatus, Change]] = [(DISABLED, disable), (DESTROYED, destroy)]
REFUSED: list[tuple[VersionStatus, Change, type[Exception]]] = [
    (CURRENT, promote, Conflict),
    (DISABLED, promote, VersionDisabled),
    (DESTROYED, promote, VersionDestroyed),
    (CURRENT, stage, Conflict),
    (PREVIOUS, stage, Conflict),
    (DISABLED, stage, VersionDisabled),
    (DESTROYED, stage, VersionDestroyed),
    (DESTROYED, disable, VersionDestroyed),
    (PENDING, enable, Conflict),
    (CURRENT, enable, Conflict),
    (PREVIOUS, enable, Conflict),
    (DESTROYED, enable, VersionDestroyed),
    (CURRENT, destroy, Conflict),
]


@pytest.mark.parametrize(("before", "change", "after"), ALLOWED)
def test_what_a_version_may_become(before: VersionStatus, change: Change, after: VersionStatus) -> None:
    head, number = life()[before]
    changed = change(head, number)
    assert changed.versions[number].status is after
    assert changed.token > head.token


@pytest.mark.parametrize(("before", "change"), UNCHANGED)
def test_what_is_done_already_stays(before: VersionStatus, change: Change) -> None:
    head, number = life()[before]
    assert change(head, number) is head


@pytest.mark.parametrize(("before", "change", "error"), REFUSED)
def test_what_a_version_may_not_become(before: VersionStatus, change: Change, error: type[Exception]) -> None:
    head, number = life()[before]
    with pytest.raises(error):
        change(head, number)


def test_the_tables_cover_every_state_and_change() -> None:
    covered = {(row[0], row[1]) for row in (*ALLOWED, *UNCHANGED, *REFUSED)}
    changes: list[Change] = [promote, stage, disable, enable, destroy]
    assert covered == {(status, change) for status in VersionStatus for change in changes}


@pytest.mark.parametrize("change", [promote, stage, disable, enable, destroy])
def test_a_version_that_never_was_is_not_found(change: Change) -> None:
    head, _ = life()[CURRENT]
    for number in (0, 6):
        with pytest.raises(NotFound):
            change(head, number)


def test_a_promotion_moves_the_aliases() -> None:
    head = promote(propose(promote(propose(register()), 1)), 2)
    assert head.aliases == {Alias.CURRENT: 2, Alias.PREVIOUS: 1}
    assert head.versions[1].status is PREVIOUS
    assert set(head.envelopes) == {1, 2}
    head = promote(propose(head), 3)
    assert head.aliases == {Alias.CURRENT: 3, Alias.PREVIOUS: 2}
    assert head.versions[1].status is PREVIOUS, "without an alias"
    assert set(head.envelopes) == {2, 3}


def test_a_rollback_exchanges_current_and_previous() -> None:
    head = promote(propose(promote(propose(register()), 1)), 2)
    head = promote(head, 1)
    assert head.aliases == {Alias.CURRENT: 1, Alias.PREVIOUS: 2}


def test_promoting_what_is_next_clears_it() -> None:
    head = stage(propose(promote(propose(register()), 1)), 2)
    assert head.aliases == {Alias.CURRENT: 1, Alias.NEXT: 2}
    assert set(head.envelopes) == {1, 2}
    assert promote(head, 2).aliases == {Alias.CURRENT: 2, Alias.PREVIOUS: 1}
    cleared = lifecycle.clear_next(head, epoch=1, now=NOW)
    assert (cleared.aliases, set(cleared.envelopes)) == ({Alias.CURRENT: 1}, {1})


def test_a_disabled_current_version_does_not_become_previous() -> None:
    head = disable(promote(propose(register()), 1), 1)
    assert head.aliases == {Alias.CURRENT: 1}
    assert head.envelopes == {}
    head = promote(propose(head), 2)
    assert head.aliases == {Alias.CURRENT: 2}
    assert head.versions[1].status is DISABLED


def test_a_destroyed_version_leaves_neither_envelope_nor_fingerprint() -> None:
    head = promote(propose(promote(propose(register()), 1)), 2)
    gone = destroy(head, 1)
    assert set(gone.envelopes) == {2}
    assert gone.versions[1].fingerprint is None
    assert gone.aliases == {Alias.CURRENT: 2, Alias.PREVIOUS: 1}, "reading previous answers 410"


def test_an_expired_version_is_not_promoted_or_staged() -> None:
    head = propose(register(), expires=int(NOW.timestamp()))
    for change in (promote, stage):
        with pytest.raises(VersionExpired):
            change(head, 1)


def test_an_expectation_is_compared_with_what_the_alias_names() -> None:
    head = promote(propose(register()), 1)
    lifecycle.expect(head, Alias.CURRENT, 1)
    lifecycle.expect(head, Alias.NEXT, None)
    for expected in (None, 2):
        with pytest.raises(StaleExpectation) as stale:
            lifecycle.expect(head, Alias.CURRENT, expected)
        assert stale.value.details == {"currentVersion": 1}


def with_versions(count: int) -> Head:
    head = promote(propose(register()), 1)
    for _ in range(count - 1):
        head = propose(head)
    return head


def test_the_oldest_versions_without_an_alias_leave_when_there_are_too_many() -> None:
    head = with_versions(limits.MAX_KEPT_VERSIONS)
    later = NOW + limits.PRUNE_MIN_AGE
    after = propose(head, now=later)
    assert len(after.versions) == limits.MAX_KEPT_VERSIONS
    assert 1 in after.versions, "it is the current one"
    assert 2 not in after.versions
    with pytest.raises(VersionDestroyed):
        after.version(2)


def test_no_version_younger_than_a_day_is_pruned() -> None:
    head = with_versions(limits.MAX_KEPT_VERSIONS)
    with pytest.raises(Conflict):
        propose(head, now=NOW + limits.PRUNE_MIN_AGE - timedelta(seconds=1))


def test_a_deleted_secret_changes_in_no_other_way() -> None:
    head = promote(propose(register()), 1)
    deleted = lifecycle.delete(head, restore_days=7, epoch=1, now=NOW)
    assert (deleted.status, deleted.restore_until) == (SecretStatus.DELETED, NOW + timedelta(days=7))
    assert lifecycle.delete(deleted, restore_days=30, epoch=1, now=NOW) is deleted
    for change in (promote, stage, disable, enable, destroy):
        with pytest.raises(Conflict):
            change(deleted, 1)
    with pytest.raises(Conflict):
        propose(deleted)
    with pytest.raises(Conflict):
        register(deleted)


def test_restoring_ends_with_its_days() -> None:
    head = promote(propose(register()), 1)
    deleted = lifecycle.delete(head, restore_days=7, epoch=1, now=NOW)
    restored = lifecycle.restore(deleted, epoch=1, now=NOW + timedelta(days=7) - timedelta(seconds=1))
    assert replace(restored, revision=head.revision, updated_at=head.updated_at) == head
    assert lifecycle.restore(head, epoch=1, now=NOW) is head
    with pytest.raises(Conflict):
        lifecycle.restore(deleted, epoch=1, now=NOW + timedelta(days=7))


def test_a_purged_secret_is_a_tombstone_on_which_a_new_one_begins() -> None:
    head = promote(propose(register()), 1)
    purged = lifecycle.purge(head, epoch=1, now=NOW)
    assert (purged.versions, purged.envelopes, purged.aliases, purged.tags) == ({}, {}, {}, {})
    assert (purged.description, purged.client_tokens, purged.latest_version) == ("", (), 1)
    assert lifecycle.purge(purged, epoch=1, now=NOW) is purged
    with pytest.raises(Conflict):
        lifecycle.restore(purged, epoch=1, now=NOW)
    again = register(purged, secret_id="sec_00000002")
    assert again.token > purged.token
    assert propose(again).latest_version == 2


def rewrap(head: Head, *numbers: int) -> Head:
    anew = {n: lifecycle.Rewrapped(envelope(100 + n), f"{n:064x}") for n in numbers}
    return lifecycle.rewrap(head, anew, epoch=1, now=NOW)


def test_rewrapping_changes_fingerprints_and_copies_of_envelopes_only() -> None:
    """Whatever a version's status is, it stays; what the head has no copy of, it gets none of."""
    head, _ = life()[CURRENT]
    after = rewrap(head, 2, 3, 4, 5)
    assert after.revision == head.revision + 1
    assert after.envelopes == {3: envelope(103), 4: envelope(104)}
    assert after.versions == {1: head.versions[1]} | {
        n: replace(head.versions[n], fingerprint=f"{n:064x}") for n in (2, 3, 4, 5)
    }
    same = replace(after, revision=head.revision, versions=head.versions, envelopes=head.envelopes)
    assert same == head


def test_a_part_of_the_versions_is_rewrapped_alone() -> None:
    head, _ = life()[CURRENT]
    after = rewrap(head, 3)
    assert after.envelopes == {**head.envelopes, 3: envelope(103)}
    assert {n for n in head.versions if after.versions[n] != head.versions[n]} == {3}


def test_what_has_no_value_is_not_rewrapped() -> None:
    head, _ = life()[CURRENT]
    with pytest.raises(VersionDestroyed):
        rewrap(head, 1)
    with pytest.raises(NotFound):
        rewrap(head, 6)
    with pytest.raises(Conflict):
        rewrap(lifecycle.purge(head, epoch=1, now=NOW), 3)


def test_a_deleted_secret_is_rewrapped_and_stays_deleted() -> None:
    head, _ = life()[CURRENT]
    deleted = lifecycle.delete(head, restore_days=7, epoch=1, now=NOW)
    after = rewrap(deleted, 4)
    assert (after.status, after.restore_until) == (SecretStatus.DELETED, deleted.restore_until)
    assert lifecycle.restore(after, epoch=1, now=NOW).envelopes[4] == envelope(104)


def test_metadata_changes_and_the_rest_stays() -> None:
    head = promote(propose(register()), 1)
    after = lifecycle.update_metadata(
        head, owner_team=None, rotation_strategy="automated-30d", description=None, tags={}, epoch=1, now=NOW
    )
    assert (after.owner_team, after.rotation_strategy, after.description, after.tags) == (
        "payments", "automated-30d", "what it is", {},
    )  # fmt: skip
    assert after.versions == head.versions


def test_client_tokens_are_remembered_up_to_a_limit() -> None:
    head = register()
    for index in range(limits.MAX_CLIENT_TOKENS + 1):
        head = lifecycle.remember(head, f"digest-{index}", operation="propose", version_number=index, now=NOW)
    assert head.token_use("digest-0", "propose") is None
    use = head.token_use("digest-1", "propose")
    assert use is not None
    assert use.version_number == 1
    with pytest.raises(InvalidRequest):
        head.token_use("digest-1", "put")
    assert head.token_use(None, "put") is None


def test_an_epoch_is_above_every_revision() -> None:
    head = promote(propose(register()), 1)
    later = lifecycle.disable(replace(head, revision=1), 1, epoch=2, now=NOW)
    assert later.token > head.token


DUE = RotationDue(NOW, "break-glass", "bg_1", 1)


def flag(head: Head, due: RotationDue = DUE, *, read_at: datetime = NOW) -> Head:
    return lifecycle.flag_rotation(head, due, read_at=read_at, epoch=1, now=NOW)


def test_a_flag_is_a_change_and_is_put_once() -> None:
    head = promote(propose(register()), 1)
    flagged = flag(head)
    assert (flagged.rotation_due, flagged.revision) == (DUE, head.revision + 1)
    assert flag(flagged, replace(DUE, grant_id="bg_2")) is flagged
    higher = flag(flagged, replace(DUE, grant_id="bg_2", version=2))
    assert higher.rotation_due == replace(DUE, version=2)


def test_promoting_a_later_version_clears_the_flag_and_nothing_else_does() -> None:
    flagged = flag(promote(propose(register()), 1))
    proposed = propose(flagged)
    assert proposed.rotation_due == stage(proposed, 2).rotation_due == disable(proposed, 1).rotation_due == DUE
    assert promote(proposed, 2).rotation_due is None
    read_too = flag(proposed, replace(DUE, version=2))
    assert promote(read_too, 2).rotation_due == replace(DUE, version=2)


def test_a_value_that_was_replaced_since_it_was_read_needs_no_flag() -> None:
    replaced = promote(propose(promote(propose(register()), 1)), 2)
    assert flag(replaced, read_at=NOW - timedelta(seconds=1)) is replaced
    # Read after the promotion: as an older version, whose value may still open something.
    assert flag(replaced).rotation_due == DUE


def test_what_is_purged_has_no_flag() -> None:
    purged = lifecycle.purge(flag(promote(propose(register()), 1)), epoch=1, now=NOW)
    assert purged.rotation_due is None
    assert flag(purged) is purged
