# ruff: noqa: INP001  # `layers` has no __init__.py on purpose: it holds files, and this one command
"""Builds the Lambda layers from their locked requirements, without Docker: `python -m layers.build --help`."""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
CODE: Final = HERE.parent / "functions"
OUTPUT: Final = HERE.parent / "build" / "layers"
LAYERS: Final = ("reader", "admin")
TARGETS: Final = ("lambda", "host")

LAMBDA_PYTHON: Final = "3.13"
LAMBDA_PLATFORM: Final = "aarch64-manylinux2014"
FIXED_TIME: Final = 315_532_800
"""1980-01-01, the oldest time that a zip file can carry: equal inputs give equal archives."""

SERVICES: Final = frozenset({
    "athena", "cloudwatch", "dynamodb", "dynamodbstreams", "events", "kinesis", "kms", "lambda", "logs", "s3", "sns",
    "sqs", "stepfunctions", "sts",
})  # fmt: skip
"""The services whose API models stay: botocore's models of all others are a third of a layer (16 of 51 MB)."""

UNNEEDED: Final = ("bin", "**/tests", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")
"""Left out. The rest of each dist-info stays: versions and entry points are looked up there, and licences lie there."""


class LayerBuildError(Exception):
    """A layer cannot be built; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A built folder (a layer holds `python/`, the code its packages), and a hash over all that went into it."""

    path: Path
    key: str


def build(name: str, target: str, *, locks: Path = HERE, output: Path = OUTPUT) -> Layer:
    """Build a layer unless what is there was built from the same inputs; raises `LayerBuildError`."""
    if name not in LAYERS or target not in TARGETS:
        raise LayerBuildError(f"there is no layer {name!r} for {target!r}: layers {LAYERS}, targets {TARGETS}")
    lock = locks / name / "requirements.lock"
    if not lock.exists():
        raise LayerBuildError(f"{lock} is missing")
    compiler = _compiler(target)

    def make(folder: Path) -> None:
        _install(lock, target, folder / "python")
        _strip(folder / "python")
        _compile(folder, "/opt", compiler, target)

    return _unless_there(output / target, name, _key(target, compiler, lock.read_bytes()), make)


def build_code(target: str, *, source: Path = CODE, output: Path = OUTPUT) -> Layer:
    """Copy the service's own code, with bytecode like a layer's; raises `LayerBuildError`."""
    files = sorted(path for path in source.rglob("*") if path.suffix in {".py", ".json"})
    compiler = _compiler(target)
    contents = [part for path in files for part in (str(path.relative_to(source)).encode(), path.read_bytes())]

    def make(folder: Path) -> None:
        for path in files:
            copy = folder / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        _compile(folder, "/var/task", compiler, target)

    return _unless_there(output / target, "code", _key(target, compiler, *contents), make)


def _unless_there(place: Path, name: str, key: str, make: Callable[[Path], None]) -> Layer:
    """Make a folder, all or nothing, unless the one that is there has the same key."""
    folder, stamp = place / name, place / f"{name}.key"
    with _alone(place):
        if not (stamp.exists() and stamp.read_text() == key and folder.is_dir()):
            # The stamp goes first and comes last: a build that is cut off never looks finished.
            stamp.unlink(missing_ok=True)
            with tempfile.TemporaryDirectory(dir=place, prefix=f".{name}-") as scratch:
                made = Path(scratch) / name
                made.mkdir()
                make(made)
                _settle(made)
                shutil.rmtree(folder, ignore_errors=True)
                made.rename(folder)
            stamp.write_text(key)
    return Layer(folder, key)


def _key(target: str, compiler: Path | None, *inputs: bytes) -> str:
    """A hash over all inputs: files, the target, whether there is bytecode, and this recipe itself."""
    platform = (
        f"{LAMBDA_PYTHON} {LAMBDA_PLATFORM}" if target == "lambda" else f"{sys.version} {sysconfig.get_platform()}"
    )
    digest = hashlib.sha256()
    for part in (f"{target} {platform} {compiler is not None}".encode(), Path(__file__).read_bytes(), *inputs):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One build at a time for each target, also between processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv() -> Path:
    beside = Path(sys.executable).parent / "uv"
    found = beside if beside.exists() else shutil.which("uv")
    if found is None:
        raise LayerBuildError("uv is missing: install the development requirements, or put uv on PATH")
    return Path(found)


def _install(lock: Path, target: str, folder: Path) -> None:
    command: list[str | Path] = [
        _uv(), "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:",
        # Copies: what is settled below must not change the files of the cache that other environments link to.
        "--link-mode", "copy", "--target", folder, "--requirement", lock,
    ]  # fmt: skip
    if target == "lambda":
        command += ["--python-version", LAMBDA_PYTHON, "--python-platform", LAMBDA_PLATFORM]
    else:
        command += ["--python", sys.executable]
    # What was downloaded once needs no network again; asked for first, since an index's answer is stale after minutes.
    if _run([*command, "--offline"]).returncode == 0:
        return
    shutil.rmtree(folder, ignore_errors=True)
    done = _run(command)
    if done.returncode:
        raise LayerBuildError(f"uv could not install {lock} for {target}:\n{done.stderr.strip()}")


def _strip(folder: Path) -> None:
    models = [path for path in (folder / "botocore" / "data").iterdir() if path.is_dir() and path.name not in SERVICES]
    for found in [*models, *(path for pattern in UNNEEDED for path in sorted(folder.glob(pattern)))]:
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink()


def _compiler(target: str) -> Path | None:
    """An interpreter whose bytecode the target reads. Bytecode of any other version would only be dead weight."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if target == "host" or running == LAMBDA_PYTHON:
        return Path(sys.executable)
    found = _run([_uv(), "python", "find", "--no-python-downloads", LAMBDA_PYTHON])
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def _compile(made: Path, mounted: str, compiler: Path | None, target: str) -> None:
    """Write bytecode that is never checked against its source: without it imports take 2.5 times as long."""
    if compiler is None:
        sys.stderr.write(
            f"warning: no Python {LAMBDA_PYTHON} found: {made.name} for {target} has no bytecode and "
            f"starts slowly; put python{LAMBDA_PYTHON} on PATH or run `uv python install {LAMBDA_PYTHON}`\n"
        )
        return
    done = _run([
        compiler, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
        # Files are named as they will lie in Lambda, so that the place of the build is not part of the result.
        "-s", made, "-p", mounted, made,
    ])  # fmt: skip
    if done.returncode:
        raise LayerBuildError(f"{made.name} does not compile:\n{done.stdout.strip()}{done.stderr.strip()}")


def _settle(made: Path) -> None:
    """Give every file the same time and plain permissions, whoever built it and when."""
    for path in [made, *made.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def _run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  # fixed programs, no shell


def size_of(folder: Path) -> int:
    """The bytes of all files below a folder: what Lambda's limit of 250 MB counts."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Build the layers that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m layers.build", description=__doc__)
    parser.add_argument(
        "--target", choices=TARGETS, default="lambda", help="lambda: arm64, Python 3.13; host: this one"
    )
    parser.add_argument("--only", choices=LAYERS, action="append", help="one layer; may be repeated (default: all)")
    arguments = parser.parse_args()
    try:
        for name in arguments.only or LAYERS:
            layer = build(name, arguments.target)
            sys.stdout.write(f"{layer.path}  {size_of(layer.path) / 1e6:.1f} MB  {layer.key[:12]}\n")
    except LayerBuildError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
