"""What a person sees of the demo: each step with its time as it ends, and a summary of one screen."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PASSED = Text("✓", style="bold green")
_FAILED = Text("✗", style="bold red")
_ENCODABLE = {"utf-8", "utf8"}


class StepFailed(Exception):
    """The platform did something else than the step says; the message tells what was seen, never a value."""


def expect(seen: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence: expect(status == 200, "...")
    """Fail the step unless it was seen."""
    if not seen:
        raise StepFailed(what)


@dataclass(slots=True)
class Step:
    """One step. `detail` is what was seen, said in a few words."""

    title: str
    detail: str = ""
    took: timedelta = timedelta(0)
    passed: bool = False


@dataclass(slots=True)
class Chapter:
    """Steps that show one thing."""

    title: str
    steps: list[Step] = field(default_factory=list)


class Show:
    """Tells the demo's story while it happens."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._chapters: list[Chapter] = []
        self._began = time.monotonic()
        plain = self._console.encoding.lower() not in _ENCODABLE
        self._passed = Text("ok") if plain else _PASSED
        self._failed = Text("FAILED") if plain else _FAILED

    def open(self, title: str, subtitle: str) -> None:
        """Say what is about to be shown."""
        self._console.print(Text(title, style="bold"))
        self._console.print(subtitle)

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapters.append(Chapter(title))
        self._console.print()
        self._console.print(Text(title, style="bold cyan"))

    def tell(self, line: str) -> None:
        """Say something on the way, such as a part of a longer step."""
        self._console.print(Text(f"    {line}", style="dim"))

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Time a step and show how it ended; an exception fails it and goes on its way."""
        step = Step(title)
        self._chapters[-1].steps.append(step)
        began = time.monotonic()
        try:
            yield step
            step.passed = True
        finally:
            step.took = timedelta(seconds=time.monotonic() - began)
            self._console.print(self._line(step))

    def summary(self) -> bool:
        """Show every chapter's result on one screen; returns whether all passed."""
        table = Table(box=None, pad_edge=False, show_header=False)
        for chapter in self._chapters:
            good = bool(chapter.steps) and all(step.passed for step in chapter.steps)
            took = sum((step.took for step in chapter.steps), timedelta(0))
            done = sum(step.passed for step in chapter.steps)
            steps = f"{done} of {len(chapter.steps)} steps"
            table.add_row(self._passed if good else self._failed, chapter.title, steps, seconds(took))
        self._console.print()
        self._console.print(Text("Summary", style="bold"))
        self._console.print(table)
        passed = bool(self._chapters) and all(step.passed for chapter in self._chapters for step in chapter.steps)
        whole = seconds(timedelta(seconds=time.monotonic() - self._began))
        verdict = "Everything was seen to work" if passed else "Not everything worked"
        self._console.print(Text(f"{verdict}, in {whole.strip()}.", style="bold"))
        return passed

    def complain(self, message: str) -> None:
        """Say why it stopped."""
        self._console.print(Text(f"    {message}", style="red"))

    def _line(self, step: Step) -> Table:
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=len(self._failed.plain), no_wrap=True)
        row.add_column(ratio=1)
        row.add_column(justify="right", no_wrap=True, width=9)
        text = Text(step.title)
        if step.detail:
            text.append(f": {step.detail}", style="dim")
        row.add_row(self._passed if step.passed else self._failed, text, seconds(step.took))
        return row


def seconds(duration: timedelta) -> str:
    """A duration as people read it: milliseconds below a second."""
    value = duration.total_seconds()
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
