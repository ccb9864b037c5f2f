"""Made-up training samples: prices that drift where the first feature said so, and features that say nothing else."""

import numpy as np

from titanflow.domain.models import LabelSpec, TrainingWindow
from titanflow.training.samples import Samples

MINUTE = 60_000_000_000
FIRST_AT = 1_549_895_400_000_000_000
"""The open of New York on 2019-02-11."""


def tiny_samples(
    bars: int = 400,
    *,
    instruments: tuple[str, ...] = ("AAPL.XNYS", "SPY.XNYS"),
    features: tuple[str, ...] = ("rsi", "macd_histogram", "return_1"),
    edge: float = 0.0,
    horizon: int = 5,
    unknown: int = 0,
    bars_a_day: int = 390,
    seed: int = 7,
) -> Samples:
    """`bars` minutes of each instrument, in days of `bars_a_day`.

    With an `edge` (deviations of the return that follows per unit of the first feature) the label can be foreseen; with
    none it cannot. The first `unknown` rows of each instrument know no feature.
    """
    names = tuple(sorted(instruments))
    rng = np.random.default_rng(seed)
    count = len(names)
    values = rng.standard_normal((count, bars, len(features)))
    steps = rng.standard_normal((count, bars))
    steps[:, 1:] += edge * values[:, :-1, 0]
    close = 100.0 * np.exp(np.cumsum(0.001 * steps, axis=1))
    opened = np.concatenate((np.full((count, 1), 100.0), close[:, :-1]), axis=1)
    label, settled, forward = _forward_labels(close, horizon)
    day, minute = np.divmod(np.arange(bars), bars_a_day)
    closed_at = FIRST_AT + (day * 1440 + minute + 1) * MINUTE
    known = np.where(np.arange(bars)[None, :, None] < unknown, np.nan, values)
    segment = np.arange(count)[:, None] * (int(day[-1]) + 1) + day[None, :]
    return Samples(
        features=known.reshape(-1, len(features)),
        feature_names=features,
        instruments=names,
        instrument=np.repeat(np.arange(count, dtype=np.int32), bars),
        closed_at=np.tile(closed_at, count).astype(np.int64),
        opened_at=np.tile(closed_at - MINUTE, count).astype(np.int64),
        ends_at=np.tile(closed_at, count).astype(np.int64),
        segment=segment.ravel().astype(np.int64),
        open=opened.ravel(),
        high=(np.maximum(opened, close) * 1.0002).ravel(),
        low=(np.minimum(opened, close) * 0.9998).ravel(),
        close=close.ravel(),
        atr=np.full(count * bars, 0.1),
        volume=np.full(count * bars, 1_000.0),
        label=label.ravel(),
        forward_return=forward.ravel(),
        settled_at=np.tile(closed_at[settled], count).astype(np.int64),
        bar_seconds=60,
        label_spec=LabelSpec(
            method="forward_return", horizon_bars=horizon, profit=0.0, stop=0.0, positives=float(np.mean(label == 1))
        ),
        window=TrainingWindow(
            source="made up",
            sha256="0" * 64,
            first_at=int(closed_at[0]),
            last_at=int(closed_at[-1]),
            rows=count * bars,
            instruments=names,
        ),
    )


def _forward_labels(
    close: np.ndarray[tuple[int, int], np.dtype[np.float64]], horizon: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Label, the bar that settles it, and the return until then; unknown in the last `horizon` bars."""
    bars = close.shape[1]
    settled = np.minimum(np.arange(bars) + horizon, bars - 1)
    forward = close[:, settled] / close - 1.0
    forward[:, bars - horizon :] = np.nan
    label = np.where(np.isnan(forward), -1, forward > 0).astype(np.int8)
    return label, settled, forward
