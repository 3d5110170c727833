"""Runs the real CDK command line against the emulator: bootstrap, then deploy of every stack."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.local.errors import LocalCloudError
from infra.local.files import write_json
from infra.local.options import ACCOUNT, ADMIN_KEY, PRIMARY, REGIONS, deployment_options
from infra.local.paths import PROJECT, LocalPaths
from infra.local.ports import HOST

_CLI = Path(__file__).with_name("node_modules") / "aws-cdk" / "bin" / "cdk"
_LOG_TAIL_LINES = 40
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_KEPT = frozenset(
    {"HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    | {*_PROXIES, *map(str.lower, _PROXIES)}
)
_KEPT_PREFIXES = ("UV_", "PIP_")
"""Of the user's environment: what the layers' builder needs to reach the package index."""


def command() -> list[str]:
    """The pinned CDK command line under the virtual environment's own Node; raises when it is not installed."""
    node = Path(sys.executable).with_name("node")
    for part in (node, _CLI):
        if not part.exists():
            raise LocalCloudError(f"{part.relative_to(PROJECT)} is missing; `make setup` installs it")
    return [str(node), str(_CLI)]


def environment(paths: LocalPaths, *, endpoint: str) -> dict[str, str]:
    """What the command line may see: the emulator's address and key, none of the user's AWS settings."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    direct = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), HOST]))
    nothing = str(paths.root / "no-aws-configuration")
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        # The layers are fetched through a proxy where there is one; the emulator is on this machine.
        "NO_PROXY": direct,
        "no_proxy": direct,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ADMIN_KEY,
        "AWS_SECRET_ACCESS_KEY": ADMIN_KEY,
        "AWS_REGION": PRIMARY,
        "AWS_CONFIG_FILE": nothing,
        "AWS_SHARED_CREDENTIALS_FILE": nothing,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_HOME": str(paths.root / "cdk-home"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        # jsii warns about each Node release it has not seen yet.
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "PYTHONUNBUFFERED": "1",
    }


def bootstrap(paths: LocalPaths, *, endpoint: str) -> None:
    """Bootstrap each region, as a new AWS account needs once."""
    targets = [f"aws://{ACCOUNT}/{region}" for region in REGIONS]
    # Run outside the project: with explicit targets nothing of the application is needed.
    _run("bootstrap", ["bootstrap", *targets], paths, endpoint=endpoint, folder=paths.root)


def deploy(paths: LocalPaths, *, endpoint: str, progress: Callable[[str], None]) -> None:
    """Synthesize the application with the local options and deploy all of its stacks."""
    write_json(paths.options, deployment_options())
    arguments = [
        "deploy", "--all",
        "--context", f"strongroom-config={paths.options}",
        "--output", str(paths.assembly),
        "--app", f"{sys.executable} -m infra.app",
        "--require-approval", "never",
        "--method", "direct",
        "--concurrency", "4",
        "--asset-parallelism",
        "--progress", "events",
    ]  # fmt: skip
    _run("deploy", arguments, paths, endpoint=endpoint, folder=PROJECT, progress=progress)


def _run(
    step: str,
    arguments: list[str],
    paths: LocalPaths,
    *,
    endpoint: str,
    folder: Path,
    progress: Callable[[str], None] = lambda _stack: None,
) -> None:
    """Run one command with its output in a log; raises with the log's end when it fails."""
    log = paths.log(f"cdk-{step}")
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - the pinned command line
            [*command(), *arguments, "--no-notices", "--ci", "--no-color"],
            cwd=folder,
            env=environment(paths, endpoint=endpoint),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            try:
                for line in process.stdout or ():
                    output.write(line)
                    if "✅" in line:
                        progress(line.replace("✅", "").split()[0])
            except BaseException:
                process.terminate()
                raise
    if process.returncode:
        tail = "\n".join(log.read_text().splitlines()[-_LOG_TAIL_LINES:])
        raise LocalCloudError(f"cdk {step} failed, its output is in {log}:\n{tail}")


def stack_outputs(describe: Callable[[str], Mapping[str, object]], stack: str) -> dict[str, str]:
    """A deployed stack's outputs; `describe` is CloudFormation's DescribeStacks."""
    stacks = describe(stack)["Stacks"]
    if not isinstance(stacks, list) or not stacks:
        raise LocalCloudError(f"the stack {stack} was not deployed")
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
