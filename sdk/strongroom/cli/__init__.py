"""The command `strongroom`. Its packages come with the extra `strongroom[cli]`."""

import sys

_MISSING = 2


def main() -> int:
    """Run the command line; returns its exit code."""
    try:
        from .app import run  # noqa: PLC0415  # typer and rich are an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"typer", "rich", "click"}:
            raise
        sys.stderr.write("strongroom: the command line is an extra: pip install 'strongroom[cli]'\n")
        return _MISSING
    return run()
