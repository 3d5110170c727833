"""What a benchmark is, how its numbers are taken, and how they are shown."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench.json"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure. `reference` is the peer's, measured in the same run; `ratio` is as the figure defines it."""

    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    p99: float | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"value": self.value, "unit": self.unit, "reference": self.reference, "ratio": self.ratio}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A named figure, what it is to reach, and how it is taken. A run may yield several that belong together."""

    name: str
    reach: str
    reached: Callable[[Result], bool] | None
    run: Callable[[], Result]


@dataclass
class Registry:
    """The benchmarks in the order in which they run."""

    benchmarks: list[Benchmark] = field(default_factory=list)

    def add(
        self, name: str, *, reach: str, reached: Callable[[Result], bool] | None = None
    ) -> Callable[[Callable[[], Result]], Callable[[], Result]]:
        """Register the function below."""

        def register(run: Callable[[], Result]) -> Callable[[], Result]:
            self.benchmarks.append(Benchmark(name=name, reach=reach, reached=reached, run=run))
            return run

        return register


REGISTRY = Registry()


def at_least(bound: float) -> Callable[[Result], bool]:
    return lambda result: result.ratio is not None and result.ratio >= bound


def at_most(bound: float) -> Callable[[Result], bool]:
    return lambda result: result.ratio is not None and result.ratio <= bound


def interleaved(*measures: Callable[[], float], rounds: int) -> list[list[float]]:
    """Each measure once a round, so that a machine's moods hit all of them alike."""
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for samples, measure in zip(taken, measures, strict=True):
            samples.append(measure())
    return taken


def percentile(samples: Sequence[float], share: float) -> float:
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


median = statistics.median


def show(results: dict[str, Result], benchmarks: Sequence[Benchmark], console: Console) -> None:
    table = Table(title="Figures", caption="Absolute times depend on the machine; the ratios count.")
    for name, justify in (
        ("figure", "left"), ("median", "right"), ("p99", "right"), ("unit", "left"), ("reference", "right"),
        ("ratio", "right"), ("reach", "left"), ("", "left"), ("note", "left"),
    ):  # fmt: skip
        table.add_column(name, justify="right" if justify == "right" else "left")
    for benchmark in benchmarks:
        result = results[benchmark.name]
        verdict = "" if benchmark.reached is None else "reached" if benchmark.reached(result) else "MISSED"
        table.add_row(
            benchmark.name,
            number(result.value),
            number(result.p99),
            result.unit,
            number(result.reference),
            number(result.ratio),
            benchmark.reach,
            verdict,
            result.note,
        )
    console.print(table)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def write(results: dict[str, Result], path: Path = RESULTS) -> None:
    """All figures of this run; those of an earlier run that were not taken again stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {name: it.as_json() for name, it in results.items()}, indent=2) + "\n")
