"""A session on recorded minutes of SPY and AAPL, decided by the real deciders: a ledger for whoever folds one."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

from titanflow.deciders import new_deciders
from titanflow.domain.events import ClockAdvanced, Event, SessionEnded, SessionStarted, TickReceived
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, LeaderboardSettings, SessionSettings
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, fixed

MINUTE_BARS = "minute_2019/us_equity_minute_2019-02.csv.gz"
DAYS = (1_549_895_400, 1_549_981_800, 1_550_068_200, 1_550_154_600)
"""14:30 UTC, the open of New York, on the four recorded days."""
SESSION_SECONDS = 23_400
CALENDAR = TradingCalendar(
    "XNYS",
    False,
    tuple((day * NANOS_PER_SECOND, (day + SESSION_SECONDS) * NANOS_PER_SECOND) for day in DAYS),
)


def share(symbol: str) -> Instrument:
    fees = FeeSchedule(per_unit=5_000_000)
    return Instrument(f"{symbol}.XNYS", symbol, "XNYS", InstrumentKind.EQUITY, SCALE // 100, SCALE, "XNYS", "USD", fees)


def crossover(fast: int, slow: int) -> ContenderSpec:
    name = f"sma-{fast}-{slow}"
    parameters = (("fast", fast), ("slow", slow))
    return ContenderSpec(
        name, f"Crossover {fast}/{slow}", "SMACrossover", parameters, ("SPY.XNYS", "AAPL.XNYS"), 60, "f" * 64
    )


def started(publish_seconds: int) -> SessionStarted:
    return SessionStarted(
        at=DAYS[0] * NANOS_PER_SECOND,
        identity="recorded",
        seed=7,
        settings=SessionSettings(leaderboard=LeaderboardSettings(publish_seconds=publish_seconds)),
        instruments=(share("SPY"), share("AAPL")),
        calendars=(CALENDAR,),
        contenders=(crossover(5, 20), crossover(10, 30)),
        feed=FeedSpec("tape", MINUTE_BARS, ""),
        code_version="test",
    )


def recorded_ledger(market_data: Path, *, days: int = 4, publish_seconds: int = 60) -> list[Event]:
    """Every event of the session, in ledger order: the first has seq 1."""
    first = started(publish_seconds)
    until = DAYS[days - 1] + SESSION_SECONDS
    handlers = [decider.handlers for decider in new_deciders()]
    ledger: list[Event] = []
    seq = 0
    for outside in (first, *_outside(market_data, until), SessionEnded(until * NANOS_PER_SECOND, "end of tape")):
        ledger.append(outside)
        while seq < len(ledger):
            event = ledger[seq]
            seq += 1
            for table in handlers:
                if handle := table.get(type(event)):
                    ledger.extend(handle(seq, event))
    return ledger


def _outside(market_data: Path, until: int) -> Iterator[Event]:
    """The four prices of each bar as ticks a quarter of a minute apart, and each second of the sessions as a clock."""
    ticks: dict[int, list[TickReceived]] = {}
    with gzip.open(market_data / MINUTE_BARS, "rt") as lines:
        for row in csv.DictReader(lines):
            if row["symbol"] in ("SPY", "AAPL"):
                for quarter, column in enumerate(("open", "high", "low", "close")):
                    second = int(row["ts_ns"]) // NANOS_PER_SECOND + 15 * quarter
                    tick = TickReceived(
                        second * NANOS_PER_SECOND, f"{row['symbol']}.XNYS", fixed(row[column]), 1_000 * SCALE
                    )
                    ticks.setdefault(second, []).append(tick)
    for day in DAYS:
        for second in range(day, min(day + SESSION_SECONDS, until)):
            yield ClockAdvanced(second * NANOS_PER_SECOND)
            yield from ticks.get(second, ())
