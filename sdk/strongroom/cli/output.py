"""What people see: results on standard output, progress and complaints on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

Tell = Callable[[str, int, int | None], None]


def results() -> Console:
    """Where results go."""
    return Console(highlight=False, soft_wrap=True)


def complaints() -> Console:
    """Where everything else goes."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def plain(text: str, style: str = "") -> Text:
    """A text as it is: no markup, and no control characters, which an object's name may hold."""
    return Text("".join(it if it.isprintable() or it == "\n" else "\N{REPLACEMENT CHARACTER}" for it in text), style)


@contextmanager
def progress(stages: dict[str, str], *, shown: bool) -> Iterator[Tell]:
    """Show how far each stage is, on a terminal; nothing elsewhere."""
    console = complaints()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bars:
        tasks = {name: bars.add_task(title, total=None, visible=False) for name, title in stages.items()}

        def tell(stage: str, done: int, of: int | None) -> None:
            bars.update(tasks[stage], completed=done, total=of, visible=True)

        yield tell
