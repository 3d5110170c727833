"""What is promised to be wiped is nowhere in the process's memory: looked for as a dump of it would be searched.

The values and keys are made by this process and are in the reader's only through the answers of AWS that it is given.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.reader_fixture import ENVIRONMENT, NAME, answers
from tests.support.memory import copies
from tests.support.memory_reader import READY
from tests.support.scripted_aws import Answer, scripted_aws

pytestmark = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no /proc to look into")

ROOT = Path(__file__).resolve().parents[3]
LEFT_BEHIND = 8
"""Copies of one value that may remain, as the threat model says, however many reads there were: what libraries and the
answer's text left in memory that is not given out again yet."""


@contextmanager
def reader_after(reads: int, *, value: str, key: bytes) -> Iterator[int]:
    """The id of a reader's process that has read a value under a namespace key so often, and holds still."""
    with scripted_aws() as aws:
        for operation, answer in answers(value=value, key=key).items():
            aws.script(operation, Answer(answer))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV", "PYTEST"))},
            **ENVIRONMENT,
            "AWS_ENDPOINT_URL": aws.url,
            "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("functions", "sdk", ".")),
        }
        command = [sys.executable, "-m", "tests.support.memory_reader", str(reads)]
        with subprocess.Popen(  # noqa: S603  # our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            try:
                wait_for_ready(process)
                yield process.pid
            finally:
                process.kill()


def wait_for_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == READY:
            return
    pytest.fail("the reader ended before it was ready")


def test_no_namespace_key_lies_open_while_it_is_cached() -> None:
    """After fifty reads its only copy is sealed: neither the cache nor a buffer of any read shows it."""
    key = secrets.token_bytes(32)
    with reader_after(50, value="made-up-value-of-32-characters-x", key=key) as reader:
        assert copies(reader, key) == 0
        assert copies(reader, NAME.path.encode()) > 0, "the search finds what is there"


@pytest.mark.parametrize("reads", [1, 50])
def test_values_do_not_pile_up_in_memory(reads: int) -> None:
    """The buffers that values were opened into are wiped; what others leave behind does not grow with the reads."""
    value = f"made-up-{secrets.token_hex(16)}"
    with reader_after(reads, value=value, key=secrets.token_bytes(32)) as reader:
        assert copies(reader, value.encode()) <= LEFT_BEHIND
