"""The table is what its bars say, row by row, and its window says how far it has seen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from titanflow.domain.models import LabelSpec
from titanflow.domain.types import NANOS_PER_SECOND
from titanflow.errors import InputError
from titanflow.gateway.samples import sample_tape
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.training.data import BarData, DataSpec, load_bars
from titanflow.training.dataset import build_samples, default_features, label_report
from titanflow.training.samples import Samples

TRIPLE = LabelSpec(method="triple_barrier", horizon_bars=15, profit=2.0, stop=2.0, positives=0.0)
TWO_DAYS = 1_550_000_000 * NANOS_PER_SECOND


@pytest.fixture(scope="module")
def data() -> BarData:
    return load_bars(
        DataSpec((str(sample_tape()),), instruments=("SPY.XNYS", "AAPL.XNYS", "UGA.XNYS"), last_at=TWO_DAYS)
    )


@pytest.fixture(scope="module")
def samples(data: BarData) -> Samples:
    return build_samples(data, default_features(data), TRIPLE)


def test_every_bar_is_a_row_and_rows_of_one_instrument_lie_together(data: BarData, samples: Samples) -> None:
    assert samples.instruments == ("AAPL.XNYS", "SPY.XNYS", "UGA.XNYS")
    for index, (name, bars) in enumerate(data.bars.items()):
        rows = np.flatnonzero(samples.instrument == index)
        assert samples.instruments[index] == name
        assert_array_equal(np.diff(rows), 1)
        assert_array_equal(samples.closed_at[rows], bars.closed_at)
        assert_allclose(samples.close[rows], bars.close / 1e9)
        assert (np.diff(samples.closed_at[rows]) > 0).all()


def test_days_of_different_instruments_are_different_segments(samples: Samples) -> None:
    pairs = {(int(i), int(s)) for i, s in zip(samples.instrument, samples.segment, strict=True)}
    assert len({segment for _, segment in pairs}) == len(pairs)
    spy = samples.segment[samples.instrument == 1]
    assert len(np.unique(spy)) == 2


def test_without_quotes_the_default_features_leave_the_spread_out(data: BarData, samples: Samples) -> None:
    assert samples.feature_names == tuple(name for name in FEATURE_MEANINGS if name != "spread")
    assert_allclose(samples.atr, samples.features[:, samples.feature_names.index("atr")] * samples.close)


def test_the_window_ends_when_the_last_label_was_settled(data: BarData, samples: Samples) -> None:
    known = samples.label >= 0
    assert samples.window.last_at == samples.settled_at[known].max() <= data.window.last_at
    assert samples.window.rows == known.sum()
    assert (samples.settled_at[known] > samples.closed_at[known]).all()


def test_balance_and_horizon_are_reported(samples: Samples) -> None:
    report = label_report(samples)
    known = samples.label >= 0
    assert report.rows == known.sum()
    assert report.positives == samples.label_spec.positives == np.mean(samples.label[known] == 1)
    assert 1.0 <= report.mean_horizon_bars <= 40.0  # UGA lacks minutes, so that 15 of its bars may take longer


def test_progress_names_each_instrument(data: BarData) -> None:
    told: list[tuple[str, float]] = []
    build_samples(data, ("rsi",), TRIPLE, progress=lambda what, part: told.append((what, part)))
    assert told == [("features of AAPL.XNYS", 1 / 3), ("features of SPY.XNYS", 2 / 3), ("features of UGA.XNYS", 1.0)]


def test_data_in_which_no_row_is_known_are_refused(data: BarData) -> None:
    with pytest.raises(InputError, match=r"none of [\d,]+ bars of 60 s knows all of rsi, spread and its label"):
        build_samples(data, ("rsi", "spread"), TRIPLE)


def test_usable_rows_have_a_whole_known_window_of_one_instrument(samples: Samples) -> None:
    known = ~np.isnan(samples.features).any(axis=1)
    expected = [
        row
        for row in range(len(known))
        if samples.label[row] >= 0
        and row >= 9
        and known[row - 9 : row + 1].all()
        and (samples.instrument[row - 9 : row + 1] == samples.instrument[row]).all()
    ]
    rows = samples.usable(10)
    assert sorted(rows.tolist()) == expected
    assert (np.diff(samples.closed_at[rows]) >= 0).all()
