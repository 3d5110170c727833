"""Properties: a secret's life under any order of calls, and what late replicas may tell."""

import contextlib
import os
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from strongroom_service.domain.consistency import ConsistencyToken
from strongroom_service.domain.errors import DomainError
from strongroom_service.domain.names import Alias
from strongroom_service.domain.secret import Head, SecretStatus, VersionStatus
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.change_secret import delete_secret, purge_secret, restore_secret
from strongroom_service.usecases.change_version import destroy_version, disable_version, enable_version
from strongroom_service.usecases.changing import Target
from strongroom_service.usecases.ports import VersionKey
from strongroom_service.usecases.renew_namespace_key import renew_namespace_key
from strongroom_service.usecases.rewrap_namespace import RewrapQuery, rewrap_namespace
from tests.support.deployment import CALLER, NAME, REPLICA, Deployment
from tests.support.fakes import VersionItem

# The same examples in every run; STRONGROOM_EXAMPLES asks for more of them.
EXAMPLES = int(os.environ.get("STRONGROOM_EXAMPLES", "300"))
PROFILE = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    derandomize="STRONGROOM_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
NUMBERS = st.integers(1, 4)
SELECTORS = st.sampled_from([None, "previous", "next", "v1", "v2", "v3", "v4"])


class SecretsLife(RuleBasedStateMachine):
    """Callers do what they like, in any order; writes reach the replica item by item in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.deployment = Deployment()
        self.target = Target("default", secret_id="sec_none")
        self.latest = ConsistencyToken(0, 0)
        self.values: dict[int, str] = {}
        self.promoted: set[int] = set()
        self.destroyed: set[int] = set()
        self.keys: list[str] = []

    @initialize()
    def begin_with_two_versions(self) -> None:
        """Most of life comes after the first promotions."""
        self.register()
        for number in (1, 2):
            self.propose(expires=False)
            self.promote(number)

    @rule()
    def register(self) -> None:
        with contextlib.suppress(DomainError):
            self.target = self.deployment.register()

    @rule(expires=st.booleans())
    def propose(self, expires: bool) -> None:  # noqa: FBT001  # hypothesis calls it
        number = len(self.values) + 1
        moment = self.deployment.clock.now() + timedelta(minutes=5)
        with contextlib.suppress(DomainError):
            found = self.deployment.propose(
                self.target, f"value-{number}", expires_at_unix=int(moment.timestamp()) if expires else 0
            )
            assert found == number, "a number was given twice, or one was left out"
            self.values[found] = f"value-{found}"

    @rule(number=NUMBERS)
    def promote(self, number: int) -> None:
        with contextlib.suppress(DomainError):
            current = self.head().aliases.get(Alias.CURRENT) if self.exists() else None
            self.deployment.promote(self.target, number, current)
            self.promoted.add(number)

    @rule(number=NUMBERS)
    def stage(self, number: int) -> None:
        with contextlib.suppress(DomainError):
            expected = self.head().aliases.get(Alias.NEXT) if self.exists() else None
            self.deployment.move(self.target, Alias.NEXT, number, expected)

    @rule(number=NUMBERS, verb=st.sampled_from([disable_version, enable_version]))
    def disable_or_enable(self, number: int, verb: type[object]) -> None:
        with contextlib.suppress(DomainError):
            verb(number, target=self.target, caller=CALLER, ports=self.deployment.write_ports())  # type: ignore[call-arg]  # one of two functions

    @rule(number=NUMBERS)
    def destroy(self, number: int) -> None:
        with contextlib.suppress(DomainError):
            destroy_version(number, target=self.target, caller=CALLER, ports=self.deployment.write_ports())
            self.destroyed.add(number)

    @rule()
    def delete(self) -> None:
        with contextlib.suppress(DomainError):
            delete_secret(7, target=self.target, caller=CALLER, ports=self.deployment.write_ports())

    @rule()
    def restore(self) -> None:
        with contextlib.suppress(DomainError):
            restore_secret(target=self.target, caller=CALLER, ports=self.deployment.write_ports())

    @rule()
    def purge(self) -> None:
        with contextlib.suppress(DomainError):
            purge_secret(target=self.target, caller=CALLER, ports=self.deployment.write_ports())
            self.destroyed |= set(self.values)

    @rule()
    def renew_the_key(self) -> None:
        ports = self.deployment.write_ports()
        self.keys.append(renew_namespace_key(NAME.namespace, caller=CALLER, ports=ports).namespace_key_id)

    @rule()
    def rewrap(self) -> None:
        before = self.head()
        query = RewrapQuery(namespace=NAME.namespace)
        done = rewrap_namespace(query, caller=CALLER, ports=self.deployment.write_ports())
        assert (done.examined, done.failed, done.next_cursor) == (before.status is not SecretStatus.PURGED, 0, None)
        assert done.rewrapped == (self.head().token > before.token)
        if self.keys:
            assert self.keys_in_use() <= {self.keys[-1]}

    def keys_in_use(self) -> set[str]:
        items = [item for key, item in self.deployment.table.items.items() if key[0] == "version"]
        stored = [item.envelope for item in items if isinstance(item, VersionItem) and item.envelope]
        return {envelope.namespace_key_id for envelope in (*stored, *self.head().envelopes.values())}

    @rule(minutes=st.integers(1, 60 * 24))
    def time_passes(self, minutes: int) -> None:
        self.deployment.clock.advance(timedelta(minutes=minutes))

    @rule(choice=st.randoms(use_true_random=False))
    def something_arrives(self, choice: object) -> None:
        waiting = self.deployment.replica.waiting
        if waiting:
            self.deployment.replica.deliver(choice.randrange(len(waiting)))  # type: ignore[attr-defined]  # random.Random

    @rule(selector=SELECTORS)
    def read_in_the_replica(self, selector: str | None) -> None:
        self.check_read(selector, REPLICA)

    @rule(selector=SELECTORS)
    def read_in_the_writer_region(self, selector: str | None) -> None:
        self.check_read(selector, "us-east-1")

    def check_read(self, selector: str | None, region: str) -> None:
        table = self.deployment.table if region == "us-east-1" else self.deployment.replica.table
        head = table.items.get(("head", NAME))
        try:
            read = self.deployment.read(selector, region=region)
        except DomainError:
            return
        assert isinstance(head, Head)
        assert read.value.reveal_text() == f"value-{read.number}", "a mix of two states"
        assert read.token == head.token
        record = head.versions[read.number]
        assert head.status is SecretStatus.ACTIVE
        assert record.status not in {VersionStatus.DISABLED, VersionStatus.DESTROYED}
        if selector != "next":
            assert read.number in self.promoted, "it was never promoted"
        if region == "us-east-1":
            assert read.number not in self.destroyed

    def exists(self) -> bool:
        return ("head", NAME) in self.deployment.table.items

    def head(self) -> Head:
        return self.deployment.head()

    @invariant()
    def states_only_grow(self) -> None:
        if self.exists():
            token = self.head().token
            assert token >= self.latest
            self.latest = token

    @invariant()
    def a_head_never_contradicts_itself(self) -> None:
        if not self.exists():
            return
        head = self.head()
        current = [number for number, record in head.versions.items() if record.status is VersionStatus.CURRENT]
        assert len(current) <= 1
        if current:
            assert head.aliases[Alias.CURRENT] == current[0]
        assert set(head.aliases.values()) <= set(head.versions)
        assert len(set(head.aliases.values())) == len(head.aliases)
        assert max(head.versions, default=0) <= head.latest_version == len(self.values)
        readable = {VersionStatus.PENDING, VersionStatus.CURRENT, VersionStatus.PREVIOUS}
        aliased = {n for n in head.aliases.values() if head.versions[n].status in readable}
        assert set(head.envelopes) == aliased

    @invariant()
    def a_fingerprint_is_of_its_value_and_of_its_envelopes_key(self) -> None:
        if not self.exists():
            return
        head = self.head()
        for number, record in head.versions.items():
            stored = self.deployment.store.stored_envelope(NAME, VersionKey(number, record.epoch))
            if record.status is VersionStatus.DESTROYED:
                assert (stored, record.fingerprint) == (None, None)
                continue
            assert stored is not None
            assert head.envelopes.get(number, stored) == stored
            value = SecretValue.from_text(self.values[number])
            key = stored.namespace_key(NAME)
            found = self.deployment.encryption.fingerprint(value, secret_id=head.secret_id, key=key)
            assert record.fingerprint == found

    @invariant()
    def what_is_destroyed_is_nowhere(self) -> None:
        for key, item in self.deployment.table.items.items():
            if key[0] == "version" and isinstance(item, VersionItem) and key[2].number in self.destroyed:  # type: ignore[attr-defined]  # a VersionKey
                assert item.envelope is None
        if self.exists():
            assert self.destroyed.isdisjoint(self.head().envelopes)

    def teardown(self) -> None:
        """Once everything has arrived, both regions are the same."""
        self.deployment.arrive()
        here = {key: item for key, item in self.deployment.table.items.items() if key != ("fence",)}
        assert self.deployment.replica.table.items == here


SecretsLife.TestCase.settings = PROFILE
TestSecretsLife = SecretsLife.TestCase
