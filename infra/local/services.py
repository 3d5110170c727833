"""The local cloud's two background processes: the emulator, and the fault proxy before it."""

import os
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import urllib3

from infra.local import processes
from infra.local.errors import LocalCloudError
from infra.local.options import (
    ACCOUNT,
    ADMIN_KEY,
    PRIMARY,
    REGIONS,
    USUAL_AWS_PORT,
    USUAL_CONTROL_PORT,
    USUAL_EMULATOR_PORT,
    USUAL_REGION_PORT,
)
from infra.local.paths import PROJECT, LocalPaths
from infra.local.ports import HOST, choose
from infra.local.processes import ProcessRecord

_START_LIMIT = timedelta(seconds=30)
_POLL = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the processes listen, all on loopback."""

    emulator: int
    aws: int
    control: int
    regions: dict[str, int]

    @classmethod
    def choose(cls, *, usual: bool) -> "Ports":
        """The usual ports, as far as they are free; any free ones when `usual` is off."""
        wanted = [USUAL_EMULATOR_PORT, USUAL_AWS_PORT, USUAL_CONTROL_PORT]
        wanted += [USUAL_REGION_PORT + index for index in range(len(REGIONS))]
        emulator, aws, control, *regions = choose(wanted if usual else [0] * len(wanted))
        return cls(emulator=emulator, aws=aws, control=control, regions=dict(zip(REGIONS, regions, strict=True)))

    @property
    def direct_endpoint(self) -> str:
        """The emulator itself."""
        return f"http://{HOST}:{self.emulator}"

    @property
    def aws_endpoint(self) -> str:
        """The emulator through the fault proxy."""
        return f"http://{HOST}:{self.aws}"

    @property
    def control_url(self) -> str:
        """Where faults are asked for."""
        return f"http://{HOST}:{self.control}"


def _emulator_environment(paths: LocalPaths, ports: Ports) -> dict[str, str]:
    """All that the emulator sees; function workers inherit it, so it is spelled out rather than passed on."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "HOME": str(paths.scratch),
        "TMPDIR": str(paths.scratch),
        "AUTH": "true",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(ports.emulator),
        "MINISTACK_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": PRIMARY,
        # Listeners that nothing here uses, and that would bind to every address.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # What a function calls goes through the fault proxy.
        "AWS_ENDPOINT_URL": ports.aws_endpoint,
        "AWS_ACCESS_KEY_ID": ADMIN_KEY,
        "AWS_SECRET_ACCESS_KEY": ADMIN_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Each new function worker unpacks its own copy of the code; the compiled files come with it.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def start_emulator(paths: LocalPaths, ports: Ports) -> ProcessRecord:
    """Start MiniStack with the extensions."""
    paths.scratch.mkdir(parents=True, exist_ok=True)
    return processes.start(
        "emulator",
        [sys.executable, "-m", "infra.local.emulator"],
        environment=_emulator_environment(paths, ports),
        log=paths.log("emulator"),
        folder=PROJECT,
    )


def start_proxy(paths: LocalPaths, ports: Ports) -> ProcessRecord:
    """Start the fault proxy."""
    command = [
        sys.executable, "-m", "infra.local.faults",
        "--upstream", str(ports.emulator),
        "--aws", str(ports.aws),
        "--control", str(ports.control),
        "--admin-key", ADMIN_KEY,
    ]  # fmt: skip
    for region, port in ports.regions.items():
        command += ["--region", f"{region}={port}"]
    environment = {"PATH": "/usr/bin:/bin", "LANG": os.environ.get("LANG", "C.UTF-8")}
    return processes.start("faults", command, environment=environment, log=paths.log("faults"), folder=PROJECT)


def wait_until_up(paths: LocalPaths, ports: Ports, records: list[ProcessRecord]) -> None:
    """Wait until both processes answer; raises with the log's end when one has died."""
    pool = urllib3.PoolManager(retries=False, timeout=1.0)
    for record, url in zip(
        records, (f"{ports.direct_endpoint}/_ministack/health", ports.control_url + "/"), strict=True
    ):
        deadline = time.monotonic() + _START_LIMIT.total_seconds()
        while not _answers(pool, url):
            log = paths.log(record.name)
            if not processes.is_running(record) or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise LocalCloudError(f"the local cloud's {record.name} did not start; its output is in {log}:\n{tail}")
            time.sleep(_POLL.total_seconds())
    pool.clear()


def _answers(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", url).status == HTTPStatus.OK
    except urllib3.exceptions.HTTPError:
        return False
