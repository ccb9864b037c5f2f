"""A small but eventful session decided by the real deciders, and short ways to put it into a ledger and see its rows.

Two instruments walk at random (seeded); four contenders trade them on bars of two seconds; an operator meddles. Every
kind of row comes out: partial fills, stops, holds approved and denied, kill switches, rollbacks, liquidation, refusals.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Table

from eventstore.ledger import Ledger, Move
from projections.database import connect
from projections.projector import Projector
from projections.tables import SCHEMA, metadata
from titanflow.deciders import new_deciders
from titanflow.domain.events import (
    ClockAdvanced,
    CorporateActionApplied,
    Event,
    FeatureDriftMeasured,
    OperatorCommanded,
    OrderHeld,
    SessionEnded,
    SessionStarted,
    SignalWithheld,
    TickReceived,
)
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar
from titanflow.domain.session_settings import (
    ContenderSpec,
    ExecutionSettings,
    FeedSpec,
    LeaderboardSettings,
    RiskSettings,
    SessionSettings,
)
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, CorporateActionKind, OperatorAction, Side, WithheldReason

OpenLedger = Callable[[], Ledger[Event]]
"""Opens the test's ledger on a connection of its own: a ledger is not for two threads."""

START = 1_700_000_000 * NANOS_PER_SECOND
COIN = Instrument(
    "BTC.TEST",
    "BTC",
    "TEST",
    InstrumentKind.CRYPTO_SPOT,
    SCALE // 100,
    SCALE // 100_000,
    "24/7",
    "USDT",
    FeeSchedule(notional_ratio=1_000_000),
)
SHARE = Instrument(
    "AAA.TEST",
    "AAA",
    "TEST",
    InstrumentKind.EQUITY,
    SCALE // 100,
    SCALE,
    "24/7",
    "USD",
    FeeSchedule(per_unit=5_000_000),
)
ACTIONS = {
    180: CorporateActionKind.DIVIDEND,
    260: CorporateActionKind.SPLIT,
    300: CorporateActionKind.DIVIDEND_PAYMENT,
    410: CorporateActionKind.SPLIT,
}
"""Second -> what the share's company does at it."""


def contender(name: str, fast: int, slow: int) -> ContenderSpec:
    parameters = (("fast", fast), ("slow", slow))
    return ContenderSpec(name, name.title(), "SMACrossover", parameters, (COIN.id, SHARE.id), 2, "c0ffee" * 10 + "beef")


CONTENDERS = (contender("quick", 2, 5), contender("calm", 5, 15), contender("slow", 10, 40), contender("mad", 1, 2))


def opening(*, publish_seconds: int = 5) -> SessionStarted:
    risk = RiskSettings(
        min_confidence=0.0,
        max_daily_loss=SCALE // 200,
        max_consecutive_losses=4,
        loss_streak_cost=0,
        rollback_min_sharpe=0.5,
        rollback_min_accuracy=0.5,
        risk_per_trade=SCALE // 100,
        stop_bar_seconds=2,
        max_position=SCALE // 10,
        max_gross_exposure=SCALE,
        total_max_gross_exposure=SCALE,
        no_entry_before_close_seconds=0,
        performance_window=6,
        performance_check_interval=3,
        hold_expiry_seconds=20,
        atr_stop_multiple=SCALE,
        allow_short=True,
    )
    return SessionStarted(
        at=START,
        identity="eventful",
        seed=11,
        settings=SessionSettings(
            risk=risk,
            execution=ExecutionSettings(allow_short=True, max_order_value=10_000 * SCALE, borrow_rate=SCALE // 10),
            leaderboard=LeaderboardSettings(publish_seconds=publish_seconds, sample_seconds=10),
        ),
        instruments=(COIN, SHARE),
        calendars=(TradingCalendar("24/7", True, ()),),
        contenders=CONTENDERS,
        feed=FeedSpec("synthetic", "random walk", "0" * 64),
        code_version="test",
    )


@cache
def eventful_session(seconds: int = 600, seed: int = 3, forks_at: int | None = None) -> tuple[Event, ...]:
    """Every event of the session in ledger order; the first has seq 1. Prices go otherwise from `forks_at` on."""
    ledger: list[Event] = []
    handlers = [decider.handlers for decider in new_deciders()]
    seq = 0
    for outside in _outside(ledger, seconds, random.Random(seed), forks_at):
        ledger.append(outside)
        while seq < len(ledger):
            event = ledger[seq]
            seq += 1
            for table in handlers:
                if handle := table.get(type(event)):
                    ledger.extend(handle(seq, event))
    return tuple(ledger)


def _outside(ledger: Sequence[Event], seconds: int, rng: random.Random, forks_at: int | None) -> Iterator[Event]:
    yield opening()
    cents = {COIN.id: 5_000_000, SHARE.id: 10_000}
    answered = 0
    for second in range(seconds):
        at = START + second * NANOS_PER_SECOND
        if second == forks_at:
            rng.seed(second)
        yield ClockAdvanced(at)
        if second in ACTIONS:
            yield company_acts(at, ACTIONS[second], cents[SHARE.id] * (SCALE // 100))
        if ACTIONS.get(second) is CorporateActionKind.SPLIT:
            cents[SHARE.id] = cents[SHARE.id] * 2 // 3
        for place, instrument in enumerate((COIN, SHARE)):
            for part in range(2):
                cents[instrument.id] += round(rng.gauss(0, cents[instrument.id] / 800))
                size = rng.randrange(1, 40) * (instrument.quantity_increment * (200 if instrument is COIN else 1))
                moment = at + part * 400_000_000 + place * 1_000_001
                yield TickReceived(moment, instrument.id, cents[instrument.id] * (SCALE // 100), size)
        held = [event for event in ledger[answered:] if isinstance(event, OrderHeld)]
        answered = len(ledger)
        for n, hold in enumerate(held):
            if (second + n) % 3:  # every third is left to lapse
                action = OperatorAction.APPROVE if (second + n) % 3 == 1 else OperatorAction.DENY
                yield command(at, action, order_id=hold.order_id)
        yield from _meddling(at, second)
        if second == 60:
            yield from _said_by_a_model(at, cause=len(ledger))
    yield SessionEnded(START + seconds * NANOS_PER_SECOND, "end of\0 test")


def _said_by_a_model(at: int, cause: int) -> Iterator[Event]:
    """What a trained model would have said, had one competed."""
    numbers = (("probability", 0.75), ("age_days", -1.5))
    yield SignalWithheld(cause, at, "calm", COIN.id, Side.BUY, WithheldReason.IN_SAMPLE, numbers, "m0de1")
    yield FeatureDriftMeasured(cause, at, "calm", START, 30, (("rsi", 0.5), ("atr", 0.01)), True, "m0de1", ("rsi",))


def _meddling(at: int, second: int) -> Iterator[Event]:
    if second % 50 == 49:
        yield command(at, OperatorAction.RESUME)
    if second == 100:
        yield command(at, OperatorAction.APPROVE, order_id="no\0body")
        yield command(at, OperatorAction.KILL, contender="stranger")
    if second == 130:
        yield command(at, OperatorAction.LIQUIDATE)
    if second == 220:
        yield command(at, OperatorAction.KILL, contender="calm")


def company_acts(at: int, kind: CorporateActionKind, last_price: int) -> CorporateActionApplied:
    """The share is split 3:2, or pays 0.37 a share."""
    split = kind is CorporateActionKind.SPLIT
    new, old, amount = (3, 2, 0) if split else (0, 0, 370_000_000)
    return CorporateActionApplied(at, SHARE.id, kind, new, old, amount, last_price, START, 0 if split else START)


def command(
    at: int, action: OperatorAction, *, contender: str = "", order_id: str = "", reason: str = "a \0reason"
) -> OperatorCommanded:
    return OperatorCommanded(at, action, "ada", contender, order_id, reason)


def write(ledger: Ledger[Event], events: Sequence[Event], sizes: Callable[[], int] = lambda: 200) -> None:
    """Append the events behind what is there, in blocks of these sizes."""
    at = ledger.checkpoint("tape")
    while at < len(events):
        end = min(at + sizes(), len(events))
        ledger.append(events[at:end], [Move("tape", at, end)])
        at = end


def project(database: str, ledger: Ledger[Event], **options: Any) -> int:
    """Bring the tables to the ledger's end, and return its seq."""
    with Projector(database, ledger, **options) as projector:
        return projector.catch_up()


def all_rows(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in the order of the keys."""
    with connect(database) as connection:
        return {table.name: connection.execute(_select(table)).fetchall() for table in metadata.sorted_tables}


def _select(table: Table) -> sql.Composed:
    key = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.primary_key)
    return sql.SQL("SELECT * FROM {} ORDER BY {}").format(sql.Identifier(SCHEMA, table.name), key)


def empty(database: str) -> None:
    """Delete every row of every table."""
    run(database, f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)}")


def run(database: str, statement: str) -> None:
    """Run one statement in the projections' schema and commit it."""
    with psycopg.connect(_conninfo(database)) as connection:
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute(statement.encode())


def _conninfo(database: str) -> str:
    return database.replace("postgresql+psycopg://", "postgresql://", 1)
