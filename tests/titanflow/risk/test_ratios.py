"""Ratios of buying and holding recorded tapes of days, hours, minutes and trades, against an independent library.

The tapes have gaps; whichever seconds of a silence the clock announces, the ratios are the same.
"""

import csv
import gzip
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import empyrical
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.recorded_session import CALENDAR, MINUTE_BARS
from support.scripted_model import ScriptedModel, learned_contender, surely
from titanflow.domain.events import (
    BarPointReceived,
    ClockAdvanced,
    Event,
    LeaderboardPublished,
    OrderFilled,
    SessionEnded,
    SessionStarted,
    Standing,
    TickReceived,
)
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.models import RecordedModel
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import (
    NANOS_PER_DAY,
    NANOS_PER_SECOND,
    SCALE,
    ExecutionMode,
    OrderPurpose,
    Side,
    fixed,
)
from titanflow.gateway.clock import SecondHand
from titanflow.risk.leaderboard import LeaderboardKeeper

NAME = "X.Y"
ALWAYS = TradingCalendar("24/7", True, ())
HOUR = 3_600 * NANOS_PER_SECOND
RULE = ContenderSpec("rule", "rule", "s", (), (), 0, "h")
CASH = 100_000
Tape = list[tuple[int, int]]
"""(time, price) of each print."""


def rows(market_data: Path, file: str, symbol: str) -> list[dict[str, str]]:
    with gzip.open(market_data / file, "rt") as lines:
        return [row for row in csv.DictReader(lines) if row["symbol"] == symbol]


def hold(
    tape: Tape,
    calendar: TradingCalendar,
    *,
    max_gap_seconds: int = 300,
    contenders: tuple[ContenderSpec, ...] = (RULE,),
    models: tuple[RecordedModel, ...] = (),
    bars: tuple[tuple[str, int], ...] = (),
    last_of_bar: frozenset[int] = frozenset(),
) -> LeaderboardPublished:
    """The final standings where each contender spends nine tenths of its cash at the first print."""
    keeper, hand, seq, last = LeaderboardKeeper(), SecondHand((calendar,), max_gap_seconds), 0, []
    feed = FeedSpec("tape", "", "", bars=bars)
    opening = SessionSettings(starting_cash=fixed(CASH))

    def show(event: Event) -> None:
        nonlocal seq, last
        seq += 1
        handle = keeper.handlers.get(type(event))
        last = list(handle(seq, event)) if handle else []

    show(SessionStarted(tape[0][0], "b", 1, opening, (), (calendar,), contenders, feed, "", models))
    for number, (at, price) in enumerate(tape):
        for second in hand.advance(at):
            show(ClockAdvanced(second))
        show(_print(at, price, bool(bars), at in last_of_bar))
        if number == 0:
            for spec in contenders:
                show(_bought(spec.id, at, price, CASH * SCALE * 9 // 10 * SCALE // price))
    show(SessionEnded(tape[-1][0], "end"))
    (published,) = last
    assert isinstance(published, LeaderboardPublished)
    return published


def _print(at: int, price: int, is_bar: bool, last: bool) -> Event:
    if is_bar:
        return BarPointReceived(at, NAME, price, SCALE, at, at, price, price, price, last)
    return TickReceived(at, NAME, price, SCALE)


def _bought(contender: str, at: int, price: int, quantity: int) -> OrderFilled:
    return OrderFilled(
        1, at, f"f{contender}", "o", contender, NAME, Side.BUY, quantity, price, 0, 0, 0, OrderPurpose.ENTRY, 0,
        ExecutionMode.PAPER,
    )  # fmt: skip


def equities_of(tape: Tape, closes: Iterable[int]) -> np.ndarray:
    """Equity at the opening and at each close, reckoned from the tape alone."""
    times, prices = np.array([at for at, _ in tape]), np.array([price for _, price in tape])
    last = prices[np.searchsorted(times, np.array(list(closes)), side="right") - 1]
    return np.concatenate([[CASH], CASH * (0.1 + 0.9 * last / prices[0])])


def assert_equal(standing: Standing, equities: np.ndarray, year: int) -> None:
    """The ratios are those of an independent library."""
    returns = equities[1:] / equities[:-1] - 1
    assert standing.returns == len(returns)
    assert standing.sharpe == pytest.approx(empyrical.sharpe_ratio(returns, annualization=year), rel=1e-6)
    sortino = empyrical.sortino_ratio(returns, annualization=year)
    assert standing.sortino == (pytest.approx(sortino, rel=1e-6) if abs(sortino) <= 100 else None)
    if len(returns) >= 30:
        assert standing.calmar == pytest.approx(empyrical.calmar_ratio(returns, annualization=year), rel=1e-5)
    else:
        assert standing.calmar is None


def daily_tape(market_data: Path) -> tuple[Tape, TradingCalendar]:
    """600 days of Apple as the four points of each bar."""
    half = 23_400 * NANOS_PER_SECOND
    tape, sessions = [], []
    for row in rows(market_data, "daily/wiki_daily_2000_2013.csv.gz", "AAPL")[-600:]:
        opens = int(row["ts_ns"])
        sessions.append((opens, opens + half))
        at = (opens, opens + half // 3, opens + 2 * half // 3, opens + half - 1)
        tape += [(when, fixed(row[name])) for when, name in zip(at, ("open", "low", "high", "close"), strict=True)]
    return tape, TradingCalendar("XNYS", False, tuple(sessions))


def test_600_days_of_buying_and_holding_have_the_ratios_of_their_daily_returns(market_data: Path) -> None:
    tape, calendar = daily_tape(market_data)
    (standing,) = hold(tape, calendar, bars=((NAME, 86_400),)).standings
    assert_equal(standing, equities_of(tape, [closes for _, closes in calendar.sessions]), 252)
    assert standing.sessions == 600
    assert standing.sharpe is not None
    assert 0.5 < standing.sharpe < 1
    assert standing.sharpe_low is not None
    assert standing.sharpe_low < 0 < standing.sharpe_probability < 1


def test_weeks_are_sampled_by_the_week(market_data: Path) -> None:
    """Between the closes of weekly bars nothing was seen: five sessions make one return."""
    days, calendar = daily_tape(market_data)
    closes = [closes for _, closes in calendar.sessions]
    week_of = {close: datetime.fromtimestamp(close // NANOS_PER_SECOND, UTC).isocalendar()[:2] for close in closes}
    ends = [one for one, later in zip(closes, [*closes[1:], 0], strict=True) if week_of[one] != week_of.get(later)]
    tape = [(at, price) for at, price in days if at + 1 in ends or at == days[0][0]]
    last = frozenset(close - 1 for close in ends)
    (standing,) = hold(tape, calendar, bars=((NAME, 604_800),), last_of_bar=last).standings
    equities = equities_of(tape, ends)
    returns = equities[1:] / equities[:-1] - 1
    assert (standing.returns, standing.sessions) == (len(ends), 600)
    year = 252 * len(ends) / 600
    assert standing.sharpe == pytest.approx(empyrical.sharpe_ratio(returns, annualization=1) * year**0.5, rel=1e-6)


@pytest.mark.parametrize("minutes", [1, 60])
@pytest.mark.parametrize("symbol", ["SPY", "UGA"])
def test_minutes_and_hours_of_four_days_have_the_ratios_of_their_closes(
    market_data: Path, minutes: int, symbol: str
) -> None:
    """UGA trades thinly: many of its minutes are missing."""
    minute, found = 60 * NANOS_PER_SECOND, rows(market_data, MINUTE_BARS, symbol)
    closes_of = {int(row["ts_ns"]) // minute // minutes: row for row in found}
    tape = [(int(row["ts_ns"]) + minute - 1, fixed(row["close"])) for row in closes_of.values()]
    (standing,) = hold(tape, CALENDAR).standings
    last_day_seen = tape[-1][0] >= CALENDAR.sessions[-1][1] - 2_340 * NANOS_PER_SECOND
    closes = [closes for _, closes in CALENDAR.sessions][: 4 if last_day_seen else 3]
    assert_equal(standing, equities_of(tape, closes), 252)


def trades(market_data: Path) -> Tape:
    """Eleven minutes of recorded trades, stretched to 55 days: silences of hours among bursts."""
    found = rows(market_data, "crypto/binance_trades_20240808.csv.gz", "BTCUSDT")
    spot = [row for row in found if row["exchange"] == "BINANCE-SPOT"][::40]
    first = int(spot[0]["ts_ns"])
    midnight = first - first % NANOS_PER_DAY
    return [(midnight + (int(row["ts_ns"]) - first) * 7_300, fixed(row["price"])) for row in spot]


def test_trades_around_the_clock_have_the_ratios_of_their_utc_days(market_data: Path) -> None:
    tape = trades(market_data)
    (standing,) = hold(tape, ALWAYS).standings
    first = tape[0][0]
    whole = (tape[-1][0] - first + NANOS_PER_DAY // 10) // NANOS_PER_DAY
    assert_equal(standing, equities_of(tape, [first + (day + 1) * NANOS_PER_DAY - 1 for day in range(whole)]), 365)


@settings(max_examples=15, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 40_000), min_size=6, max_size=40),
    moves=st.lists(st.integers(-300, 300), min_size=40, max_size=40),
    limits=st.tuples(st.integers(1, 40), st.integers(2_000, 86_400)),
    always=st.booleans(),
)
def test_the_same_prices_give_the_same_figures_however_the_clock_jumps_silences(
    gaps: list[int], moves: list[int], limits: tuple[int, int], always: bool
) -> None:
    day = 86_400 * NANOS_PER_SECOND
    venue = TradingCalendar("V", False, tuple((n * day + 9 * HOUR, n * day + 16 * HOUR) for n in range(30)))
    calendar = ALWAYS if always else venue
    at, price, tape = 9 * HOUR, fixed(100), []
    for gap, move in zip(gaps, moves, strict=False):
        tape.append((at, price))
        at, price = at + gap * NANOS_PER_SECOND + 7, max(SCALE, price + move * SCALE // 100)
    one, other = (hold(tape, calendar, max_gap_seconds=limit) for limit in limits)
    for first, second in zip(one.standings, other.standings, strict=True):
        assert first == second
    assert one.standings == other.standings
    assert (one.sharpe, one.max_drawdown, one.sessions) == (other.sharpe, other.max_drawdown, other.sessions)


def test_an_hour_has_no_ratio(market_data: Path) -> None:
    minutes = rows(market_data, MINUTE_BARS, "SPY")[:60]
    (standing,) = hold([(int(row["ts_ns"]), fixed(row["close"])) for row in minutes], CALENDAR).standings
    figures = (standing.sharpe, standing.sharpe_low, standing.sharpe_probability, standing.sortino, standing.calmar)
    assert figures == (None,) * 5
    # At the first of the hour's sixty minutes nothing was bought yet.
    assert (standing.sessions, standing.exposure) == (0, round(59 / 60 * SCALE))


def test_a_trained_model_is_measured_from_its_first_chance(market_data: Path) -> None:
    """Trained on the first two of four days, it is measured by the other two; a rule beside it by all four."""
    tape = [(int(row["ts_ns"]), fixed(row["close"])) for row in rows(market_data, MINUTE_BARS, "SPY")]
    model = ScriptedModel(lambda row: surely(0.5))
    recorded = model.recorded("champion")
    training = msgspec.structs.replace(recorded.manifest.training, last_at=CALENDAR.sessions[1][1])
    recorded = msgspec.structs.replace(recorded, manifest=msgspec.structs.replace(recorded.manifest, training=training))
    learned = learned_contender(model, "learned")
    faulty = msgspec.structs.replace(learned, id="faulty", model_hash="f" * 64, fault="torn")
    published = hold(tape, CALENDAR, contenders=(RULE, learned, faulty), models=(recorded,))
    found = {standing.contender: (standing.sessions, standing.returns) for standing in published.standings}
    assert found == {"rule": (4, 4), "learned": (2, 2), "faulty": (None, 0)}
