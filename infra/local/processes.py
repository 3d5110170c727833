"""Starts background processes, recognises them later, and ends exactly those.

A recorded id alone is not enough: after a reboot, or once the process died, another may bear it. So each record keeps
when its process began, and nothing is signalled unless both agree.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE_FIELD, _START_FIELD = 0, 19  # of /proc/<pid>/stat, counted after the command's closing bracket
_POLL = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that was started here."""

    name: str
    pid: int
    began: str
    """When it started, in the words of this machine and boot."""

    def as_json(self) -> dict[str, Any]:
        """The record for the state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ProcessRecord":
        """The record from the state file."""
        return cls(str(value["name"]), int(value["pid"]), str(value["began"]))


def beginning_of(pid: int) -> str | None:
    """When a process started; None when there is none, or it has ended and only waits to be collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if _BOOT_ID.exists() else _beginning_by_ps(pid)
    if fields[_STATE_FIELD] in {"Z", "X"}:
        return None
    return f"{_BOOT_ID.read_text().strip()}:{fields[_START_FIELD]}"


def _beginning_by_ps(pid: int) -> str | None:
    """The same where there is no /proc, as on macOS."""
    command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    state, _, began = found.stdout.strip().partition(" ")
    return began.strip() if began and not state.startswith("Z") else None


def start(
    name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path, folder: Path
) -> ProcessRecord:
    """Start a process in a session of its own: a Ctrl-C at the terminal does not reach it, ending its group does."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of this package
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # The record outlives this object: the process is recognised by it, and collected in `is_running`.
    process.returncode = 0
    return ProcessRecord(name, process.pid, beginning_of(process.pid) or "")


def is_running(record: ProcessRecord) -> bool:
    """Whether the recorded process, and not another of its id, is alive."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(record.pid, os.WNOHANG)
    return bool(record.began) and beginning_of(record.pid) == record.began


def stop(record: ProcessRecord, *, grace: timedelta = timedelta(seconds=5)) -> None:
    """End a process and what it started: asked first, then killed."""
    if not is_running(record):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace.total_seconds()
    while time.monotonic() < deadline and is_running(record):
        time.sleep(_POLL.total_seconds())
    # Its children share the group, whose id no one else can take while one of them lives.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(record.pid, signal.SIGKILL)
    while is_running(record):
        time.sleep(_POLL.total_seconds())
