"""Reads: which version a caller gets, what it is told instead, and that nothing leaves without a record."""

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom_service.domain.access import Action
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.consistency import ConsistencyToken
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    DomainError,
    IntegrityFailure,
    InternalError,
    KmsUnavailable,
    NotFound,
    ReplicaBehind,
    ResponseTooLarge,
    StoreUnavailable,
    VersionDestroyed,
    VersionDisabled,
    VersionExpired,
    VersionPending,
)
from strongroom_service.domain.names import Alias, SecretName, Selector
from strongroom_service.domain.secret import Envelope
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.change_version import destroy_version, disable_version
from strongroom_service.usecases.ports import EnvelopeOpener, VersionBinding, VersionKey
from strongroom_service.usecases.read_revisions import Revision, RevisionItem, read_revisions
from strongroom_service.usecases.read_values import ReadItem, ReadValue, read_batch, read_value
from tests.support.deployment import CALLER, NAME, REPLICA, Deployment
from tests.support.fakes import VersionItem

OTHER = SecretName("default", "prod", "payments/api-key")


def batch(deployment: Deployment, *names: SecretName) -> list[ReadValue | DomainError]:
    items = [ReadItem(name, Selector.parse(None)) for name in names]
    return read_batch(items, caller=CALLER, ports=deployment.read_ports())


def test_the_current_version_with_its_facts(deployment: Deployment) -> None:
    deployment.stored("first", "second")
    value = deployment.read()
    assert value.value.reveal_text() == "second"
    assert (value.number, value.alias, value.expires_at_unix) == (2, Alias.CURRENT, 0)
    assert value.token == deployment.head().token
    assert value.receipt.event_id == deployment.audit.events[-1].event_id


def test_every_way_to_name_a_version(deployment: Deployment) -> None:
    target = deployment.stored("first", "second", "third")
    deployment.move(target, Alias.NEXT, deployment.propose(target, "fourth"), None)
    texts = {name: deployment.text(name) for name in (None, "current", "previous", "next", "v1", "v2", "v3")}
    assert texts == {
        None: "third",
        "current": "third",
        "previous": "second",
        "next": "fourth",
        "v1": "first",
        "v2": "second",
        "v3": "third",
    }
    assert deployment.read("v2").alias is Alias.PREVIOUS
    assert deployment.read("v1").alias is None


def test_a_release_is_recorded_with_who_and_what(deployment: Deployment) -> None:
    target = deployment.stored("first")
    deployment.read()
    event = deployment.audit.events[-1]
    assert (event.phase, event.action, event.allowed, event.version) == (Phase.RELEASE, AuditAction.READ, True, 1)
    assert (event.tenant, event.environment, event.path) == (NAME.tenant, NAME.environment, NAME.path)
    assert event.secret_id == target.secret_id
    assert (event.actor, event.session) == (CALLER.principal.id, CALLER.principal.session)
    assert (event.source_ip, event.user_agent) == (CALLER.source_ip, CALLER.user_agent)
    assert (event.request_id, event.region) == (CALLER.request_id, "us-east-1")


@pytest.mark.parametrize("version", [None, "previous", "v7"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_denial_comes_first_and_is_recorded(deployment: Deployment, version: str | None, *, exists: bool) -> None:
    """Who may not read learns neither whether the secret is there nor what state it is in."""
    if exists:
        deployment.stored("first")
    deployment.policy.allowed.discard(Action.READ)
    with pytest.raises(AccessDenied):
        deployment.read(version)
    event = deployment.audit.events[-1]
    assert (event.phase, event.allowed, event.outcome) == (Phase.DENIAL, False, "access_denied")
    assert deployment.failures.calls["encryption.open"] == 0


def refusals(deployment: Deployment) -> dict[str, type[DomainError]]:
    """Selectors of a secret that has every state, with what each is refused by."""
    target = deployment.stored("first", "second", "third", "fourth")
    ports = deployment.write_ports()
    destroy_version(1, target=target, caller=CALLER, ports=ports)
    disable_version(2, target=target, caller=CALLER, ports=ports)
    deployment.propose(target, "fifth")
    soon = int((deployment.clock.now() + timedelta(seconds=1)).timestamp())
    expiring = deployment.propose(target, "sixth", expires_at_unix=soon)
    deployment.promote(target, expiring, 4)
    deployment.clock.advance(timedelta(seconds=1))
    return {
        "v1": VersionDestroyed,
        "v2": VersionDisabled,
        "v5": VersionPending,
        "v6": VersionExpired,
        "current": VersionExpired,
        "v7": NotFound,
        "next": NotFound,
    }


def test_each_refusal_is_recorded_as_what_it_is(deployment: Deployment) -> None:
    for version, error in refusals(deployment).items():
        with pytest.raises(error):
            deployment.read(version)
        event = deployment.audit.events[-1]
        assert (event.phase, event.outcome) == (Phase.OUTCOME, error.code)
    assert deployment.text("previous") == "fourth"


def test_an_unknown_secret_is_not_found_by_who_may_know(deployment: Deployment) -> None:
    with pytest.raises(NotFound):
        deployment.read()


@pytest.mark.parametrize("version", [None, "v1"])
def test_without_a_record_no_value_leaves(deployment: Deployment, version: str | None) -> None:
    """What was opened meanwhile is wiped."""
    deployment.stored("first")
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        deployment.read(version)
    assert [bytes(value.buffer) for value in deployment.encryption.opened] == [bytes(5)]


def test_without_a_record_a_denial_is_not_told_either(deployment: Deployment) -> None:
    deployment.policy.allowed.discard(Action.READ)
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        deployment.read()


@pytest.mark.parametrize("error", [KmsUnavailable(), IntegrityFailure()])
def test_a_release_that_fails_is_followed_by_its_outcome(deployment: Deployment, error: DomainError) -> None:
    deployment.stored("first")
    deployment.failures.plan("encryption.open", error)
    with pytest.raises(type(error)):
        deployment.read()
    release, outcome = deployment.audit.events[-2:]
    assert (release.phase, outcome.phase) == (Phase.RELEASE, Phase.OUTCOME)
    assert outcome.outcome == error.code
    assert release.operation_id == outcome.operation_id


class Broken:
    """Envelopes with a defect: it opens every other one, and ends in an error that is not the domain's."""

    def __init__(self, envelopes: EnvelopeOpener) -> None:
        self._envelopes = envelopes
        self._calls = 0

    def open(self, envelope: Envelope, binding: VersionBinding) -> SecretValue:
        self._calls += 1
        if self._calls % 2 == 1:
            raise KeyError("Plaintext")
        return self._envelopes.open(envelope, binding)


def test_a_defect_while_opening_is_followed_by_its_outcome_too(deployment: Deployment) -> None:
    """The record of the release is waited for, what else was asked for is served, and the log learns the cause."""
    deployment.stored("first")
    deployment.stored("other", name=OTHER)
    ports = deployment.read_ports()
    ports = replace(ports, envelopes=Broken(ports.envelopes))
    items = [ReadItem(name, Selector.parse(None)) for name in (NAME, OTHER)]
    failed, served = read_batch(items, caller=CALLER, ports=ports)
    assert isinstance(failed, InternalError)
    assert isinstance(failed.__cause__, KeyError)
    assert isinstance(served, ReadValue)
    released, [outcome] = deployment.audit.records[-2:]
    assert [event.phase for event in released] == [Phase.RELEASE, Phase.RELEASE]
    assert (outcome.phase, outcome.path, outcome.outcome) == (Phase.OUTCOME, NAME.path, "internal_error")
    with pytest.raises(InternalError) as told:
        read_value(items[0], caller=CALLER, ports=ports)
    assert isinstance(told.value.__cause__, KeyError)


def test_a_failing_store_is_told_as_such(deployment: Deployment) -> None:
    deployment.stored("first")
    before = len(deployment.audit.events)
    deployment.failures.plan("heads.fetch", StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        deployment.read()
    assert len(deployment.audit.events) == before


def test_an_envelope_of_another_secret_does_not_open(deployment: Deployment) -> None:
    deployment.stored("first")
    deployment.stored("other", name=OTHER)
    head, other = deployment.head(), deployment.head(OTHER)
    deployment.table.items["head", NAME] = type(head)(
        **{field: getattr(head, field) for field in head.__slots__} | {"envelopes": other.envelopes}
    )
    with pytest.raises(IntegrityFailure):
        deployment.read()


def test_a_replica_is_behind_until_the_state_arrives(deployment: Deployment) -> None:
    target = deployment.stored("first")
    deployment.arrive()
    token = deployment.promote(target, deployment.propose(target, "second"), 1).token
    ports = deployment.read_ports(region=REPLICA)
    item = ReadItem(NAME, Selector.parse(None), token)
    with pytest.raises(ReplicaBehind) as behind:
        read_value(item, caller=CALLER, ports=ports)
    assert behind.value.details == {"writerRegion": "us-east-1"}
    assert deployment.text(region=REPLICA) == "first"
    deployment.arrive()
    assert read_value(item, caller=CALLER, ports=ports).value.reveal_text() == "second"


def test_a_secret_that_has_not_arrived_is_behind_for_who_knows_of_it(deployment: Deployment) -> None:
    """Without a token it is not found; in the writer region there is nothing to wait for."""
    item = ReadItem(NAME, Selector.parse(None), ConsistencyToken(1, 1))
    with pytest.raises(ReplicaBehind):
        read_value(item, caller=CALLER, ports=deployment.read_ports(region=REPLICA))
    with pytest.raises(NotFound):
        deployment.read(region=REPLICA)
    with pytest.raises(NotFound):
        read_value(item, caller=CALLER, ports=deployment.read_ports())


def test_a_version_whose_item_is_late_is_behind_in_a_replica_and_broken_in_the_writer(deployment: Deployment) -> None:
    deployment.stored("first", "second", "third")
    deployment.arrive()
    for table in (deployment.table, deployment.replica.table):
        table.items["version", NAME, VersionKey(1, 1)] = VersionItem(None, "")
    with pytest.raises(ReplicaBehind):
        deployment.read("v1", region=REPLICA)
    with pytest.raises(IntegrityFailure):
        deployment.read("v1")


def test_a_batch_is_one_record_with_an_event_for_each_item(deployment: Deployment) -> None:
    deployment.stored("first")
    deployment.stored("other", name=OTHER)
    missing = SecretName("default", "prod", "missing")
    results = batch(deployment, NAME, missing, OTHER)
    first, second, third = results
    assert isinstance(first, ReadValue)
    assert isinstance(second, NotFound)
    assert isinstance(third, ReadValue)
    assert [first.value.reveal_text(), third.value.reveal_text()] == ["first", "other"]
    record = deployment.audit.records[-1]
    assert [event.path for event in record] == [NAME.path, "missing", OTHER.path]
    assert [first.receipt.event_id, third.receipt.event_id] == [record[0].event_id, record[2].event_id]


def test_a_batch_says_which_item_the_store_left_out(deployment: Deployment) -> None:
    deployment.stored("first")
    deployment.stored("other", name=OTHER)
    ports = deployment.read_ports()
    assert hasattr(ports.heads, "unprocessed")
    ports.heads.unprocessed.add(OTHER)
    items = [ReadItem(name, Selector.parse(None)) for name in (NAME, OTHER)]
    first, second = read_batch(items, caller=CALLER, ports=ports)
    assert isinstance(first, ReadValue)
    assert isinstance(second, StoreUnavailable)


def test_a_batch_that_would_be_too_large_refuses_what_does_not_fit(deployment: Deployment) -> None:
    """Before the audit: its record says what left and what did not."""
    names = [SecretName("default", "prod", f"large-{index}") for index in range(12)]
    for name in names:
        deployment.stored("\x01" * 64 * 1024, name=name)
    results = batch(deployment, *names)
    served = [result for result in results if isinstance(result, ReadValue)]
    refused = [result for result in results if isinstance(result, ResponseTooLarge)]
    assert len(served) + len(refused) == 12
    assert served
    assert refused
    assert sum(result.value.encoded_size() for result in served) < 4 * 1024 * 1024
    outcomes = [event.outcome for event in deployment.audit.records[-1]]
    assert outcomes == ["" if isinstance(result, ReadValue) else "response_too_large" for result in results]


def test_a_batch_without_a_record_tells_nothing(deployment: Deployment) -> None:
    deployment.stored("first")
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        batch(deployment, NAME)
    assert [bytes(value.buffer) for value in deployment.encryption.opened] == [bytes(5)]


def test_revisions_tell_states_without_opening_anything(deployment: Deployment) -> None:
    deployment.stored("first", "second")
    deployment.stored("other", name=OTHER)
    token = deployment.head().token
    known = [
        RevisionItem(NAME, token),
        RevisionItem(OTHER, ConsistencyToken(1, 1)),
        RevisionItem(SecretName("default", "prod", "missing")),
    ]
    before = deployment.failures.calls["encryption.open"]
    same, changed, missing = read_revisions(known, caller=CALLER, ports=deployment.read_ports())
    assert isinstance(same, Revision)
    assert (same.changed, same.token, same.aliases) == (False, token, {Alias.CURRENT: 2, Alias.PREVIOUS: 1})
    assert isinstance(changed, Revision)
    assert changed.changed
    assert isinstance(missing, NotFound)
    assert deployment.failures.calls["encryption.open"] == before
    assert [event.action for event in deployment.audit.records[-1]] == [AuditAction.READ_REVISION] * 3


def test_revisions_without_a_record_are_not_told(deployment: Deployment) -> None:
    deployment.stored("first")
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        read_revisions([RevisionItem(NAME)], caller=CALLER, ports=deployment.read_ports())


def older_version(deployment: Deployment) -> None:
    """Version 1, which no alias names any more, written under the epoch before."""
    deployment.stored("first", "second", "third")
    deployment.writership.epoch = 2


def test_a_version_of_another_epoch_takes_one_round_trip_more(deployment: Deployment) -> None:
    older_version(deployment)
    deployment.failures.calls.clear()
    assert deployment.text("v1") == "first"
    assert deployment.failures.calls["heads.fetch"] == 2
    assert deployment.text("v3") == "third"
    assert deployment.failures.calls["heads.fetch"] == 3


def test_a_batch_asks_for_all_such_versions_at_once(deployment: Deployment) -> None:
    older_version(deployment)
    deployment.failures.calls.clear()
    items = [ReadItem(NAME, Selector.parse(version)) for version in ("v1", "v2", "v1", "current", "v9")]
    results = read_batch(items, caller=CALLER, ports=deployment.read_ports())
    texts = [it.value.reveal_text() if isinstance(it, ReadValue) else it.code for it in results]
    assert texts == ["first", "second", "first", "third", "not_found"]
    assert deployment.failures.calls["heads.fetch"] == 2


def test_who_may_not_read_costs_the_same_for_what_exists_and_what_does_not(deployment: Deployment) -> None:
    """Also where a version that exists would take a second round trip."""
    older_version(deployment)
    deployment.policy.allowed.clear()
    seen = []
    for name in (NAME, SecretName("default", "prod", "not/there")):
        for version in (None, "next", "v1", "v99"):
            deployment.failures.calls.clear()
            with pytest.raises(AccessDenied) as denied:
                deployment.read(version, name=name)
            seen.append((str(denied.value), denied.value.details, dict(deployment.failures.calls)))
    assert seen == [("Access denied.", {}, {"heads.fetch": 1, "audit": 1})] * 8
