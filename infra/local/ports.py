"""Chooses loopback ports: the usual ones, or any free ones when those are taken."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack

HOST = "127.0.0.1"
"""The only address that anything here listens on."""


def choose(usual: Sequence[int]) -> list[int]:
    """One free port for each usual one, that one if possible; all are free together."""
    chosen: list[int] = []
    with ExitStack() as held:
        for port in usual:
            listener = held.enter_context(_bind(port))
            chosen.append(int(listener.getsockname()[1]))
    return chosen


def _bind(port: int) -> socket.socket:
    for candidate in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # As servers do: a port whose last connections still linger is free; one that someone listens on is not.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen()
        except OSError:
            listener.close()
            continue
        return listener
    raise OSError("no loopback port is free")
