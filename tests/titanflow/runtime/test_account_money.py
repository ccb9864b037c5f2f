"""A backtest of a share in euros with accounts in dollars: sizes, fills, books, tables and replay in account money."""

from pathlib import Path

import pytest

from projections.migrate import migrate
from projections.queries import Queries
from projections.verify import verify as verify_tables
from replay.verify import verify as verify_decisions
from support.projected_session import project
from support.short_session import events_of, play_fused
from titanflow.cli.summary import money_lines
from titanflow.domain.events import (
    Event,
    LeaderboardPublished,
    OrderApproved,
    OrderFilled,
    OrderRejected,
    SessionStarted,
    TickReceived,
)
from titanflow.domain.types import SCALE, decimal_of, fixed
from titanflow.errors import InputError
from titanflow.runtime.ledgers import CODEC, EventLedger
from titanflow.runtime.observer import Observer

OPEN = 1_549_872_000
"""2019-02-11 09:00 in Frankfurt."""
CATALOGUE = """
[[group]]
kind = "equity"
venue = "XETR"
calendar = "XETR"
currency = "EUR"
price_increment = "0.01"
quantity_increment = "1"
fees = { minimum = "1" }
symbols = ["SAP"]
"""
CONTENDERS = """
[[contender]]
id = "trader"
strategy = "SMACrossover"
instruments = "*"
bar_seconds = 60
parameters = { fast = 2, slow = 4 }
"""


def play(redis_url: str, place: Path, session: str, **changes: object) -> EventLedger:
    """Three hours that fall and rise by turns."""
    lines, cents = [], 9_000
    for minute in range(180):
        cents += 6 if minute % 60 >= 25 else -5
        lines += [f"{OPEN + 60 * minute + 20 * part}000000000,SAP,{cents / 100:.2f},5000" for part in range(3)]
    files = {"mine.csv": "\n".join(("ts_ns,symbol,price,size", *lines)) + "\n"}
    files |= {"catalogue.toml": CATALOGUE, "contenders.toml": CONTENDERS}
    for name, text in files.items():
        (place / name).write_text(text)
    feed = {"catalogue": place / "catalogue.toml", "options": {"venue": "XETR"}}
    contenders = place / "contenders.toml"
    risk = {"min_confidence": 0}
    return play_fused(
        redis_url, place, place / "mine.csv", session, feed=feed, contenders=contenders, risk=risk, **changes
    )


def of(kind: type, events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def test_without_a_rate_no_session_begins(redis_url: str, tmp_path: Path, session_id: str) -> None:
    with pytest.raises(InputError, match=r"SAP\.XETR is quoted in EUR, the accounts are in USD"):
        play(redis_url, tmp_path, session_id)


def test_everything_is_booked_in_account_money(redis_url: str, database: str, tmp_path: Path, session_id: str) -> None:
    ledger = play(redis_url, tmp_path, session_id, fx={"EUR": "1.25"})
    events = events_of(ledger)
    started = events[0]
    assert isinstance(started, SessionStarted)
    assert started.instruments[0].rate == fixed("1.25")
    assert of(OrderRejected, events) == [], "what risk approves in account money, the last gate accepts"
    entries = [event for event in of(OrderApproved, events) if event.stop_price]  # type: ignore[attr-defined]
    assert entries
    limit = started.settings.risk.max_position
    for entry in entries:
        dollars = entry.quantity * entry.decision_price * 5 // (4 * SCALE)  # type: ignore[attr-defined]
        assert dollars <= started.settings.starting_cash * limit // SCALE * 101 // 100

    cash = fixed("100000")
    held = 0
    fills = of(OrderFilled, events)
    assert len(fills) > 2
    for fill in fills:
        assert isinstance(fill, OrderFilled)
        cash -= fill.side.sign * fill.price * fill.quantity * 5 // (4 * SCALE) + fill.fee
        held += fill.side.sign * fill.quantity
        assert fill.fee % fixed("1.25") == 0, "one euro an order, in dollars"
    final = of(LeaderboardPublished, events)[-1].standings[0]  # type: ignore[attr-defined]
    assert abs(final.cash - cash) <= len(fills)
    last = [event.price for event in of(TickReceived, events)][-1]  # type: ignore[attr-defined]
    assert abs(final.equity - final.cash - held * last * 5 // (4 * SCALE)) <= 1

    assert verify_decisions(ledger, CODEC).identical
    migrate(database)
    project(database, ledger)
    assert verify_tables(database, ledger).identical
    (book,) = Queries(database).portfolios(session_id)
    assert book["cash"] == decimal_of(final.cash)
    observer = Observer()
    for block in ledger.read():
        observer.feed(block)
    assert list(money_lines(observer)) == ["money      accounts in USD; EUR at 1.25"]


def test_accounts_may_be_in_euros(redis_url: str, tmp_path: Path, session_id: str) -> None:
    ledger = play(redis_url, tmp_path, session_id, currency="EUR")
    started = events_of(ledger)[0]
    assert isinstance(started, SessionStarted)
    assert (started.settings.currency, started.instruments[0].rate) == ("EUR", SCALE)
