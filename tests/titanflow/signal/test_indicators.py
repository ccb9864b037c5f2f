"""Incremental indicators against the `ta` library and pandas, on every row of the recorded market data."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ta.momentum import RSIIndicator
from ta.trend import MACD, EMAIndicator, SMAIndicator
from ta.volatility import AverageTrueRange as TaAverageTrueRange
from ta.volatility import BollingerBands as TaBollingerBands

from titanflow.domain.types import SCALE
from titanflow.signal.indicators import (
    AverageTrueRange,
    BollingerBands,
    ExponentialMovingAverage,
    MovingAverageConvergenceDivergence,
    RelativeStrengthIndex,
    RollingWindow,
    SimpleMovingAverage,
    ZScore,
)

SYMBOLS = (
    *("AAPL", "AMT", "AMZN", "BAC", "BK", "DFS", "MSFT", "MU", "PPLT", "QQQ"),
    *("SBUX", "SLV", "SPY", "TRV", "TZA", "UGA", "V", "VIX", "VOO", "VXXB"),
)
PAIRS = ("BTCUSDT.BINANCE-SPOT", "ETHUSDT.BINANCE-SPOT", "BTCUSDT.BINANCE-USDM", "ETHUSDT.BINANCE-USDM")


@pytest.fixture(params=[*SYMBOLS, *PAIRS])
def prices(
    request: pytest.FixtureRequest,
    minute_bars: dict[str, pd.DataFrame],
    crypto_trades: dict[str, pd.DataFrame],
) -> list[int]:
    """Closes of the minute bars of one share, or prices of the trades of one coin, in 1e-9 units."""
    name = request.param
    return list(minute_bars[name]["close"]) if name in minute_bars else list(crypto_trades[name]["price"])


def dollars(prices: Iterable[int]) -> pd.Series:
    return pd.Series([price / SCALE for price in prices])


def assert_rows_equal(ours: Iterable[float | None], theirs: pd.Series, scale: float = 1.0) -> None:
    """Equal row by row to 1e-9, absolute or relative, and unknown in the same rows."""
    mine = np.array([np.nan if value is None else value / scale for value in ours])
    np.testing.assert_allclose(mine, theirs.to_numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("window", [1, 10, 30])
def test_the_simple_average_equals_ta_on_every_row(prices: list[int], window: int) -> None:
    average = SimpleMovingAverage(window)
    expected = SMAIndicator(dollars(prices), window).sma_indicator()
    assert_rows_equal((average.update(price) for price in prices), expected, SCALE)


def test_the_exponential_average_equals_ta_on_every_row(prices: list[int]) -> None:
    average = ExponentialMovingAverage(12)
    expected = EMAIndicator(dollars(prices), 12).ema_indicator()
    assert_rows_equal((average.update(price) for price in prices), expected, SCALE)


@pytest.mark.parametrize("window", [7, 14])
def test_the_relative_strength_index_equals_ta_on_every_row(prices: list[int], window: int) -> None:
    index = RelativeStrengthIndex(window)
    assert_rows_equal((index.update(price) for price in prices), RSIIndicator(dollars(prices), window).rsi())


def test_macd_line_signal_and_histogram_equal_ta_on_every_row(prices: list[int]) -> None:
    ours = MovingAverageConvergenceDivergence()
    rows = [(ours.update(price), ours.line, ours.signal) for price in prices]
    theirs = MACD(dollars(prices))
    assert_rows_equal((row[0] for row in rows), theirs.macd_diff(), SCALE)
    assert_rows_equal((row[1] for row in rows), theirs.macd(), SCALE)
    assert_rows_equal((row[2] for row in rows), theirs.macd_signal(), SCALE)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_bollinger_bands_of_bars_equal_ta_on_every_row_where_the_price_moved(
    minute_bars: dict[str, pd.DataFrame], symbol: str
) -> None:
    closes = list(minute_bars[symbol]["close"])
    assert_bollinger_equals_ta(closes, fresh_deviation(closes, 20) > 0.0)


@pytest.mark.parametrize("pair", PAIRS)
def test_bollinger_bands_of_trades_equal_ta_wherever_its_rolling_deviation_can_be_trusted(
    crypto_trades: dict[str, pd.DataFrame], pair: str
) -> None:
    """pandas slides its variance along in floats and loses digits after large moves; a fresh sum a window does not."""
    prices = list(crypto_trades[pair]["price"])
    deviation = fresh_deviation(prices, 20)
    drift = (dollars(prices).rolling(20).std(ddof=0) - deviation).abs()
    trusted = (drift <= 1e-10 * deviation) & (deviation > 0.0)
    assert trusted.sum() > 500
    assert_bollinger_equals_ta(prices, trusted)


def assert_bollinger_equals_ta(prices: list[int], kept: pd.Series) -> None:
    ours, theirs = BollingerBands(), TaBollingerBands(dollars(prices))
    rows = [(ours.update(price), ours.upper, ours.lower, ours.width, ours.percent_b) for price in prices]
    assert_rows_equal((row[0] for row in rows), theirs.bollinger_mavg(), SCALE)
    for column, expected, scale in (
        (1, theirs.bollinger_hband(), SCALE),
        (2, theirs.bollinger_lband(), SCALE),
        (3, theirs.bollinger_wband(), 1.0),
        (4, theirs.bollinger_pband(), 1.0),
    ):
        mine = (row[column] if keep else None for row, keep in zip(rows, kept, strict=True))
        assert_rows_equal(mine, expected.where(kept), scale)


def test_bollinger_width_and_place_equal_a_fresh_sum_on_every_row(prices: list[int]) -> None:
    ours = BollingerBands(20)
    rows = [(ours.update(price), ours.width, ours.percent_b) for price in prices]
    closes, half = dollars(prices), 2.0 * fresh_deviation(prices, 20)
    middle = closes.rolling(20).mean()
    offset = pd.Series([None if row[0] is None else price - row[0] for price, row in zip(prices, rows, strict=True)])
    assert_rows_equal((row[1] for row in rows), 200.0 * half / middle)
    assert_rows_equal((row[2] for row in rows), (offset.astype(float) / SCALE + half) / (2.0 * half).where(half > 0.0))


def fresh_deviation(prices: list[int], window: int) -> pd.Series:
    """Population deviation in dollars of each window, summed anew from distances to the tape's first price."""
    distances = np.array([price - prices[0] for price in prices], dtype=np.int64) / SCALE
    fresh = np.lib.stride_tricks.sliding_window_view(distances, window).std(axis=1)
    still = still_windows(prices, window)
    return pd.Series(np.concatenate([np.full(window - 1, np.nan), fresh])).mask(still, 0.0)


def still_windows(prices: list[int], window: int) -> pd.Series:
    """Rows whose last `window` prices are all the same."""
    rolling = pd.Series(prices, dtype=float).rolling(window)
    return rolling.max() == rolling.min()


def test_bollinger_bands_close_up_exactly_where_the_price_stands_still() -> None:
    bands = BollingerBands(3)
    for price in (7 * SCALE, 100 * SCALE + 1, 100 * SCALE + 1, 100 * SCALE + 1):
        bands.update(price)
    assert (bands.upper, bands.lower, bands.width, bands.percent_b) == (100_000_000_001.0, 100_000_000_001.0, 0.0, None)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_average_true_range_equals_ta_on_every_row(minute_bars: dict[str, pd.DataFrame], symbol: str) -> None:
    bars = minute_bars[symbol]
    ours = AverageTrueRange()
    values = [ours.update(*bar) for bar in zip(bars["high"], bars["low"], bars["close"], strict=True)]
    theirs = TaAverageTrueRange(*(dollars(bars[name]) for name in ("high", "low", "close"))).average_true_range()
    assert values[12:14] == [None, values[13]]
    assert_rows_equal((value or 0.0 for value in values), theirs, SCALE)  # `ta` shows 0 while it knows nothing


@pytest.mark.parametrize("pair", PAIRS)
def test_the_average_true_range_of_single_trades_equals_ta(crypto_trades: dict[str, pd.DataFrame], pair: str) -> None:
    prices = list(crypto_trades[pair]["price"])[:5_000]
    ours = AverageTrueRange()
    series = dollars(prices)
    theirs = TaAverageTrueRange(series, series, series).average_true_range()
    assert_rows_equal((ours.update(price, price, price) or 0.0 for price in prices), theirs, SCALE)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_volume_z_score_equals_pandas_on_every_row(minute_bars: dict[str, pd.DataFrame], symbol: str) -> None:
    volumes = list(minute_bars[symbol]["volume"])
    shares = dollars(volumes)
    rolling = shares.rolling(20)
    expected = ((shares - rolling.mean()) / rolling.std(ddof=0)).mask(still_windows(volumes, 20), 0.0)
    score = ZScore(20)
    assert_rows_equal((score.update(volume) for volume in volumes), expected)


def test_rsi_on_paper() -> None:
    """Window 2: changes 0, +2, -1 give gains 0, 1, 0.5 and losses 0, 0, 0.5; then +1 gives 0.75 and 0.25."""
    index = RelativeStrengthIndex(2)
    assert [index.update(price * SCALE) for price in (10, 12, 11, 12)] == [None, 100.0, 50.0, 75.0]


def test_rsi_knows_a_price_that_never_moved_from_one_that_only_rose() -> None:
    still, rising = RelativeStrengthIndex(2), RelativeStrengthIndex(2)
    assert [still.update(10) for _ in range(3)][-1] == [rising.update(10 + step) for step in range(3)][-1] == 100.0
    assert (still.moved, rising.moved) == (False, True)


def test_the_average_true_range_counts_a_gap_since_the_last_close() -> None:
    """Ranges on paper: 2 (no close before), then 15 - 10 = 5, then 12 - 9 = 3 smoothed: (3.5 * 1 + 3) / 2 = 3.25."""
    average = AverageTrueRange(2)
    bars = ((11, 9, 10), (15, 14, 15), (14, 12, 13))
    assert [average.update(*bar) for bar in bars] == [None, 3.5, 3.25]


UNITS = st.integers(min_value=1, max_value=10**15)


@given(values=st.lists(UNITS, min_size=1, max_size=80), size=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_a_rolling_window_holds_the_exact_sums_of_its_last_values(values: list[int], size: int) -> None:
    window = RollingWindow(size)
    for end, value in enumerate(values, start=1):
        window.push(value)
        last = values[max(0, end - size) : end]
        assert (window.count, window.total, window.squares) == (len(last), sum(last), sum(v * v for v in last))


@given(start=UNITS, steps=st.lists(st.integers(-1_000, 1_000), min_size=20, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_deviation_of_almost_equal_prices_is_right_to_the_last_digits(start: int, steps: list[int]) -> None:
    """Where float sums of squares would cancel to noise, integers still agree with 60-digit decimals."""
    window = RollingWindow(20)
    for step in steps:
        window.push(start + 1_000 + step)
    with localcontext() as context:
        context.prec = 60
        last = [Decimal(start + 1_000 + step) for step in steps[-20:]]
        mean = sum(last) / 20
        expected = (sum((value - mean) ** 2 for value in last) / 20).sqrt()
    assert window.deviation() == pytest.approx(float(expected), rel=1e-14, abs=1e-14)


def walk(length: int) -> Iterator[int]:
    """A deterministic walk around 100 dollars with moves of up to a dollar."""
    state = 1
    for _ in range(length):
        state = state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407 & (1 << 64) - 1
        yield 100 * SCALE + (state >> 34) % (2 * SCALE) - SCALE


@pytest.mark.parametrize(
    ("make", "settle"),
    [
        (lambda: SimpleMovingAverage(30).update, 0),
        (lambda: BollingerBands(20).update, 0),
        (lambda: ZScore(20).update, 0),
        (lambda: ExponentialMovingAverage(12).update, 1_000),
        (lambda: RelativeStrengthIndex(14).update, 1_000),
        (lambda: MovingAverageConvergenceDivergence().update, 1_000),
    ],
    ids=["sma", "bollinger", "zscore", "ema", "rsi", "macd"],
)
def test_a_long_past_leaves_no_trace(make: Callable[[], Callable[[int], float | None]], settle: int) -> None:
    """After 300,000 values an indicator says what a fresh one says that saw the last few only: nothing has drifted."""
    prices = list(walk(300_000))
    old, fresh = make(), make()
    for price in prices[: -settle - 40]:
        old(price)
    for price in prices[-settle - 40 :]:
        was, now = old(price), fresh(price)
    assert was == pytest.approx(now, rel=1e-12)
    if not settle:
        assert was == now
