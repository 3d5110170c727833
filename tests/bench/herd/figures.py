"""What ten thousand pods that start together meet with, simulated: the SDK and the reader are the real ones."""

from functools import cache
from pathlib import Path
from typing import Final

from tests.bench.harness import REGISTRY, Result, at_most, percentile

from .picture import draw
from .simulation import NAMESPACES, SECRETS, Herd, Outcome, run

PICTURE: Final = Path(__file__).resolve().parents[3] / "docs" / "herd.svg"
_TEN_SECONDS: Final = Herd(window=10.0)
_ONE_SECOND: Final = Herd(window=1.0)
_MOST_ATTEMPTS: Final = 1.5

_outcome = cache(run)


@REGISTRY.add("herd_kms", reach="<= 1.0", reached=at_most(1.0))
def herd_kms() -> Result:
    """KMS calls for each execution environment and namespace, in a region of 100 and of 1,000 environments."""
    calls = {warm: run(Herd(warm=warm, regions=1)).kms_calls for warm in (100, 1_000)}
    ratios = {warm: count / (warm * NAMESPACES) for warm, count in calls.items()}
    note = ", ".join(f"{calls[warm]} at {warm} environments ({ratios[warm]:.2f})" for warm in calls)
    return Result(value=max(calls.values()), unit="calls", ratio=max(ratios.values()), note=note)


@REGISTRY.add(
    "herd_pods",
    reach="0, <= 1.5 attempts",
    reached=lambda it: it.value == 0 and it.ratio is not None and it.ratio <= _MOST_ATTEMPTS,
)
def herd_pods() -> Result:
    """Pods that lack a secret after 30 seconds when all of them start within ten; attempts for each secret."""
    return _pods(_TEN_SECONDS)


@REGISTRY.add("herd_pods_at_once", reach="0", reached=lambda it: it.value == 0)
def herd_pods_at_once() -> Result:
    """The same within one second, which is more than Lambda can meet: how much is asked for again."""
    result = _pods(_ONE_SECOND)
    draw(
        {
            "10,000 pods within ten seconds": _outcome(_TEN_SECONDS),
            "10,000 pods within one second": _outcome(_ONE_SECOND),
        },
        PICTURE,
    )
    return result


def _pods(herd: Herd) -> Result:
    outcome = _outcome(herd)
    return Result(
        value=herd.pods - len(outcome.completed),
        unit="pods",
        ratio=outcome.asked / (herd.pods * len(SECRETS)),
        note=_note(outcome),
    )


def _note(outcome: Outcome) -> str:
    last, late = max(outcome.completed), percentile(outcome.waited, 0.99)
    return f"99% within {late:.2f} s of their start, last at {last:.1f} s; {outcome.environments} environments"
