"""Runs the command line against a local cloud's archives, as a user would, and copies archives into folders."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.client import LocalCloud
from infra.local.paths import PROJECT


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    output: str
    complaints: str

    def report(self) -> dict[str, Any]:
        """What `--json` wrote."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def run_command(cloud: LocalCloud, *arguments: str) -> Ran:
    """`strongroom <arguments>` in a process of its own, with the administrator's credentials for the emulator."""
    admin = cloud.description.admin
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": cloud.description.direct_endpoint,
        "AWS_ACCESS_KEY_ID": admin.access_key_id,
        "AWS_SECRET_ACCESS_KEY": admin.secret_access_key,
        "PYTHONPATH": str(PROJECT / "sdk"),
    }
    command = [sys.executable, "-m", "strongroom", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    return Ran(done.returncode, done.stdout, done.stderr)


def copy_archive(cloud: LocalCloud, region: str, folder: Path) -> Path:
    """As `aws s3 sync` would copy it."""
    s3, bucket = cloud.aws("s3", region), cloud.archive(region)
    for key in _keys(s3, bucket):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return folder


def _keys(s3: Any, bucket: str) -> Iterator[str]:  # noqa: ANN401  # botocore's clients are untyped
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (entry["Key"] for entry in page.get("Contents", []))
