"""Walk-forward folds, purged and embargoed: M. López de Prado, Advances in Financial Machine Learning, 2018, chapter 7.

Test blocks follow one another in time, over all instruments together; what is trained on lies before its test block.
"""

from dataclasses import dataclass

import numpy as np

from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError
from titanflow.training.samples import Rows, Samples

MIN_ROWS = 10
"""Rows that training, early stop and test of a fold need at least: fewer say nothing."""


@dataclass(frozen=True)
class Fold:
    """Rows of one fold; all of `train` were settled before `early_stop` begins, and those before `test` begins."""

    number: int
    """From 1."""
    train: Rows
    early_stop: Rows
    test: Rows
    purged: int
    """Rows before the test that train nothing, as their labels reach into what follows, or into the embargo."""


@dataclass(frozen=True)
class Cut:
    """How the rows before a moment are parted."""

    train: Rows
    early_stop: Rows
    purged: int


def walk_forward(
    samples: Samples, rows: Rows, folds: int, *, embargo_bars: int = 0, early_stop: float = 0.15
) -> tuple[Fold, ...]:
    """`folds` test blocks of about equal numbers of rows; the block before the first is only trained on.

    `rows` are usable ones, ascending by time, as `Samples.usable` gives them; `embargo_bars` lie unused before each
    test block; `early_stop` is the last part of what is trained on. Raises InputError where a fold has too few rows.
    """
    times = samples.closed_at[rows]
    starts = [_first_of(times, len(rows) * block // (folds + 1)) for block in range(1, folds + 1)]
    ends = [*starts[1:], len(rows)]
    made = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        begins = int(times[start]) if start < len(rows) else int(times[-1])
        cut = part(samples, rows[:start], begins, embargo_bars=embargo_bars, early_stop=early_stop)
        fold = Fold(number, cut.train, cut.early_stop, rows[start:end], cut.purged)
        _refuse_too_small(fold, folds, len(rows))
        made.append(fold)
    return tuple(made)


def part(
    samples: Samples, rows: Rows, until: Nanos | None = None, *, embargo_bars: int = 0, early_stop: float = 0.15
) -> Cut:
    """Rows to fit on and rows that say when to stop, of those whose labels are settled `embargo_bars` before `until`.

    `until` None: of all `rows`, as the last fit on everything needs them.
    """
    kept = rows if until is None else settled_before(samples, rows, until - _nanos(samples, embargo_bars))
    times = samples.closed_at[kept]
    start = _first_of(times, len(kept) - round(len(kept) * early_stop))
    stop_rows = kept[start:]
    train = settled_before(samples, kept[:start], int(times[start])) if len(stop_rows) else kept
    return Cut(train, stop_rows, len(rows) - len(train) - len(stop_rows))


def settled_before(samples: Samples, rows: Rows, moment: Nanos) -> Rows:
    """Those of the rows whose labels were known before `moment`."""
    return rows[samples.settled_at[rows] < moment]


def _first_of(times: Rows, place: int) -> int:
    """The place of the first row of the bar at `place`, so that no moment is cut in two."""
    return int(np.searchsorted(times, times[place])) if place < len(times) else len(times)


def _nanos(samples: Samples, bars: int) -> Nanos:
    return bars * samples.bar_seconds * NANOS_PER_SECOND


def _refuse_too_small(fold: Fold, folds: int, rows: int) -> None:
    for name, part_of_fold in (("train on", fold.train), ("stop by", fold.early_stop), ("test on", fold.test)):
        if len(part_of_fold) < MIN_ROWS:
            raise InputError(
                f"validation.folds = {folds}: fold {fold.number} has {len(part_of_fold)} rows to {name}, of {rows} in "
                f"all; at least {MIN_ROWS} are needed: give more data, shorter bars (--bar-seconds), fewer "
                f"folds, or a shorter label or embargo"
            )
