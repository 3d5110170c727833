"""The command line's root: one module for each group of commands, added here."""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from . import audit
from .exits import Exit

app = typer.Typer(
    name="strongroom",
    help="Strongroom: secrets in your own AWS accounts, and proof of who read them.",
    no_args_is_help=True,
    # A trace shows a program's inside to people who want to know what to do; and never local variables.
    pretty_exceptions_enable=False,
    epilog="Example: strongroom audit verify --directory ./archive --public-key digest.pem",
)
app.add_typer(audit.app, name="audit")


def _show_version(wanted: bool) -> None:  # noqa: FBT001  # typer's callback
    if wanted:
        try:
            known = version("strongroom")
        except PackageNotFoundError:
            known = "not installed as a package"
        typer.echo(f"strongroom {known}")
        raise typer.Exit


@app.callback()
def root(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Strongroom: secrets in your own AWS accounts, and proof of who read them."""
    del show_version


def run() -> int:
    """Run the command line; returns its exit code."""
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.DONE
    except KeyboardInterrupt:
        sys.stderr.write("strongroom: interrupted\n")
        return Exit.INTERRUPTED
    return Exit.DONE
