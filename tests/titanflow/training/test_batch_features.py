"""The features that models learn from equal the live ones on recorded markets, row by row, known and unknown alike."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ta.volatility import AverageTrueRange

from support.signal_worlds import exact_frame
from titanflow.domain.events import BarClosed, QuoteReceived, TickReceived
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, fixed
from titanflow.errors import InputError
from titanflow.signal.bars import BarBuilder, BarSpread
from titanflow.signal.features import FEATURE_MEANINGS, MarketFeatures
from titanflow.training.batch_features import BATCH_FEATURES, average_true_range, batch_features

NAMES = tuple(FEATURE_MEANINGS)
BarsAndSpreads = list[tuple[BarClosed, float | None]]


def assert_batch_equals_live(bars: BarsAndSpreads) -> pd.DataFrame:
    """Equal to 1e-9, absolute or relative, and NaN exactly where the live feature is not known; gives the batch."""
    market = MarketFeatures()
    rows = []
    for bar, spread in bars:
        market.update(bar, spread)
        rows.append(market.values())
    live = np.array(rows, dtype=np.float64)
    batch = batch_features(frame_of(bars), NAMES)
    assert list(batch.columns) == list(NAMES)
    np.testing.assert_allclose(batch.to_numpy(), live, rtol=1e-9, atol=1e-9, equal_nan=True)
    return batch


def frame_of(bars: BarsAndSpreads) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ends_at": [bar.opened_at + bar.seconds * NANOS_PER_SECOND for bar, _ in bars],
            **{name: [getattr(bar, name) / SCALE for bar, _ in bars] for name in ("open", "high", "low", "close")},
            "volume": [bar.volume / SCALE for bar, _ in bars],
            "spread": np.array([spread for _, spread in bars], dtype=float),
        }
    )


def folded(events: Iterable[TickReceived | QuoteReceived], seconds: int) -> BarsAndSpreads:
    """Bars and their spreads, as the signal decider folds them: the clock ends a bar before what comes after it."""
    builder, spread = BarBuilder("A.X", seconds), BarSpread(seconds)
    bars: BarsAndSpreads = []
    for event in events:
        if due := builder.close_due(1, event.at):
            bars.append((due, spread.of(due.opened_at)))
        if isinstance(event, QuoteReceived):
            spread.add(event)
        else:
            builder.add(1, event)
    return bars


def recorded_minutes(rows: pd.DataFrame) -> BarsAndSpreads:
    return [
        (BarClosed(1, r.ts_ns, "A.X", 60, r.ts_ns, r.open, r.high, r.low, r.close, r.volume, 1), None)
        for r in rows.itertuples()
    ]


def test_every_live_feature_has_a_batch_counterpart_in_the_same_order() -> None:
    assert tuple(BATCH_FEATURES) == NAMES


def test_minute_bars_of_twenty_symbols_have_equal_features(market_data: Path) -> None:
    tape = exact_frame(
        market_data / "minute_2019" / "us_equity_minute_2019-02.csv.gz", ("open", "high", "low", "close", "volume")
    )
    symbols = 0
    for _, rows in tape.groupby("symbol"):
        batch = assert_batch_equals_live(recorded_minutes(rows))
        assert batch.drop(columns="spread").iloc[60:].notna().all(axis=1).mean() > 0.9
        symbols += 1
    assert symbols == 20


@pytest.mark.parametrize("seconds", [1, 10])
def test_bars_of_crypto_trades_have_equal_features(market_data: Path, seconds: int) -> None:
    tape = exact_frame(market_data / "crypto" / "binance_trades_20240808.csv.gz", ("price", "size"))
    pairs = 0
    for _, rows in tape.groupby(["symbol", "exchange"]):
        ticks = (TickReceived(r.ts_ns, "A.X", r.price, r.size) for r in rows.itertuples())
        assert_batch_equals_live(folded(ticks, seconds))
        pairs += 1
    assert pairs == 4


def book_ticker(path: Path) -> Iterator[TickReceived | QuoteReceived]:
    """Best bid and offer and the trades of a recorded stream, by the time of their receipt."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            received, message = line.split(" ", 1)
            data = json.loads(message).get("data", {})
            if "A" in data and "B" in data:
                yield QuoteReceived(int(received), "A.X", fixed(data["b"]), fixed(data["a"]))
            elif data.get("e") == "trade":
                yield TickReceived(int(received), "A.X", fixed(data["p"]), fixed(data["q"]))


def test_bars_with_recorded_quotes_have_equal_spreads(shared_data: Path) -> None:
    events = list(book_ticker(shared_data / "crypto" / "binance_spot_ethusdt_20240808_raw.ndjson.gz"))
    batch = assert_batch_equals_live(folded(events, 10))
    quotes = pd.DataFrame([(q.at, q.bid, q.ask) for q in events if isinstance(q, QuoteReceived)], columns=list("tba"))
    relative = (quotes["a"] - quotes["b"]) / ((quotes["a"] + quotes["b"]) / 2)
    by_bar = relative.groupby(quotes["t"] // (10 * NANOS_PER_SECOND)).mean()
    ends = frame_of(folded(events, 10))["ends_at"]
    expected = by_bar.reindex(ends // (10 * NANOS_PER_SECOND) - 1).to_numpy()
    assert not np.isnan(expected).any()
    np.testing.assert_allclose(batch["spread"], expected, rtol=1e-12)


def test_a_price_that_stands_still_has_the_same_unknown_features() -> None:
    bars = [
        (BarClosed(1, n, "A.X", 60, n * 60 * NANOS_PER_SECOND, *(price * SCALE,) * 4, SCALE, 1), None)
        for n, price in enumerate([100] * 40 + [101] * 40 + [7])
    ]
    batch = assert_batch_equals_live(bars)
    assert batch["bollinger_percent_b"].notna().sum() == 19 + 1
    assert (batch["volume_zscore"].iloc[19:] == 0.0).all()


def test_the_average_true_range_equals_ta(market_data: Path) -> None:
    tape = pd.read_csv(market_data / "minute_2019" / "us_equity_minute_2019-02.csv.gz")
    rows = tape[tape["symbol"] == "MU"].reset_index(drop=True)
    theirs = AverageTrueRange(rows["high"], rows["low"], rows["close"], 14).average_true_range()
    ours = average_true_range(rows)
    assert ours.iloc[:13].isna().all()
    np.testing.assert_allclose(ours.iloc[13:], theirs.iloc[13:], rtol=1e-12)


def test_a_name_that_is_no_feature_is_refused() -> None:
    with pytest.raises(InputError, match="no feature is called 'moon'; there are return_1, "):
        batch_features(frame_of([]), ("moon",))


def test_a_missing_column_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="the bars have no column ends_at, spread; features need"):
        batch_features(frame_of([]).drop(columns=["spread", "ends_at"]), ("rsi",))
