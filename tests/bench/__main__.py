"""The command behind `make bench`."""

import argparse
import sys

from rich.console import Console

from tests.bench import audit_side, client_side, cost, policy_side, reader_side, through_api
from tests.bench.harness import REGISTRY, RESULTS, show, write
from tests.bench.herd import figures as herd

MODULES = (client_side, reader_side, policy_side, audit_side, cost, through_api, herd)


def main() -> int:
    """Run all benchmarks, or those named; show and write the figures. A missed reach is shown, not hidden."""
    names = [benchmark.name for benchmark in REGISTRY.benchmarks]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="list the figures and end")
    options = parser.parse_args()
    if options.list:
        print("\n".join(names))  # noqa: T201  # what was asked for
        return 0
    chosen = [it for it in REGISTRY.benchmarks if options.only is None or it.name in options.only]
    console = Console(width=None if sys.stdout.isatty() else 200)
    results = {}
    for benchmark in chosen:
        console.print(f"measuring {benchmark.name} ...", style="dim")
        results[benchmark.name] = benchmark.run()
    show(results, chosen, console)
    write(results)
    console.print(f"written to {RESULTS.relative_to(RESULTS.parents[1])}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
