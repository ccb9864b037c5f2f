"""Features that know the future, or that no session computes, are refused by name before anything is trained."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from titanflow.errors import InputError
from titanflow.signal.features import FEATURE_MEANINGS
from titanflow.training.batch_features import BATCH_FEATURES
from titanflow.training.causality import EXAMINED_BARS, live_features, refuse_leaks

MINUTE = 60_000_000_000
START = 1_549_895_400_000_000_000
"""2019-02-11T14:30:00Z."""


def walk(rows: int = 400) -> pd.DataFrame:
    """Minute bars of a seeded walk in whole cents."""
    drawn = np.random.default_rng(7)
    close = (10_000 + drawn.integers(-9, 10, rows).cumsum()) / 100
    first = (close * 100 + drawn.integers(-3, 4, rows)).round() / 100
    return pd.DataFrame(
        {
            "ends_at": START + MINUTE * np.arange(1, rows + 1),
            "open": first,
            "high": np.maximum(first, close) + 0.02,
            "low": np.minimum(first, close) - 0.03,
            "close": close,
            "volume": drawn.integers(1, 1_000, rows).astype(float),
            "spread": np.where(np.arange(rows) < 10, np.nan, 0.0001 * drawn.integers(1, 5, rows)),
        }
    )


def test_the_features_that_models_learn_from_are_let_through() -> None:
    refuse_leaks(walk(), tuple(FEATURE_MEANINGS))


@pytest.mark.parametrize("rows", [0, 1, 2, 13, 14, 25, 60])
def test_short_tapes_are_let_through(rows: int) -> None:
    refuse_leaks(walk(rows), tuple(FEATURE_MEANINGS))


def peek(frame: pd.DataFrame) -> pd.Series:
    """The next close, as a change: 0 where there is none."""
    return (frame["close"].shift(-1) / frame["close"] - 1.0).fillna(0.0)


def whole_sample_score(frame: pd.DataFrame) -> pd.Series:
    return (frame["close"] - frame["close"].mean()) / frame["close"].std()


def centred_mean(frame: pd.DataFrame) -> pd.Series:
    return frame["close"].rolling(5, center=True).mean()


def filled_backwards(frame: pd.DataFrame) -> pd.Series:
    return frame["close"].pct_change(1).bfill()


def high_of_the_day(frame: pd.DataFrame) -> pd.Series:
    return frame["close"] / frame.groupby(frame["ends_at"] // (1440 * MINUTE))["high"].transform("max")


def rank_in_sample(frame: pd.DataFrame) -> pd.Series:
    return frame["volume"].rank(pct=True)


@pytest.mark.parametrize(
    "leak", [peek, whole_sample_score, centred_mean, filled_backwards, high_of_the_day, rank_in_sample]
)
def test_a_feature_that_looks_into_the_future_is_refused_by_name(leak: Callable[[pd.DataFrame], pd.Series]) -> None:
    with pytest.raises(InputError, match=f"^feature {leak.__name__} looks into the future: at 2019-02-1[12]T"):
        refuse_leaks(walk(), ("rsi", leak.__name__), BATCH_FEATURES | {leak.__name__: leak})


def test_a_leak_under_the_name_of_a_live_feature_is_refused() -> None:
    with pytest.raises(InputError, match=r"^feature return_1 looks into the future"):
        refuse_leaks(walk(), tuple(FEATURE_MEANINGS), BATCH_FEATURES | {"return_1": peek})


def test_the_refusal_names_the_time_and_both_values() -> None:
    bars = walk(3).assign(close=[100.0, 100.0, 101.23])
    with pytest.raises(InputError) as refused:
        refuse_leaks(bars, ("peek",), {"peek": peek})
    assert str(refused.value) == (
        "feature peek looks into the future: at 2019-02-11T14:32:00Z it is 0.0123, but 0 when later bars are not shown"
    )


def test_a_feature_that_no_session_computes_is_refused() -> None:
    def older(frame: pd.DataFrame) -> pd.Series:
        return frame["close"].diff(2)

    with pytest.raises(InputError, match="feature older has no live counterpart: no session could compute it"):
        refuse_leaks(walk(), ("older",), {"older": older})


def test_a_feature_that_a_session_computes_otherwise_is_refused_with_both_values() -> None:
    expected = r"feature rsi is not what a live session computes: at 2019-02-11T14:44:00Z it is 101, but 52\.362 in the"
    with pytest.raises(InputError, match=expected):
        refuse_leaks(walk(), ("rsi",), {"rsi": lambda frame: BATCH_FEATURES["rsi"](frame) * 0.0 + 101.0})


def test_a_feature_known_sooner_than_in_a_session_is_refused() -> None:
    with pytest.raises(InputError, match=r"feature rsi is not .* at 2019-02-11T14:31:00Z it is 50, but unknown in"):
        refuse_leaks(walk(), ("rsi",), {"rsi": lambda frame: BATCH_FEATURES["rsi"](frame).fillna(50.0)})


def test_a_feature_that_writes_into_its_bars_changes_nothing_for_the_others() -> None:
    def vandal(frame: pd.DataFrame) -> pd.Series:
        frame["close"] = 0.0
        return frame["spread"]

    refuse_leaks(walk(), ("spread", "rsi"), BATCH_FEATURES | {"spread": vandal})


def test_a_feature_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"feature rsi gives values of shape \(399,\) for 400 bars"):
        refuse_leaks(walk(), ("rsi",), {"rsi": lambda frame: frame["close"].iloc[1:]})


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(InputError, match="no feature is called 'moon'; there are return_1, "):
        refuse_leaks(walk(), ("moon",))


def test_live_features_are_unknown_where_the_pipeline_does_not_know_them() -> None:
    live = live_features(walk(40))
    assert list(live) == list(FEATURE_MEANINGS)
    assert [int(np.isnan(live[name]).sum()) for name in ("return_30", "macd_histogram", "spread")] == [30, 33, 10]


def test_a_long_tape_is_examined_in_its_first_bars() -> None:
    late = walk(EXAMINED_BARS + 10)
    late.loc[EXAMINED_BARS + 5, "close"] = np.nan
    refuse_leaks(late, ("rsi",))
