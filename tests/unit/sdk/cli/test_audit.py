"""The command line of the verification: what it says, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from strongroom.audit import Kind
from strongroom.cli import audit, output
from strongroom.cli.app import app
from tests.support.archives import PLACE, GeneratedArchive

PROJECT = Path(__file__).resolve().parents[4]
WIDE = {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}


class Copy:
    """A copy of an archive in a folder, with the key that it was sealed by."""

    def __init__(self, folder: Path) -> None:
        self.archive = GeneratedArchive()
        self.keys = self.archive.hours(2, chains=[self.archive.chain()])
        self.folder = self.archive.bucket.copy_to(folder / "archive")
        self.key = folder / "digest.pem"
        self.key.write_bytes(self.archive.signer.pem())

    def verify(self, *more: str) -> Result:
        return run("audit", "verify", "--directory", str(self.folder), "--public-key", str(self.key), *more)

    def tamper(self) -> str:
        (self.folder / self.keys[0]).write_bytes(b"")
        return self.keys[0]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env=WIDE)


def test_a_sound_copy_ends_with_zero(copy: Copy) -> None:
    done = copy.verify()
    assert done.exit_code == 0, done.output
    assert "Sound: nothing was found." in done.stdout
    assert PLACE.bucket in done.stdout
    assert done.stderr == ""


def test_a_tampered_copy_ends_with_one_and_names_it(copy: Copy) -> None:
    key = copy.tamper()
    done = copy.verify()
    assert done.exit_code == 1
    assert "Not sound." in done.stdout
    assert f"object {key}" in done.stdout
    assert "object_changed" in done.stdout


def test_the_report_for_machines_has_these_names(copy: Copy) -> None:
    """An interface: names stay, new ones may come."""
    receipt = str(copy.archive.receipts[0])
    done = copy.verify("--json", "--receipt", receipt)
    report = json.loads(done.stdout)
    assert set(report) == {
        "formatVersion", "sound", "archive", "publicKey", "digests", "objects", "records", "repeated", "chains",
        "unsealed", "receipts", "counts", "findings", "notes",
    }  # fmt: skip
    assert report["formatVersion"] == 1
    assert report["archive"] == {
        "stage": "test", "account": "111122223333", "region": "us-east-1", "bucket": PLACE.bucket
    }  # fmt: skip
    assert set(report["digests"]) == {"count", "last", "lastSha256", "sealedAt"}
    assert report["digests"]["sealedAt"] == "2030-01-01T14:00:00.000Z"
    assert set(report["unsealed"]) == {"objects", "records", "oldest"}
    (proven,) = report["receipts"]
    assert proven == {"receipt": receipt, "key": copy.keys[0], "line": 1, "digest": 1}


def test_findings_for_machines_have_these_names(copy: Copy) -> None:
    copy.tamper()
    done = copy.verify("--json", "--receipt", str(copy.archive.receipts[0]))
    report = json.loads(done.stdout)
    assert (done.exit_code, report["sound"]) == (1, False)
    assert report["counts"] == {"object_changed": 1, "receipt_unknown": 1, "record_missing": 1}
    names = {name for finding in report["findings"] for name in finding}
    assert names == {
        "kind", "message", "key", "line", "eventId", "chainId", "sequence", "lastSequence", "digest", "receipt"
    }  # fmt: skip


def test_a_known_digest_that_is_gone_is_found(copy: Copy) -> None:
    digests = json.loads(copy.verify("--json").stdout)["digests"]
    known = f"{digests['last']}.{digests['lastSha256']}"
    assert copy.verify("--known-digest", known).exit_code == 0
    (copy.folder / "digests" / "000000000002.json").unlink()
    done = copy.verify("--known-digest", known)
    assert done.exit_code == 1
    assert Kind.DIGEST_ROLLED_BACK in done.stdout


def test_times_choose_what_is_read(copy: Copy) -> None:
    for times, objects in (
        (("--from", "2030-01-01"), 4),
        (("--from", "2030-01-01T13:30:00Z"), 2),
        (("--from", "2030-01-01T14:30:00+01:00"), 2),
        (("--to", "2030-01-01"), 4),
        (("--to", "2029-12-31"), 0),
    ):
        done = copy.verify("--json", *times)
        assert (done.exit_code, json.loads(done.stdout)["objects"]) == (0, objects), times


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--directory", "."), "--public-key"),
        (("--bucket", "b"), "--bucket and --region"),
        ((), "--directory"),
        (("--bucket", "b", "--region", "us-east-1"), "--key-id"),
        (("--directory", ".", "--bucket", "b", "--key-id", "alias/x"), "--region"),
        (("--directory", ".", "--public-key", "k", "--key-id", "alias/x"), "either"),
        (("--directory", ".", "--public-key", "k", "--receipt", "x"), "eventId.chainId.sequence.hash"),
        (("--directory", ".", "--public-key", "k", "--known-digest", "x"), "number.sha256"),
        (("--directory", ".", "--public-key", "k", "--from", "yesterday"), "--from"),
        (("--directory", ".", "--public-key", "k", "--to", "2030-01-01T00:00:00"), "offset"),
        (("--directroy", "."), "--directory"),
        (("--publickey", "k"), "--public-key"),
    ],
)
def test_wrong_use_ends_with_two_and_says_what_was_meant(arguments: Sequence[str], said: str) -> None:
    done = run("audit", "verify", *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stdout == ""


def test_times_that_end_before_they_begin_are_wrong_use(copy: Copy) -> None:
    done = copy.verify("--from", "2030-01-02", "--to", "2030-01-01")
    assert done.exit_code == 2
    assert "ends before it begins" in done.stderr


def test_a_mistyped_command_is_told_what_was_meant() -> None:
    done = run("audit", "verfy")
    assert done.exit_code == 2
    assert "verify" in done.stderr


def test_what_cannot_be_read_ends_with_three(copy: Copy, tmp_path: Path) -> None:
    """A missing folder, a missing key, a key that is none; for machines in their own words."""
    key = str(copy.key)
    no_folder = run("audit", "verify", "--directory", str(tmp_path / "none"), "--public-key", key)
    no_key = run("audit", "verify", "--directory", str(copy.folder), "--public-key", str(tmp_path / "none.pem"))
    copy.key.write_text("no key")
    bad_key = copy.verify("--json")
    assert [it.exit_code for it in (no_folder, no_key, bad_key)] == [3, 3, 3]
    assert "is not a folder" in no_folder.stderr
    assert "cannot be read" in no_key.stderr
    assert json.loads(bad_key.stdout)["error"]["code"] == "unreadable"


def test_an_interruption_is_told_in_a_word(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "verify", interrupt)
    done = copy.verify()
    assert done.exit_code == 130
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.output


def test_ctrl_c_ends_a_running_command_cleanly(copy: Copy, tmp_path: Path) -> None:
    """By the signal itself, while it waits for something: here for a key that nobody writes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "strongroom", "audit", "verify", "--directory", str(copy.folder)]
    options: dict[str, Any] = {"cwd": PROJECT / "sdk", "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Opening the pipe returns when the command has opened its end.
    with subprocess.Popen([*command, "--public-key", str(pipe)], **options) as running, pipe.open("wb"):  # noqa: S603
        running.send_signal(signal.SIGINT)
        out, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert out == b""
    assert b"interrupted" in told
    assert b"Traceback" not in told


@pytest.mark.parametrize("command", [("audit", "verify"), ("audit", "public-key"), ()])
def test_each_commands_help_has_an_example(command: Sequence[str]) -> None:
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert "Example" in done.stdout
    assert "strongroom audit" in done.stdout


def test_a_public_key_is_of_a_stage_or_a_key() -> None:
    done = run("audit", "public-key", "--region", "us-east-1")
    assert done.exit_code == 2
    assert "--stage or --key-id" in done.stderr


def test_the_version_is_told() -> None:
    done = run("--version")
    assert done.exit_code == 0
    assert done.stdout.startswith("strongroom ")


def test_an_objects_name_cannot_speak_to_the_terminal() -> None:
    """It may hold anything: an escape sequence, a line end, markup."""
    assert output.plain("\x1b[31m[bold]x\r").plain == "\N{REPLACEMENT CHARACTER}[31m[bold]x\N{REPLACEMENT CHARACTER}"


def in_a_process(*code: str, **said: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, *code], capture_output=True, text=True, check=False, cwd=PROJECT / "sdk", **said
    )


def test_importing_the_client_loads_nothing_of_the_command_line() -> None:
    """Applications pay for what they use."""
    code = (
        "import sys, strongroom;"
        "print([it for it in sys.modules if it.partition('.')[0] in {'typer', 'rich', 'cryptography', 'sqlite3'}"
        " or it.startswith(('strongroom.audit', 'strongroom.cli.')) or it == 'strongroom.cli'])"
    )
    assert in_a_process("-c", code).stdout == "[]\n"


def test_without_its_extra_the_command_says_so() -> None:
    code = (
        "import sys; sys.modules['typer'] = None; sys.argv = ['strongroom'];"
        "from strongroom.cli import main; sys.exit(main())"
    )
    done = in_a_process("-c", code)
    assert done.returncode == 2
    assert done.stderr == "strongroom: the command line is an extra: pip install 'strongroom[cli]'\n"


def test_the_package_is_a_command_too() -> None:
    done = in_a_process("-m", "strongroom", "--version")
    assert (done.returncode, done.stdout[:11]) == (0, "strongroom ")
