"""Sets the checkout up: virtual environment, locked packages, Node and the CDK's command line. Standard library only.

Run by any Python 3.11 or later, also one without pip or ensurepip. Each part is stamped with a hash of what it was made
from, so that a second run does nothing and needs no network.
"""

import configparser
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import venv
import zipfile
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = _PROJECT / ".venv"
_PYTHON = _ENVIRONMENT / "bin" / "python"
_UV = _ENVIRONMENT / "bin" / "uv"
_LOCK = _PROJECT / "requirements.lock"
_CLI = Path(__file__).with_name("package-lock.json")
_MODULES = Path(__file__).with_name("node_modules")
_ON_PATH = (_PROJECT, _PROJECT / "functions", _PROJECT / "sdk")
_OLDEST = (3, 11)


class SetupError(Exception):
    """What is missing, and what to do about it."""


def main() -> int:
    """Bring every part up to date; returns the exit code."""
    if sys.version_info < _OLDEST:
        print("error: Python 3.11 or later is needed; name one by `make PYTHON=...`", file=sys.stderr)
        return 1
    try:
        _python_packages()
        _command_line()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _python_packages() -> None:
    made_of = _digest(_LOCK, text=str(_PROJECT))
    stamp = _ENVIRONMENT / "strongroom.stamp"
    if _is(stamp, made_of) and _PYTHON.exists():
        return
    if not _works(_PYTHON):
        _say("making .venv")
        shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
        venv.EnvBuilder(with_pip=False, symlinks=True).create(_ENVIRONMENT)
    stamp.unlink(missing_ok=True)
    if not _works(_UV):
        _say("fetching uv")
        _fetch_uv()
    _say("installing the locked Python packages")
    _uv("pip", "sync", "--require-hashes", "--quiet", str(_LOCK))
    # The checkout itself is put on the path, so that an edit needs no installation.
    for packages in _ENVIRONMENT.glob("lib/python*/site-packages"):
        (packages / "strongroom-checkout.pth").write_text("".join(f"{folder}\n" for folder in _ON_PATH))
    stamp.write_text(made_of)


def _command_line() -> None:
    made_of = _digest(_CLI, _CLI.with_name("package.json"))
    stamp = _MODULES / ".strongroom.stamp"
    if _is(stamp, made_of):
        return
    _say("installing the CDK's command line")
    npm = _ENVIRONMENT / "bin" / "npm"
    path = os.pathsep.join([str(npm.parent), os.environ.get("PATH", "")])
    _run(
        [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
        folder=_CLI.parent,
        environment={**os.environ, "PATH": path},
        advice="npm could not install it: is the npm registry within reach?",
    )
    stamp.write_text(made_of)


def _fetch_uv() -> None:
    """Get the locked uv: by a pip that is there already, else straight from the package index."""
    lines = _locked("uv")
    requirements = _ENVIRONMENT / "uv.lock"
    requirements.write_text("\n".join(lines) + "\n")
    install = ["install", "--quiet", "--require-hashes", "--no-deps", "--requirement", str(requirements)]
    for pip in ([sys.executable, "-m", "pip", "--python", str(_PYTHON)], [str(_PYTHON), "-m", "pip"]):
        if _succeeds([*pip, *install]) and _works(_UV):
            return
        if pip[0] == sys.executable:
            # The second way: a pip of the environment's own, where Python brings one.
            _succeeds([str(_PYTHON), "-m", "ensurepip"])
    _download_uv(lines)


def _download_uv(lines: list[str]) -> None:
    """Take uv's wheel from the index by its JSON form (PEP 691), checked against the lock's hashes."""
    version = re.match(r"uv==(\S+)", lines[0])
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", "\n".join(lines)))
    index = _index()
    wanted = _wheel_pattern(version.group(1) if version else "")
    try:
        request = urllib.request.Request(  # noqa: S310 - the user's own package index
            f"{index}/uv/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
            files = json.load(response)["files"]
        found = next((file for file in files if wanted.fullmatch(file["filename"])), None)
        if found is None:
            raise SetupError(f"the package index has no uv for {platform.system()} on {platform.machine()}")
        with urllib.request.urlopen(urllib.parse.urljoin(f"{index}/uv/", found["url"]), timeout=300) as response:  # noqa: S310 - the same
            wheel = response.read()
    except (OSError, ValueError) as error:
        raise SetupError(f"uv could not be fetched: {error}; is the package index within reach?") from error
    if hashlib.sha256(wheel).hexdigest() not in hashes:
        raise SetupError("the fetched uv is not the one that requirements.lock names")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        _UV.write_bytes(archive.read(member))
    _UV.chmod(0o755)


def _wheel_pattern(version: str) -> re.Pattern[str]:
    machine = {"arm64": "(aarch64|arm64)", "aarch64": "(aarch64|arm64)"}.get(platform.machine(), platform.machine())
    system = {"Darwin": r"macosx_\d+_\d+", "Linux": r"manylinux[\w.]*"}.get(platform.system(), "none")
    return re.compile(rf"uv-{re.escape(version)}-py3-none-{system}_{machine}[\w.]*\.whl")


def _index() -> str:
    """The package index: what uv or pip are told to use, else the public one that both use by default."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(variable):
            return os.environ[variable].rstrip("/")
    configured = _pip_setting("index-url")
    if configured:
        return configured.rstrip("/")
    raise SetupError(
        "this Python has neither pip nor ensurepip, and no package index is configured: "
        "install pip, or name the index (its `simple` address) in PIP_INDEX_URL"
    )


def _pip_setting(name: str) -> str | None:
    """A setting of pip's configuration files, the user's before the machine's."""
    home = Path.home()
    files = [
        home / ".config/pip/pip.conf",
        home / ".pip/pip.conf",
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
    ]
    if os.environ.get("PIP_CONFIG_FILE"):
        files.insert(0, Path(os.environ["PIP_CONFIG_FILE"]))
    for file in files:
        parser = configparser.RawConfigParser()
        parser.read(file)
        for section in ("install", "global"):
            if parser.has_option(section, name):
                return parser.get(section, name)
    return None


def _uv(*arguments: str) -> None:
    """Run uv with pip's index and certificates, which it does not read by itself."""
    environment = {
        **os.environ,
        "VIRTUAL_ENV": str(_ENVIRONMENT),
        "UV_LINK_MODE": os.environ.get("UV_LINK_MODE", "copy"),
    }
    index = os.environ.get("PIP_INDEX_URL") or _pip_setting("index-url")
    if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys():
        environment["UV_DEFAULT_INDEX"] = index
    certificates = os.environ.get("PIP_CERT") or _pip_setting("cert")
    if certificates:
        environment.setdefault("SSL_CERT_FILE", certificates)
    _run(
        [str(_UV), *arguments, "--python", str(_PYTHON)],
        folder=_PROJECT,
        environment=environment,
        advice="uv could not install the packages: is the package index within reach, and the disk not full?",
    )


def _locked(package: str) -> list[str]:
    """A package's lines in the lock: its version and its hashes."""
    lines = iter(_LOCK.read_text().splitlines())
    for line in lines:
        if line.startswith(f"{package}=="):
            found = [line]
            while found[-1].endswith("\\"):
                found.append(next(lines))
            return found
    raise SetupError(f"requirements.lock has no {package}")


def _digest(*files: Path, text: str = "") -> str:
    digest = hashlib.sha256(text.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _is(stamp: Path, value: str) -> bool:
    return stamp.exists() and stamp.read_text() == value


def _works(program: Path) -> bool:
    return program.exists() and _succeeds([str(program), "--version"])


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - commands of this file


def _run(command: list[str], *, folder: Path, environment: dict[str, str], advice: str) -> None:
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:  # noqa: S603 - commands of this file
        raise SetupError(advice)


def _say(what: str) -> None:
    print(f"set-up: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
