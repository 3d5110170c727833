"""Property: what concurrent writers do is what they could have done one after the other, in some order.

Each writer is a thread that stops before every call to the store; which of them goes on is drawn. So two writers of
one secret meet in every way in which their reads and writes can interleave, and the same way again when one fails.
"""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

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
from tests.support.deployment import CALLER, NAME, Deployment
from tests.support.wholeness import assert_whole, state

EXAMPLES = int(os.environ.get("STRONGROOM_EXAMPLES", "500"))
PROFILE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="STRONGROOM_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
KEY = "idempotency-key-1"

Work = Callable[[Target, WritePorts], object]
Outcome = str | int
"""The code of a refusal; of a success the number of the version that it made, or 0."""


def propose(client_token: str | None = None) -> Work:
    def work(target: Target, ports: WritePorts) -> int:
        proposal = Proposal(value=SecretValue.from_text("another"), client_token=client_token)
        return propose_version(proposal, target=target, caller=CALLER, ports=ports).number

    return work


def put(expectation: Expectation | None = None, client_token: str | None = None) -> Work:
    def work(_: Target, ports: WritePorts) -> int:
        proposal = Proposal(value=SecretValue.from_text("another"), client_token=client_token)
        wanted = Put(name=NAME, proposal=proposal, expectation=expectation, owner_team="payments")
        return put_value(wanted, caller=CALLER, ports=ports).number

    return work


def move(number: int, expected: int | None, alias: Alias = Alias.CURRENT) -> Work:
    def work(target: Target, ports: WritePorts) -> None:
        wanted = AliasMove(alias=alias, number=number, expected=expected)
        move_alias(wanted, target=target, caller=CALLER, ports=ports)

    return work


def on_version(change: Callable[..., object], number: int) -> Work:
    return lambda target, ports: change(number, target=target, caller=CALLER, ports=ports) and None


def on_secret(change: Callable[..., object], *said: object) -> Work:
    return lambda target, ports: change(*said, target=target, caller=CALLER, ports=ports) and None


WORKS: dict[str, Work] = {
    "propose": propose(),
    "propose once": propose(KEY),
    "put": put(),
    "put once": put(client_token=KEY),
    "put over version 2": put(Expectation(2)),
    "promote 3 over 2": move(3, 2),
    "roll back to 1": move(1, 2),
    "promote 3 over 1": move(3, 1),
    "stage 3": move(3, None, Alias.NEXT),
    "clear next": on_secret(clear_next),
    "disable 2": on_version(disable_version, 2),
    "disable 3": on_version(disable_version, 3),
    "enable 2": on_version(enable_version, 2),
    "destroy 1": on_version(destroy_version, 1),
    "destroy 3": on_version(destroy_version, 3),
    "update": on_secret(update_secret, MetadataChange(description="another")),
    "delete": on_secret(delete_secret, 7),
    "restore": on_secret(restore_secret),
    "purge": on_secret(purge_secret),
}


class Writer:
    """One caller's work, that goes on step by step."""

    def __init__(self, work: Work, target: Target, deployment: Deployment) -> None:
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._work, self._target, self._deployment = work, target, deployment
        self.outcome: Outcome | None = None
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> bool:
        """Let it work until it is about to call the store again; whether it has ended."""
        self._go.release()
        self._stopped.acquire()
        if self.failure is not None:
            raise self.failure
        return self.outcome is not None

    def _run(self) -> None:
        self._go.acquire()
        ports = self._deployment.write_ports()
        stopping: Any = Stopping(ports.store, self._wait)
        ports = replace(ports, store=stopping)
        try:
            self.outcome = outcome_of(self._work, self._target, ports)
        except BaseException as failure:  # noqa: BLE001  # raised again where the test sees it
            self.failure = failure
        self._stopped.release()

    def _wait(self) -> None:
        self._stopped.release()
        self._go.acquire()


class Stopping:
    """A store before each of whose calls its writer stops."""

    def __init__(self, store: Any, stop: Callable[[], None]) -> None:
        self._store, self._stop = store, stop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def call(*args: Any, **said: Any) -> Any:
            self._stop()
            return found(*args, **said)

        return call


def outcome_of(work: Work, target: Target, ports: WritePorts) -> Outcome:
    try:
        made = work(target, ports)
    except DomainError as refused:
        return refused.code
    return made if isinstance(made, int) else 0


def prepared() -> tuple[Deployment, Target]:
    """Version 2 is current, 1 previous, 3 pending."""
    deployment = Deployment()
    target = deployment.stored("one", "two")
    deployment.propose(target, "three")
    return deployment, target


def one_after_the_other(names: Sequence[str], order: Sequence[int]) -> tuple[list[Outcome | None], dict[Any, object]]:
    deployment, target = prepared()
    outcomes: list[Outcome | None] = [None] * len(names)
    for index in order:
        outcomes[index] = outcome_of(WORKS[names[index]], target, deployment.write_ports())
    return outcomes, state(deployment)


@PROFILE
@given(
    names=st.lists(st.sampled_from(sorted(WORKS)), min_size=2, max_size=3),
    turns=st.lists(st.integers(0, 2), max_size=30),
)
@example(names=["promote 3 over 2", "destroy 3"], turns=[0, 0, 0, *[1] * 8])
@example(names=["purge", "put"], turns=[0, 0, 0, 0, *[1] * 20])
@example(names=["purge", "put", "put"], turns=[*[0] * 6, 0, 0, 0, *[1] * 20])
def test_concurrent_writers_could_have_come_one_after_the_other(names: list[str], turns: list[int]) -> None:
    """`turns` says who goes on; when they are over, each that is left works to its end."""
    deployment, target = prepared()
    writers = [Writer(WORKS[name], target, deployment) for name in names]
    running = list(writers)
    for turn in itertools.chain(turns, itertools.repeat(0)):
        if not running:
            break
        writer = running[turn % len(running)]
        if writer.go_on():
            running.remove(writer)
    found = [writer.outcome for writer in writers], state(deployment)
    assert_whole(deployment)
    orders = itertools.permutations(range(len(names)))
    assert any(found == one_after_the_other(names, order) for order in orders), found[0]
