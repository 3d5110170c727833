"""A deployment of two regions over fakes: the use cases with everything that they need."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from strongroom_service.domain.access import Caller, Principal
from strongroom_service.domain.names import Alias, SecretName, Selector
from strongroom_service.domain.registry import Registry
from strongroom_service.domain.secret import Head
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.changing import Target
from strongroom_service.usecases.ports import AccessControl, ReadPorts, WritePorts
from strongroom_service.usecases.promote import AliasMove, move_alias
from strongroom_service.usecases.propose_version import Proposal, propose_version
from strongroom_service.usecases.read_values import ReadItem, ReadValue, read_value
from strongroom_service.usecases.register_secret import Registration, register_secret
from tests.support.audit_index import FakeAuditIndex
from tests.support.break_glass_fakes import FakeGrants
from tests.support.fakes import (
    Failures,
    FakeAccess,
    FakeAuditLog,
    FakeClock,
    FakeEncryption,
    FakeHeads,
    FakePolicy,
    FakeRandomness,
    FakeRegistry,
    FakeStore,
    FakeTable,
    FakeWritership,
    LateReplica,
)

WRITER, REPLICA = "us-east-1", "us-west-2"
NAME = SecretName("default", "prod", "payments/db-password")
ACCOUNT = "111122223333"
OPERATOR = f"iam:arn:aws:iam::{ACCOUNT}:role/operator"
REGISTRY = Registry(tenants={"default": frozenset({ACCOUNT})}, operators=frozenset({OPERATOR}))
CALLER = Caller(
    principal=Principal("iam:arn:aws:iam::111122223333:role/app", "111122223333", "session"),
    tenant="default",
    request_id="request-1",
    source_ip="192.0.2.1",
    user_agent="test",
)


@dataclass
class Deployment:
    """A writer region and a late replica, with the calls that tests make."""

    clock: FakeClock = field(default_factory=FakeClock)
    failures: Failures = field(default_factory=Failures)
    randomness: FakeRandomness = field(default_factory=FakeRandomness)
    policy: FakePolicy = field(default_factory=FakePolicy)
    registered: Registry = REGISTRY
    writership: FakeWritership = field(default_factory=lambda: FakeWritership(WRITER))
    replica: LateReplica = field(default_factory=LateReplica)
    access: AccessControl | None = None
    """Who may what by an access set, in the place of `policy`."""

    def __post_init__(self) -> None:
        self.table = FakeTable(replicas=[self.replica])
        self.store = FakeStore(self.table, self.failures)
        self.encryption = FakeEncryption(self.failures, self.randomness)
        self.audit = FakeAuditLog(self.failures)
        self.index = FakeAuditIndex(self.clock, self.failures)
        self.registry = FakeRegistry(self.registered, self.failures)
        self.slept: list[float] = []
        self._numbers = itertools.count(1)

    def write_ports(self, *, region: str = WRITER) -> WritePorts:
        store = self.store if region == WRITER else FakeStore(self.replica.table, self.failures)
        return WritePorts(
            region=region,
            regions=(WRITER, REPLICA),
            clock=self.clock,
            randomness=self.randomness,
            store=store,
            encryption=self.encryption,
            audit=self.audit,
            index=self.index,
            access=self.access or FakeAccess(self.policy),
            grants=FakeGrants(store.table, self.failures),
            registry=self.registry,
            writership=self.writership,
            sleep=self.slept.append,
        )

    def read_ports(self, *, region: str = WRITER) -> ReadPorts:
        table = self.table if region == WRITER else self.replica.table
        return ReadPorts(
            region=region,
            clock=self.clock,
            randomness=self.randomness,
            heads=FakeHeads(table, self.failures, self.registry, epoch=self.writership.epoch),
            envelopes=self.encryption,
            audit=self.audit,
            access=FakeAccess(self.policy),
            registry=self.registry,
            writership=self.writership,
        )

    def arrive(self) -> None:
        """Let every waiting write reach the replica, in order."""
        while self.replica.waiting:
            self.replica.deliver(0)

    def register(self, name: SecretName = NAME, **said: Any) -> Target:
        registration = Registration(**{"name": name, "owner_team": "payments", "rotation_strategy": "manual", **said})
        head = register_secret(registration, caller=CALLER, ports=self.write_ports())
        return Target("default", secret_id=head.secret_id)

    def propose(self, target: Target, value: str | None = None, **said: Any) -> int:
        text = value if value is not None else f"value-{next(self._numbers)}"
        proposal = Proposal(value=SecretValue.from_text(text), **said)
        return propose_version(proposal, target=target, caller=CALLER, ports=self.write_ports()).number

    def move(
        self, target: Target, alias: Alias, number: int, expected: int | None, *, client_token: str | None = None
    ) -> Head:
        wanted = AliasMove(alias=alias, number=number, expected=expected, client_token=client_token)
        return move_alias(wanted, target=target, caller=CALLER, ports=self.write_ports())

    def promote(self, target: Target, number: int, expected: int | None, *, client_token: str | None = None) -> Head:
        return self.move(target, Alias.CURRENT, number, expected, client_token=client_token)

    def stored(self, *values: str, name: SecretName = NAME) -> Target:
        """A secret whose versions have these values, each promoted in turn."""
        target = self.register(name)
        current = None
        for value in values:
            number = self.propose(target, value)
            self.promote(target, number, current)
            current = number
        return target

    def head(self, name: SecretName = NAME) -> Head:
        head = self.table.items[("head", name)]
        assert isinstance(head, Head)
        return head

    def read(
        self, version: str | None = None, *, region: str = WRITER, name: SecretName = NAME, caller: Caller = CALLER
    ) -> ReadValue:
        return read_value(ReadItem(name, Selector.parse(version)), caller=caller, ports=self.read_ports(region=region))

    def text(self, version: str | None = None, *, region: str = WRITER) -> str:
        return self.read(version, region=region).value.reveal_text()
