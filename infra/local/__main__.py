"""The command line behind `make up`, `make down` and `make demo`."""

import argparse
import sys

from infra.local import launcher
from infra.local.client import Description
from infra.local.errors import LocalCloudError
from infra.local.paths import PROJECT, LocalPaths

_INTERRUPTED = 130


def _tell(line: str) -> None:
    print(line, flush=True)


def _up(paths: LocalPaths) -> int:
    if not launcher.up(paths, _tell):
        _tell("The local cloud is up already; nothing was changed.")
        if not launcher.is_current(paths):
            _tell("It was made of other sources than those here now: `make down up` makes it anew.")
    _describe(paths)
    return 0


def _down(paths: LocalPaths) -> int:
    _tell("The local cloud is down." if launcher.down(paths) else "No local cloud was up.")
    return 0


def _status(paths: LocalPaths) -> int:
    if not launcher.is_up(paths):
        _tell("No local cloud is up; `make up` starts one.")
        return 1
    _describe(paths)
    return 0


def _describe(paths: LocalPaths) -> None:
    """Print the endpoints, the identities, and how to sign a request."""
    cloud = Description.read(paths.cloud)
    shown = paths.cloud.relative_to(PROJECT) if paths.cloud.is_relative_to(PROJECT) else paths.cloud
    _tell("")
    for region in cloud.regions:
        _tell(f"  {region.name:<10} {region.role:<8} {region.endpoint}")
    _tell(f"\n  AWS itself {cloud.aws_endpoint}   faults {cloud.proxy_control}")
    _tell(f"  identities {', '.join(cloud.identities)}: in {shown}")
    _tell("\nSign a request with curl (7.75 or later):\n")
    region = cloud.regions[-1]
    _tell(f'  eval "$({sys.executable} -m infra.local credentials reader)"')
    _tell(
        f'  curl --aws-sigv4 "aws:amz:{region.name}:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\'
    )
    _tell('    -H "x-amz-security-token: $AWS_SESSION_TOKEN" \\')
    _tell(f"    {region.endpoint}/values/prod/payments/db-password")


def _credentials(paths: LocalPaths, name: str) -> int:
    """Print an identity as shell exports."""
    identities = Description.read(paths.cloud).identities
    if name not in identities:
        raise LocalCloudError(f"there is no identity {name}; there are {', '.join(identities)}")
    identity = identities[name]
    _tell(f"export AWS_ACCESS_KEY_ID={identity.access_key_id}")
    _tell(f"export AWS_SECRET_ACCESS_KEY={identity.secret_access_key}")
    _tell(f"export AWS_SESSION_TOKEN={identity.session_token}")
    return 0


def main() -> int:
    """Parse the command line and run one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start and deploy the local cloud")
    commands.add_parser("down", help="stop it")
    commands.add_parser("status", help="tell whether it is up")
    credentials = commands.add_parser("credentials", help="print an identity as shell exports")
    credentials.add_argument("identity")
    options = parser.parse_args()
    paths = LocalPaths.default()
    try:
        match options.command:
            case "up":
                return _up(paths)
            case "down":
                return _down(paths)
            case "status":
                return _status(paths)
            case _:
                return _credentials(paths, options.identity)
    except LocalCloudError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was started has been stopped", file=sys.stderr)
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
