"""Whatever the data: no training label reaches into a test, no row is tested twice, and time runs forward."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.tiny_samples import MINUTE, tiny_samples
from titanflow.errors import InputError
from titanflow.training.samples import Samples
from titanflow.training.splits import part, walk_forward


@st.composite
def worlds(draw: st.DrawFn) -> Samples:
    """Samples with holes, days, several instruments and labels of any length."""
    samples = tiny_samples(
        draw(st.integers(200, 400)),
        instruments=("A.X", "B.X", "C.X")[: draw(st.integers(1, 3))],
        horizon=draw(st.integers(1, 12)),
        unknown=draw(st.integers(0, 20)),
        bars_a_day=draw(st.sampled_from([20, 390])),
        seed=draw(st.integers(0, 9)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    kept = np.where(rng.random(len(samples.label)) < 0.1, -1, samples.label)
    longer = samples.settled_at + rng.integers(0, 5, len(samples.label)) * MINUTE
    return dataclasses.replace(samples, label=kept.astype(np.int8), settled_at=longer)


@given(samples=worlds(), folds=st.integers(1, 6), embargo=st.integers(0, 10), window=st.sampled_from([1, 5]))
@settings(max_examples=60, deadline=None)
def test_walk_forward_never_lets_the_future_teach(samples: Samples, folds: int, embargo: int, window: int) -> None:
    rows = samples.usable(window)
    try:
        made = walk_forward(samples, rows, folds, embargo_bars=embargo)
    except InputError:
        assert folds > 1 or embargo > 0  # refused where too little is left to teach: nothing to prove
        return
    tested: list[int] = []
    for fold in made:
        begins = samples.closed_at[fold.test].min()
        assert samples.settled_at[fold.early_stop].max() < begins - embargo * MINUTE
        assert samples.settled_at[fold.train].max() < samples.closed_at[fold.early_stop].min()
        assert not tested or samples.closed_at[tested].max() < begins
        before = int(np.sum(samples.closed_at[rows] < begins))
        assert len(fold.train) + len(fold.early_stop) + fold.purged == before
        tested += fold.test.tolist()
    assert len(tested) == len(set(tested))
    assert set(tested) <= set(rows.tolist())
    trained = [len(fold.train) for fold in made]
    assert trained == sorted(trained)  # the window expands
    assert max(len(fold.test) for fold in made) <= 2 * min(len(fold.test) for fold in made) + 2 * len(
        samples.instruments
    )


def test_five_folds_test_the_last_five_sixths() -> None:
    samples = tiny_samples(600, instruments=("A.X",), horizon=6)
    rows = samples.usable(1)
    made = walk_forward(samples, rows, 5)
    assert [len(fold.test) for fold in made] == [99] * 5
    assert made[0].test[0] == 99
    # 99 rows lie before; labels of six bars: rows 93 to 98 reach into the test; of the 93 left the last 14 are for
    # early stopping, and the six before them reach into those.
    assert (len(made[0].train), len(made[0].early_stop), made[0].purged) == (73, 14, 12)


def test_an_embargo_widens_the_gap_before_the_test() -> None:
    samples = tiny_samples(600, instruments=("A.X",), horizon=6)
    (fold, *_) = walk_forward(samples, samples.usable(1), 5, embargo_bars=10)
    assert fold.early_stop[-1] == 99 - 6 - 10 - 1


def test_the_last_fit_uses_all_rows() -> None:
    samples = tiny_samples(100, instruments=("A.X",), horizon=5)
    rows = samples.usable(1)
    cut = part(samples, rows, early_stop=0.2)
    assert cut.early_stop.tolist() == list(range(76, 95))
    assert cut.train.tolist() == list(range(71))
    assert cut.purged == 5


def test_too_few_rows_are_refused_with_the_fold_and_the_counts() -> None:
    samples = tiny_samples(40, instruments=("A.X",), horizon=5)
    with pytest.raises(
        InputError,
        match=r"validation.folds = 5: fold 1 has \d rows to train on, of 35 in all; at least 10 are needed: "
        r"give more data, shorter bars \(--bar-seconds\), fewer folds, or a shorter label",
    ):
        walk_forward(samples, samples.usable(1), 5)
