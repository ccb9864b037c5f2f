"""Bars become the table that trainers learn from: features in batch, trading days, labels and their settlement."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from msgspec import structs
from numpy.typing import NDArray

from titanflow.domain.models import LabelSpec, TrainingWindow
from titanflow.domain.types import NANOS_PER_SECOND, InstrumentId
from titanflow.errors import InputError
from titanflow.signal.features import WARM_UP_BARS
from titanflow.training.bars import Bars
from titanflow.training.batch_features import BATCH_FEATURES, average_true_range, batch_features
from titanflow.training.data import BarData, no_progress
from titanflow.training.labels import UNKNOWN, Labels, Prices, label_rows, segments
from titanflow.training.samples import Samples
from titanflow.training.trainer import Progress

SPREAD = "spread"


@dataclass(frozen=True)
class LabelReport:
    """What the labels of some samples look like."""

    rows: int
    """With a known label."""
    positives: float
    """Share of them with label 1."""
    mean_horizon_bars: float
    """Mean time from a row to the settlement of its label, in bars."""


@dataclass(frozen=True)
class _Part:
    """One instrument's rows."""

    name: InstrumentId
    bars: Bars
    features: NDArray[np.float64]
    atr: NDArray[np.float64]
    segment: NDArray[np.int64]
    labels: Labels


def bar_frame(bars: Bars) -> pd.DataFrame:
    """One instrument's bars as batch features read them: ends in nanoseconds, dollars, units."""
    prices = {name: bars.dollars(name) for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({"ends_at": bars.ends_at, **prices, "spread": bars.spread})


def default_features(data: BarData) -> tuple[str, ...]:
    """All features, but the spread only where every row that could be learned from knows it."""
    spreads = np.concatenate([bars.spread[WARM_UP_BARS:] for bars in data.bars.values()])
    quoted = len(spreads) > 0 and not np.isnan(spreads).any()
    return tuple(name for name in BATCH_FEATURES if quoted or name != SPREAD)


def build_samples(
    data: BarData,
    features: Sequence[str],
    label: LabelSpec,
    *,
    break_seconds: int = 0,
    progress: Progress = no_progress,
) -> Samples:
    """The table over all instruments; `label.positives` is filled in.

    `break_seconds`: a longer silence ends a trading day (0: see `labels.segments`). Raises InputError for an unknown
    feature or method, and where no row knows its features and its label.
    """
    parts: list[_Part] = []
    for number, (name, bars) in enumerate(data.bars.items(), 1):
        parts.append(_part(name, bars, tuple(features), label, break_seconds))
        progress(f"features of {name}", number / len(data.bars))
    samples = _joined(data, tuple(features), parts, label)
    if not len(samples.usable(1)):
        raise InputError(
            f"data {data.window.source}: none of {len(samples.close):,} bars of {data.bar_seconds} s knows all of "
            f"{', '.join(features)} and its label; give more or shorter bars, a shorter horizon, or fewer features"
        )
    return samples


def label_report(samples: Samples) -> LabelReport:
    """Class balance and mean horizon over the rows with a known label."""
    rows = np.flatnonzero(samples.label >= 0)
    horizon = (samples.settled_at[rows] - samples.closed_at[rows]) / (samples.bar_seconds * NANOS_PER_SECOND)
    return LabelReport(len(rows), samples.label_spec.positives, float(horizon.mean()))


def _part(name: InstrumentId, bars: Bars, features: tuple[str, ...], spec: LabelSpec, break_seconds: int) -> _Part:
    frame = bar_frame(bars)
    atr = average_true_range(frame).to_numpy(dtype=np.float64)
    segment = segments(bars.opened_at, bars.seconds, break_seconds)
    high, low, close = (bars.dollars(column) for column in ("high", "low", "close"))
    labels = label_rows(Prices(high, low, close, atr, segment), spec)
    return _Part(name, bars, batch_features(frame, features).to_numpy(dtype=np.float64), atr, segment, labels)


def _joined(data: BarData, features: tuple[str, ...], parts: Sequence[_Part], spec: LabelSpec) -> Samples:
    def dollars(column: str) -> NDArray[np.float64]:
        return np.concatenate([part.bars.dollars(column) for part in parts])

    label = np.concatenate([part.labels.label for part in parts])
    settled_at = np.concatenate([part.bars.closed_at[part.labels.settled] for part in parts])
    lengths = [len(part.bars) for part in parts]
    days_before = np.cumsum([0, *(int(part.segment[-1]) + 1 for part in parts)])
    known = label != UNKNOWN
    positives = float(np.mean(label[known])) if known.any() else 0.0
    return Samples(
        features=np.concatenate([part.features for part in parts]),
        feature_names=features,
        instruments=tuple(part.name for part in parts),
        instrument=np.repeat(np.arange(len(parts), dtype=np.int32), lengths),
        closed_at=np.concatenate([part.bars.closed_at for part in parts]),
        opened_at=np.concatenate([part.bars.opened_at for part in parts]),
        ends_at=np.concatenate([part.bars.ends_at for part in parts]),
        segment=np.concatenate([part.segment + before for part, before in zip(parts, days_before, strict=False)]),
        open=dollars("open"),
        high=dollars("high"),
        low=dollars("low"),
        close=dollars("close"),
        atr=np.concatenate([part.atr for part in parts]),
        volume=dollars("volume"),
        label=label,
        forward_return=np.concatenate([part.labels.forward_return for part in parts]),
        settled_at=settled_at,
        bar_seconds=data.bar_seconds,
        label_spec=structs.replace(spec, positives=positives),
        window=_window(data.window, settled_at[known], int(known.sum())),
    )


def _window(read: TrainingWindow, settled_at: NDArray[np.int64], rows: int) -> TrainingWindow:
    """What a model that learns from these rows has seen: up to the last settlement; of a session, all that was read."""
    return structs.replace(read, last_at=int(settled_at.max()) if rows else read.last_at, rows=rows)
