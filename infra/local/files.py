"""Reads and writes the local cloud's small JSON files: whole or not at all, for their owner alone."""

import json
import os
from pathlib import Path
from typing import Any

_OWNER_ONLY = 0o600


def write_json(path: Path, value: object) -> None:
    """Replace a file at once; it holds credentials, so nobody else may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """A file's object, or None when it is absent or was cut short."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
