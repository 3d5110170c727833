"""Exit codes of every command: an interface for scripts."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FINDINGS = 1
    """The command did its work, and the answer is no."""
    USAGE = 2
    """Options or arguments make no sense; nothing was done."""
    UNREADABLE = 3
    """What had to be asked did not answer, or refused."""
    INTERRUPTED = 130
    """Ctrl-C (128 and the signal's number, as shells have it)."""
