"""Refusing features that know the future, or that a live session would compute otherwise: before anything is trained.

A feature is causal where hiding the later bars changes nothing before them. That is tried, not read from the code, so a
shift, a centred window and a mean over the whole sample are all found out by the same test.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titanflow.domain.events import BarClosed
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, Nanos
from titanflow.errors import InputError
from titanflow.signal.features import FEATURE_MEANINGS, MarketFeatures
from titanflow.training.batch_features import BATCH_FEATURES, BatchFeature

EXAMINED_BARS = 5_000
"""Bars of an instrument that are examined, from its first: a leak lies in the code, not in one of a million rows."""
EVEN_CUTS = 12
"""Places, evenly spread, behind which the bars are hidden, besides early ones that catch values filled backwards."""
TOLERANCE = 1e-9
"""Largest difference that is only rounding, as a part of the value; from the live pipeline's also in absolute terms."""
NOTHING = 1e-12
"""What two roundings of zero may differ by."""


def refuse_leaks(
    bars: pd.DataFrame, names: Sequence[str], features: Mapping[str, BatchFeature] = BATCH_FEATURES
) -> None:
    """Raise InputError, with the feature, a bar's time and both values, at the first feature that must not be learned.

    `bars` are those of one instrument (`batch_features.BAR_COLUMNS`), oldest first. A feature is refused where values
    change when later bars are hidden, where no live feature has its name, and where the live one has other values.
    """
    examined = bars.iloc[:EXAMINED_BARS]
    whole = {name: _values(name, _feature(features, name), examined) for name in names}
    for name, values in whole.items():
        _refuse_foresight(name, features[name], examined, values)
    live = live_features(examined)
    for name, values in whole.items():
        if name not in live:
            raise InputError(
                f"feature {name} has no live counterpart: no session could compute it; "
                f"those that can be learned are {', '.join(FEATURE_MEANINGS)}"
            )
        row = _first_difference(values, live[name], TOLERANCE)
        if row is not None:
            raise InputError(
                f"feature {name} is not what a live session computes: at {_moment(examined, row)} it is "
                f"{_shown(values[row])}, but {_shown(live[name][row])} in the live pipeline"
            )


def live_features(bars: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Every feature of these bars, as the signal decider computes it bar by bar; NaN where it is not known."""
    market = MarketFeatures()
    rows: list[tuple[float | None, ...]] = []
    for row in bars.itertuples(index=False):
        market.update(_bar(row), None if np.isnan(row.spread) else float(row.spread))
        rows.append(market.values())
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURE_MEANINGS))
    return dict(zip(FEATURE_MEANINGS, table.T, strict=True))


def _refuse_foresight(name: str, feature: BatchFeature, bars: pd.DataFrame, whole: NDArray[np.float64]) -> None:
    for cut in _cuts(len(bars)):
        blind = _values(name, feature, bars.iloc[:cut])
        row = _first_difference(whole[:cut], blind, NOTHING)
        if row is not None:
            raise InputError(
                f"feature {name} looks into the future: at {_moment(bars, row)} it is {_shown(whole[row])}, "
                f"but {_shown(blind[row])} when later bars are not shown"
            )


def _feature(features: Mapping[str, BatchFeature], name: str) -> BatchFeature:
    if name not in features:
        raise InputError(f"no feature is called {name!r}; there are {', '.join(features)}")
    return features[name]


def _values(name: str, feature: BatchFeature, bars: pd.DataFrame) -> NDArray[np.float64]:
    """The feature of a copy, so that one that writes into its bars tells the next nothing."""
    values: NDArray[np.float64] = np.asarray(feature(bars.copy()), dtype=np.float64)
    if values.shape != (len(bars),):
        raise InputError(f"feature {name} gives values of shape {values.shape} for {len(bars)} bars; expected one each")
    return values


def _cuts(rows: int) -> Iterator[int]:
    early = (1, 2, 3, 5, 8, 13, 14, 21, 34, 55)
    even = (rows * part // (EVEN_CUTS + 1) for part in range(1, EVEN_CUTS + 1))
    yield from sorted({cut for cut in (*early, *even, rows - 1) if 0 < cut < rows})


def _first_difference(ours: NDArray[np.float64], theirs: NDArray[np.float64], floor: float) -> int | None:
    """The first row in which the two differ by more than a rounding, or only one is known."""
    equal = np.isclose(ours, theirs, rtol=TOLERANCE, atol=floor, equal_nan=True)
    return None if equal.all() else int(np.argmin(equal))


def _bar(row: Any) -> BarClosed:
    first, high, low, close, volume = (
        round(value * SCALE) for value in (row.open, row.high, row.low, row.close, row.volume)
    )
    return BarClosed(0, row.ends_at, "", 1, row.ends_at - NANOS_PER_SECOND, first, high, low, close, volume, 1)


def _moment(bars: pd.DataFrame, row: int) -> str:
    at: Nanos = int(bars["ends_at"].iloc[row])
    return datetime.fromtimestamp(at // NANOS_PER_SECOND, UTC).isoformat().replace("+00:00", "Z")


def _shown(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.6g}"
