"""Brings the local cloud up and down: idempotent, and nothing is left running when it fails or is interrupted."""

import fcntl
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import NoReturn

import urllib3
from botocore.session import Session

from infra.local import aws, cdk, processes, services
from infra.local.errors import LocalCloudError
from infra.local.files import read_json, write_json
from infra.local.fingerprint import fingerprint
from infra.local.identities import make_identities
from infra.local.options import ACCOUNT, ADMIN_KEY, PRIMARY, REGIONS, STAGE
from infra.local.paths import LocalPaths
from infra.local.ports import HOST
from infra.local.processes import ProcessRecord
from infra.local.requests import Identity

_ADMIN = Identity(ADMIN_KEY, ADMIN_KEY, "", "")
_HEALTH_LIMIT = timedelta(seconds=30)
_NEEDED_BYTES = 400 * 1024 * 1024
_API_PATH = "/_aws/execute-api"

Tell = Callable[[str], None]


def is_up(paths: LocalPaths) -> bool:
    """Whether a whole cloud runs: described, and each of its processes alive."""
    records = _records(paths)
    return bool(records) and read_json(paths.cloud) is not None and all(map(processes.is_running, records))


def is_current(paths: LocalPaths) -> bool:
    """Whether a running cloud was made of the sources as they are now."""
    described = read_json(paths.cloud)
    return is_up(paths) and described is not None and described.get("fingerprint") == fingerprint()


def up(paths: LocalPaths, tell: Tell, *, usual_ports: bool = True) -> bool:
    """Start and deploy a cloud; returns False, having done nothing, when one runs already."""
    with _launching(paths):
        if is_up(paths):
            return False
        _stop_all(paths)
        _check_disk(paths)
        cdk.command()
        with interruptible():
            try:
                _start(paths, tell, usual_ports=usual_ports)
            except BaseException:
                _stop_all(paths)
                raise
    return True


def down(paths: LocalPaths) -> bool:
    """Stop what was started; returns whether anything ran."""
    if not paths.root.exists():
        return False
    with _launching(paths):
        ran = any(map(processes.is_running, _records(paths)))
        _stop_all(paths)
    return ran


def _start(paths: LocalPaths, tell: Tell, *, usual_ports: bool) -> None:
    began = time.monotonic()

    def done(what: str, since: float) -> float:
        now = time.monotonic()
        tell(f"{what:<46} {now - since:6.1f} s")
        return now

    made_of = fingerprint()
    ports = services.Ports.choose(usual=usual_ports)
    records: list[ProcessRecord] = []
    for start in (services.start_emulator, services.start_proxy):
        records.append(start(paths, ports))
        write_json(paths.processes, {"processes": [record.as_json() for record in records]})
    services.wait_until_up(paths, ports, records)
    step = done("emulator and fault proxy", began)
    cdk.bootstrap(paths, endpoint=ports.direct_endpoint)
    step = done(f"cdk bootstrap of {' and '.join(REGIONS)}", step)
    cdk.deploy(paths, endpoint=ports.direct_endpoint, progress=lambda stack: tell(f"  {stack}"))
    step = done("cdk deploy --all", step)
    session = Session()

    def client(service: str, region: str) -> aws.AwsClient:
        return aws.client(session, service, region, endpoint=ports.direct_endpoint, identity=_ADMIN)

    api_ids = {
        region: cdk.stack_outputs(
            lambda stack, region=region: client("cloudformation", region).describe_stacks(StackName=stack),  # type: ignore[misc]  # a default binds the loop's region
            f"Strongroom-{STAGE}-Api-{region}",
        )["ApiId"]
        for region in REGIONS
    }
    identities = make_identities(client("iam", PRIMARY), client("sts", PRIMARY), api_ids=api_ids)
    endpoints = {region: f"http://{HOST}:{ports.regions[region]}{_API_PATH}/{api_ids[region]}/v1" for region in REGIONS}
    described = {
        "stage": STAGE,
        "account": ACCOUNT,
        "regions": [
            {
                "name": region,
                "role": "writer" if region == PRIMARY else "replica",
                "endpoint": endpoint,
                # The request's own host is what is signed, so no other one has to be named.
                "hostHeader": None,
            }
            for region, endpoint in endpoints.items()
        ],
        "identities": {name: identity.as_json() for name, identity in identities.items()},
        "aws": {
            "endpoint": ports.aws_endpoint,
            "directEndpoint": ports.direct_endpoint,
            "adminAccessKeyId": ADMIN_KEY,
            "adminSecretAccessKey": ADMIN_KEY,
        },
        "proxy": {"control": ports.control_url},
        "pid": records[0].pid,
        "fingerprint": made_of,
    }
    for endpoint in endpoints.values():
        _wait_until_healthy(endpoint)
    write_json(paths.cloud, described)
    done("identities, and health in each region", step)
    done("in all", began)


def _wait_until_healthy(endpoint: str) -> None:
    """Ask the API's health route until it says ok."""
    pool = urllib3.PoolManager(retries=False, timeout=_HEALTH_LIMIT.total_seconds())
    deadline = time.monotonic() + _HEALTH_LIMIT.total_seconds()
    while True:
        response = pool.request("GET", f"{endpoint}/health")
        if response.status == HTTPStatus.OK:
            return
        if time.monotonic() > deadline:
            raise LocalCloudError(f"{endpoint}/health answers {response.status}: {response.data[:500]!r}")
        time.sleep(0.2)


def _records(paths: LocalPaths) -> list[ProcessRecord]:
    found = read_json(paths.processes) or {}
    return [ProcessRecord.from_json(entry) for entry in found.get("processes", [])]


def _stop_all(paths: LocalPaths) -> None:
    """Stop the recorded processes that still are ours, and forget the cloud; also cleans up after a crash."""
    for record in reversed(_records(paths)):
        processes.stop(record)
    for file in (paths.cloud, paths.processes):
        file.unlink(missing_ok=True)
    shutil.rmtree(paths.scratch, ignore_errors=True)


def _check_disk(paths: LocalPaths) -> None:
    free = shutil.disk_usage(paths.root).free
    if free < _NEEDED_BYTES:
        raise LocalCloudError(
            f"the local cloud needs {_NEEDED_BYTES >> 20} MiB in {paths.root}, and {free >> 20} MiB are free"
        )


@contextmanager
def own(paths: LocalPaths, tell: Tell) -> Iterator[None]:
    """A cloud of the caller's own on any free ports, started here and stopped at the end, also on Ctrl-C.

    What an earlier owner left behind, killed before it could stop it, is stopped first.
    """
    with _locked(paths.owner, f"another run uses the local cloud in {paths.root}; wait for it, or end it"):
        down(paths)
        with interruptible():
            try:
                up(paths, tell, usual_ports=False)
                yield
            finally:
                down(paths)


@contextmanager
def _locked(file: Path, otherwise: str) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends; raises `LocalCloudError` when another one has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalCloudError(otherwise) from None
        yield


def _launching(paths: LocalPaths) -> AbstractContextManager[None]:
    return _locked(paths.lock, f"another `make up` or `make down` is at work in {paths.root}; wait for it, or end it")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind like Ctrl-C, so that what was started is stopped."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
