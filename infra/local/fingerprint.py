"""Tells whether a running cloud was made of the sources as they are now."""

import hashlib
from pathlib import Path

from infra.local.paths import PROJECT

_SOURCES = ("functions", "infra", "layers", "cdk.json", "requirements.lock")
_SKIPPED = frozenset({"__pycache__", "node_modules", "build"})


def fingerprint(project: Path = PROJECT) -> str:
    """A hash over everything that a deployment is made of."""
    digest = hashlib.sha256()
    for source in _SOURCES:
        top = project / source
        files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        for path in files:
            relative = path.relative_to(project)
            if _SKIPPED.isdisjoint(relative.parts):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{relative.as_posix()}\0{content}\0".encode())
    return digest.hexdigest()
