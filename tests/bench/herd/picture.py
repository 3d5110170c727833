"""A picture of a herd: secrets asked for over time, and which of them were answered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from .simulation import Outcome

_BINS: Final = 100


def draw(outcomes: Mapping[str, Outcome], path: Path) -> None:
    """Write an SVG with a panel for each outcome, under its title."""
    # Text stays text, and the same run draws the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "herd", "font.size": 9}):
        figure = Figure(figsize=(8, 2.6 * len(outcomes)), layout="constrained")
        panels = figure.subplots(len(outcomes), squeeze=False)[:, 0]
        for panel, (title, outcome) in zip(panels, outcomes.items(), strict=True):
            end = max(began for began, _, _ in outcome.attempts) * 1.02
            width = end / _BINS
            parts = [
                [(began, count / width) for began, count, answered in outcome.attempts if answered is wanted]
                for wanted in (True, False)
            ]
            panel.hist(
                [[began for began, _ in part] for part in parts],
                bins=_BINS,
                range=(0, end),
                weights=[[rate for _, rate in part] for part in parts],
                stacked=True,
                label=["answered", "refused"],
                color=["#2a7f62", "#c8553d"],
            )
            panel.set_title(title, loc="left")
            panel.set_xlabel("seconds since the first pod's start")
            panel.set_ylabel("secrets asked for, per second")
            panel.spines[["top", "right"]].set_visible(False)
            panel.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
        figure.savefig(path, format="svg", metadata={"Date": None})
