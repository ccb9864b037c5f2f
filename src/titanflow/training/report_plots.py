"""The plots of a training report: SVG texts whose colours are the page's own, so that they suit a dark page too."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from titanflow.training.results import FoldResult, PermutationTest

INK, MUTED, GRID, ACCENT, SECOND, THIRD = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", ACCENT: "var(--accent)", SECOND: "var(--second)",
    THIRD: "var(--third)", "#333333": "var(--ink)", "#999999": "var(--muted)", "#cccccc": "var(--grid)",
}  # fmt: skip
"""Colours drawn with (the last three are the beeswarm's own) -> colours of the page."""
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "titanflow", "font.size": 9, "text.color": INK, "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID, "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "axes.titlesize": 9, "axes.titlecolor": INK, "legend.frameon": False, "legend.labelcolor": INK,
    "xtick.major.size": 0, "ytick.major.size": 0, "font.sans-serif": ["DejaVu Sans"],
}  # fmt: skip
BASELINE_COLOURS = {"buy_and_hold": SECOND, "sma_crossover": THIRD, "flat": MUTED}
POINTS = "#3f8fe0"
"""Points of a picture within a plot, whose colour no page can change: to be seen on light and dark."""
BEESWARM_DPI = 80
MAX_POINTS = 120
"""Points of one line: about what the width of a panel shows."""
_DECIMALS = re.compile(r"(?<=\d\.\d)\d+")
"""Decimals of a coordinate beyond the first: a tenth of a point is finer than a screen."""


@dataclass(frozen=True)
class Explained:
    """Explanations of a sample of rows: what the beeswarm shows."""

    names: tuple[str, ...]
    contributions: NDArray[np.float64]
    """(rows, names)."""
    values: NDArray[np.float64]
    """(rows, names): what each feature was; NaN for a group of features."""
    method: str


def equity_plot(folds: Sequence[FoldResult]) -> str:
    """Equity after costs, fold by fold, of the model and the baselines; each fold starts at 1."""
    with _canvas() as figure:
        figure.set_size_inches(max(7.5, 1.6 * len(folds)), 2.6)
        panels = np.atleast_1d(figure.subplots(1, len(folds), sharey=True))
        for panel, fold in zip(panels, folds, strict=True):
            for name, curve in fold.baselines.items():
                _line(panel, curve.at, curve.equity, BASELINE_COLOURS.get(name, MUTED), 0.9, name.replace("_", " "))
            _line(panel, fold.traded.at, fold.traded.equity, ACCENT, 1.7, "model")
            panel.set_title(f"fold {fold.number}", loc="left")
            panel.set_xticks([])
            panel.set_xlabel(f"{_day(fold.traded.at[0])}\nto {_day(fold.traded.at[-1])}", fontsize=7)
        lines, names = panels[0].get_legend_handles_labels()
        figure.legend(lines[::-1], names[::-1], ncols=len(names), loc="outside upper left", fontsize=8)
        return _svg(figure)


def calibration_plot(curve: Sequence[tuple[float, float, int]]) -> str:
    """Mean predicted probability against the share that came true, larger where more rows lie."""
    with _canvas() as figure:
        figure.set_size_inches(3.6, 3.0)
        panel = figure.subplots()
        predicted, observed, rows = (np.array(column, dtype=float) for column in zip(*curve, strict=True))
        low, high = min(predicted.min(), observed.min()) - 0.02, max(predicted.max(), observed.max()) + 0.02
        panel.plot([low, high], [low, high], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        panel.plot(predicted, observed, color=ACCENT, linewidth=1.2)
        panel.scatter(predicted, observed, s=12 + 60 * rows / rows.max(), color=ACCENT, zorder=3)
        panel.set(xlabel="predicted probability", ylabel="share that came true", xlim=(low, high), ylim=(low, high))
        return _svg(figure)


def permutation_plot(test: PermutationTest) -> str:
    """The statistic of shuffled labels as a histogram, and where the true labels stand."""
    with _canvas() as figure:
        figure.set_size_inches(3.6, 3.0)
        panel = figure.subplots()
        panel.hist(test.shuffled, bins=min(30, max(5, len(test.shuffled) // 8)), color=SECOND, alpha=0.75)
        panel.margins(y=0.3)
        panel.axvline(test.observed, color=ACCENT, linewidth=2)
        panel.annotate(
            f" observed\n p = {test.p_value:.3f}", (test.observed, 1), xycoords=("data", "axes fraction"), va="top",
            color=INK, fontsize=8, ha="right" if test.observed > np.median(test.shuffled) else "left",
        )  # fmt: skip
        panel.set(xlabel=f"{test.statistic}, labels shuffled", ylabel="shuffles")
        return _svg(figure)


def importance_plot(importance: Mapping[str, float]) -> str:
    """Each feature's share of the model's own measure of importance."""
    ranked = sorted(importance.items(), key=lambda item: (item[1], item[0]))
    with _canvas() as figure:
        figure.set_size_inches(7.5, 0.8 + 0.2 * len(ranked))
        panel = figure.subplots()
        panel.barh([name for name, _ in ranked], [share for _, share in ranked], color=ACCENT, height=0.62)
        panel.grid(visible=False, axis="y")
        panel.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        panel.margins(y=0.02)
        return _svg(figure)


def beeswarm_plot(explained: Explained, dpi: int = BEESWARM_DPI) -> str:
    """One point a row and feature: how far the feature pushed the score, coloured by how high it was (shap's plot)."""
    with warnings.catch_warnings():
        # shap prepares its colours by a call that matplotlib is going to drop.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap

    explanation = shap.Explanation(
        values=explained.contributions, data=explained.values, feature_names=list(explained.names)
    )
    with _canvas() as figure:
        panel = figure.subplots()
        known = bool(np.isfinite(explained.values).any())
        with _quietly_seeded():
            shap.plots.beeswarm(
                explanation, max_display=12, show=False, ax=panel, plot_size=None, color_bar=known, s=9,
                color=None if known else POINTS,
            )  # fmt: skip
        figure.set_size_inches(7.5, 0.9 + 0.3 * min(12, len(explained.names)))
        for axes in figure.axes:
            axes.tick_params(labelsize=9)
            for drawn in (*axes.collections, *axes.images):
                drawn.set_rasterized(True)
        panel.set_xlabel("contribution to the raw score", fontsize=9)
        return _svg(figure, dpi)


@contextmanager
def _quietly_seeded() -> Iterator[None]:
    """For shap: it spreads ties by numpy's global generator, and minds a group of features that has no value."""
    state = np.random.get_state()
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        try:
            yield
        finally:
            np.random.set_state(state)


@contextmanager
def _canvas() -> Iterator[Figure]:
    with mpl.rc_context(_STYLE):
        from matplotlib import pyplot

        pyplot.switch_backend("agg")
        figure = pyplot.figure(layout="constrained")
        try:
            yield figure
        finally:
            pyplot.close(figure)


def _line(panel: Axes, at: NDArray[Any], equity: NDArray[Any], colour: str, width: float, name: str) -> None:
    chosen = np.unique(np.linspace(0, len(at) - 1, min(len(at), MAX_POINTS)).astype(int))
    shown = np.round(equity[chosen], 5)
    bends = np.ones(len(chosen), dtype=bool)
    bends[1:-1] = (np.diff(shown)[:-1] != 0) | (np.diff(shown)[1:] != 0)
    chosen = chosen[bends]
    # By bar rather than by time: nights and weekends would be most of the picture.
    panel.plot(chosen, equity[chosen], color=colour, linewidth=width, label=name)


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(int(at) // 1_000_000_000, UTC):%Y-%m-%d %H:%M}"


def _svg(figure: Figure, dpi: int = BEESWARM_DPI) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, dpi=dpi, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", drawn, count=1)
    for colour, variable in _VARIABLES.items():
        drawn = drawn.replace(colour, variable)
    drawn = re.sub(r'(?<= d=")[^"]*|(?<= [xy]=")[^"]*', lambda path: _DECIMALS.sub("", path.group()), drawn)
    asked = set(re.findall(r'(?:url\(|href=")#([^)"]+)', drawn))
    drawn = re.sub(r' id="([^"]*)"', lambda named: named.group() if named[1] in asked else "", drawn)
    drawn = re.sub(r' transform="rotate\(-0 [^"]*"', "", drawn)
    drawn = re.sub(r"<g/>|<!--.*?-->", "", drawn)
    return re.sub(r"\s*\n\s*", "\n", drawn)
