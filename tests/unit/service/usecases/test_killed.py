"""The process dies at any point of any change: before or after every call to what is behind the use cases.

The points are found, not listed: each change is made once whole, and its calls counted. Then it is made as many
times as it has points, killed at one of them, and called again as its caller would: with the same idempotency key.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.domain.audit import Phase
from strongroom_service.domain.errors import DomainError
from strongroom_service.domain.names import Alias
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.change_secret import (
    MetadataChange,
    delete_secret,
    purge_secret,
    restore_secret,
    update_secret,
)
from strongroom_service.usecases.change_version import destroy_version, disable_version, enable_version
from strongroom_service.usecases.changing import Target
from strongroom_service.usecases.ports import WritePorts
from strongroom_service.usecases.promote import AliasMove, clear_next, move_alias
from strongroom_service.usecases.propose_version import Proposal, propose_version
from strongroom_service.usecases.put_value import Expectation, Put, put_value
from strongroom_service.usecases.register_secret import Registration, register_secret
from strongroom_service.usecases.renew_namespace_key import renew_namespace_key
from strongroom_service.usecases.rewrap_namespace import RewrapQuery, rewrap_namespace
from tests.support.deployment import CALLER, NAME, Deployment
from tests.support.wholeness import assert_whole, state

NEW = replace(NAME, path="payments/another")
KEY = "idempotency-key-1"
VALUE = "value-of-this-test"


class Killed(BaseException):
    """As a process ends: no handler of errors sees it."""


class Killer:
    """Counts points, and kills at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.points = 0
        self._at = at

    def pass_by(self) -> None:
        self.points += 1
        if self.points == self._at:
            raise Killed


class Killable:
    """A port whose every call has a point before and one after it; so have the calls of what it returns unfinished."""

    def __init__(self, port: Any, killer: Killer) -> None:
        self._port = port
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args: Any, **said: Any) -> Any:
            self._killer.pass_by()
            result = found(*args, **said)
            self._killer.pass_by()
            return Killable(result, self._killer) if hasattr(result, "receipts") else result

        return call


def killable(ports: WritePorts, killer: Killer) -> WritePorts:
    """Ports that can die at every call to the store, the audit and the encryption."""
    mortal: dict[str, Any] = {name: Killable(getattr(ports, name), killer) for name in ("store", "audit", "encryption")}
    return replace(ports, **mortal)


@dataclass(frozen=True)
class Change:
    """A change, what has to be there before it, and what its caller may hear when it calls again."""

    call: Callable[[Target, WritePorts], object]
    before: Callable[[Deployment, Target], object] = lambda *_: None
    refused_again: str | None = None
    """Code of a clear refusal, when the first call had done its work already; otherwise the second call succeeds."""


def proposal(value: str = VALUE) -> Proposal:
    return Proposal(value=SecretValue.from_text(value), client_token=KEY)


def registration() -> Registration:
    return Registration(name=NEW, owner_team="payments", rotation_strategy="manual", client_token=KEY)


def put(current: int | None) -> Put:
    return Put(name=NAME, proposal=proposal(), expectation=Expectation(current))


def move(number: int, expected: int | None, alias: Alias = Alias.CURRENT) -> AliasMove:
    return AliasMove(alias=alias, number=number, expected=expected, client_token=KEY)


def staged(deployment: Deployment, target: Target) -> None:
    deployment.move(target, Alias.NEXT, deployment.propose(target), None)


def disabled(deployment: Deployment, target: Target) -> None:
    disable_version(1, target=target, caller=CALLER, ports=deployment.write_ports())


def deleted(deployment: Deployment, target: Target) -> None:
    delete_secret(7, target=target, caller=CALLER, ports=deployment.write_ports())


def renewed(deployment: Deployment, target: Target) -> None:
    del target
    renew_namespace_key(NAME.namespace, caller=CALLER, ports=deployment.write_ports())


CHANGES = {
    "register": Change(lambda _, ports: register_secret(registration(), caller=CALLER, ports=ports)),
    "propose": Change(lambda target, ports: propose_version(proposal(), target=target, caller=CALLER, ports=ports)),
    "put": Change(lambda _, ports: put_value(put(2), caller=CALLER, ports=ports)),
    "promote": Change(
        lambda target, ports: move_alias(move(3, 2), target=target, caller=CALLER, ports=ports),
        before=lambda deployment, target: deployment.propose(target),
    ),
    "rollback": Change(lambda target, ports: move_alias(move(1, 2), target=target, caller=CALLER, ports=ports)),
    "stage": Change(
        lambda target, ports: move_alias(move(3, None, Alias.NEXT), target=target, caller=CALLER, ports=ports),
        before=lambda deployment, target: deployment.propose(target),
    ),
    "clear-next": Change(lambda target, ports: clear_next(target=target, caller=CALLER, ports=ports), before=staged),
    "update": Change(
        lambda target, ports: update_secret(
            MetadataChange(description="new"), target=target, caller=CALLER, ports=ports
        )
    ),
    "disable": Change(lambda target, ports: disable_version(1, target=target, caller=CALLER, ports=ports)),
    "enable": Change(
        lambda target, ports: enable_version(1, target=target, caller=CALLER, ports=ports),
        before=disabled,
        refused_again="conflict",
    ),
    "destroy": Change(lambda target, ports: destroy_version(1, target=target, caller=CALLER, ports=ports)),
    "delete": Change(lambda target, ports: delete_secret(7, target=target, caller=CALLER, ports=ports)),
    "restore": Change(lambda target, ports: restore_secret(target=target, caller=CALLER, ports=ports), before=deleted),
    "purge": Change(lambda target, ports: purge_secret(target=target, caller=CALLER, ports=ports)),
    "renew": Change(lambda _, ports: renew_namespace_key(NAME.namespace, caller=CALLER, ports=ports)),
    "rewrap": Change(
        lambda _, ports: rewrap_namespace(RewrapQuery(namespace=NAME.namespace), caller=CALLER, ports=ports),
        before=renewed,
    ),
}


def prepared(change: Change) -> tuple[Deployment, Target]:
    """A secret whose version 2 is current and 1 is previous, and what the change needs besides."""
    deployment = Deployment()
    target = deployment.stored("one", "two")
    change.before(deployment, target)
    deployment.clock.advance(timedelta(seconds=1))
    return deployment, target


def points_of(change: Change) -> int:
    deployment, target = prepared(change)
    killer = Killer()
    change.call(target, killable(deployment.write_ports(), killer))
    return killer.points


def refusal_of(change: Change, target: Target, deployment: Deployment) -> str | None:
    """The code by which a change is refused, if it is."""
    try:
        change.call(target, deployment.write_ports())
    except DomainError as error:
        return error.code
    return None


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_was_killed_anywhere_is_completed_by_the_next_call(name: str) -> None:
    change = CHANGES[name]
    finished, target = prepared(change)
    change.call(target, finished.write_ports())
    assert points_of(change) > 6, "a change without store and audit"
    for point in range(1, points_of(change) + 1):
        deployment, target = prepared(change)
        before = state(deployment)
        recorded = len(deployment.audit.events)
        with pytest.raises(Killed):
            change.call(target, killable(deployment.write_ports(), Killer(at=point)))
        new = deployment.audit.events[recorded:]
        if state(deployment) != before:
            assert Phase.INTENT in {event.phase for event in new}, f"{point}: a change without its intent"
        refusal = refusal_of(change, target, deployment)
        assert refusal in {None, change.refused_again}, f"killed at {point}"
        assert_whole(deployment)
        assert state(deployment) == state(finished), f"killed at {point}"
