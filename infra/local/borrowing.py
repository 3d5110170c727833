"""Lends a local cloud to the tests, the demo and the bench: the one that runs, or one of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infra.local import launcher
from infra.local.client import LocalCloud
from infra.local.paths import LocalPaths


@contextmanager
def borrowed_cloud(name: str, tell: Callable[[str], None]) -> Iterator[LocalCloud]:
    """A cloud made of these very sources, without faults and with all replication arrived.

    The one that `make up` started is used if it was made of the sources as they are now, and is left as it was found.
    Otherwise one is started with a state directory of its own, `name`, on any free ports, and is stopped at the end.
    """
    usual = LocalPaths.default()
    if launcher.is_current(usual):
        tell("using the local cloud that is up")
        with _opened(usual) as cloud:
            yield cloud
        return
    with own_cloud(name, tell) as cloud:
        yield cloud


@contextmanager
def own_cloud(name: str, tell: Callable[[str], None]) -> Iterator[LocalCloud]:
    """A freshly deployed cloud with a state directory of its own, `name`, on any free ports, stopped at the end."""
    paths = LocalPaths.default().beside(name)
    with launcher.own(paths, tell), _opened(paths) as cloud:
        yield cloud


@contextmanager
def _opened(paths: LocalPaths) -> Iterator[LocalCloud]:
    with LocalCloud.open(paths) as cloud:
        cloud.reset()
        try:
            yield cloud
        finally:
            cloud.reset()
