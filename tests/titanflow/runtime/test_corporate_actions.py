"""A backtest over a split and a dividend: a rule that holds through both, its books, its tables and its replay."""

from pathlib import Path
from typing import TypeVar

import pytest
import redis

from eventstore.ledger import Block
from projections.migrate import migrate
from projections.queries import Queries
from projections.verify import verify as verify_tables
from replay.verify import verify as verify_decisions
from support.projected_session import project
from support.short_session import events_of, play_fused
from titanflow.domain.events import (
    CorporateActionApplied,
    Event,
    LeaderboardPublished,
    OrderAdjusted,
    OrderFilled,
    OrderSubmitted,
    SignalGenerated,
)
from titanflow.domain.types import CorporateActionKind, OrderPurpose, Side, fixed
from titanflow.runtime.ledgers import CODEC, EventLedger
from titanflow.runtime.observer import Observer

E = TypeVar("E", bound=Event)
DAY = 86_400
OPEN = 1_549_895_400
"""2019-02-11 09:30 in New York, a Monday."""
CONTENDERS = """
[[contender]]
id = "holder"
strategy = "SMACrossover"
instruments = "*"
bar_seconds = 60
parameters = { fast = 2, slow = 4 }
"""
ACTIONS = """symbol,kind,ex_date,ratio,amount,pay_date
AAPL,split,2019-02-12,7:1,,
AAPL,dividend,2019-02-13,,0.47,2019-02-14
"""


def prices() -> list[tuple[int, str]]:
    """(second, price): falling, then rising for good; from the second day on in new shares."""
    told, cents = [], 64_000
    for day in range(4):
        for minute in range(30):
            cents += -12 if day == 0 and minute < 20 else 7
            for part in range(3):
                shown = cents if day == 0 else round(cents / 7)
                told.append((OPEN + day * DAY + 60 * minute + 20 * part, f"{shown / 100:.2f}"))
    return told


def play(redis_url: str, place: Path, actions: str, session: str) -> EventLedger:
    tape, contenders = place / "mine.csv", place / "contenders.toml"
    lines = (f"{second}000000000,AAPL,{price},1000" for second, price in prices())
    tape.write_text("\n".join(("ts_ns,symbol,price,size", *lines)) + "\n")
    contenders.write_text(CONTENDERS)
    if actions:
        (place / "mine.actions.csv").write_text(actions)
    risk = {"flat_at_close": False, "min_confidence": 0, "stop_floor": "0.03"}
    return play_fused(redis_url, place, tape, session, contenders=contenders, risk=risk)


@pytest.fixture
def ledger(redis_url: str, tmp_path: Path, session_id: str) -> EventLedger:
    return play(redis_url, tmp_path, ACTIONS, session_id)


def seen(ledger: EventLedger) -> Observer:
    observer = Observer()
    for block in ledger.read():
        observer.feed(block)
    return observer


def of(kind: type[E], events: list[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def test_a_holding_goes_through_a_split_and_a_dividend(ledger: EventLedger) -> None:
    events = events_of(ledger)
    (fill,) = of(OrderFilled, events)
    split, ex, paid = of(CorporateActionApplied, events)
    assert [each.kind.value for each in (split, ex, paid)] == ["split", "dividend", "dividend_payment"]
    assert split.last_price == [fixed(price) for second, price in prices() if second < OPEN + DAY][-1]
    assert [signal.side for signal in of(SignalGenerated, events)] == [Side.BUY], "no rule takes a split for a crash"
    quantity = 7 * fill.quantity
    assert seen(ledger).positions == {("holder", "AAPL.XNYS"): quantity}

    final = of(LeaderboardPublished, events)[-1].standings[0]
    dividend = quantity * fixed("0.47") // 10**9
    cost = fill.price * fill.quantity // 10**9 + fill.fee
    last = fixed(prices()[-1][1])
    assert (final.dividends, final.receivable) == (dividend, 0)
    assert final.cash == fixed("100000") - cost + dividend
    assert final.equity == final.cash + last * quantity // 10**9

    before_payment = [event for event in of(LeaderboardPublished, events) if ex.at < event.at < paid.at][-1].standings[
        0
    ]
    assert (before_payment.receivable, before_payment.cash) == (dividend, final.cash - dividend)


def test_the_protective_stop_follows_the_split(ledger: EventLedger) -> None:
    events = events_of(ledger)
    (stop,) = [order for order in of(OrderSubmitted, events) if order.purpose is OrderPurpose.STOP_LOSS]
    (adjusted,) = of(OrderAdjusted, events)
    assert (adjusted.order_id, adjusted.remaining) == (stop.order_id, 7 * stop.quantity)
    cent = 10_000_000
    assert adjusted.order_price == stop.order_price // 7 // cent * cent


def test_its_tables_and_its_decisions_are_proven(ledger: EventLedger, database: str) -> None:
    migrate(database)
    assert verify_decisions(ledger, CODEC).identical
    project(database, ledger)
    assert verify_tables(database, ledger).identical
    queries = Queries(database)
    (book,) = queries.portfolios(ledger.session)
    (position,) = book["positions"]
    fill = of(OrderFilled, events_of(ledger))[0]
    assert position["quantity"] * 10**9 == 7 * fill.quantity
    assert position["cost"] * 10**9 == fill.price * fill.quantity // 10**9
    assert book["dividends"] > 0
    assert book["receivable"] == 0
    assert [row["kind"] for row in queries.corporate_actions(ledger.session)] == [
        kind.value for kind in CorporateActionKind
    ]
    assert all(order["filled"] <= order["quantity"] for order in queries.orders(ledger.session))


def test_a_split_that_nobody_announced_is_pointed_at(redis_url: str, tmp_path: Path, session_id: str) -> None:
    from titanflow.cli.splits import split_warnings

    ledger = play(redis_url, tmp_path, "", session_id)
    observer = seen(ledger)
    (leap,) = observer.overnight.leaps
    assert (leap.instrument, leap.new, leap.old) == ("AAPL.XNYS", 7, 1)
    (warning,) = split_warnings(observer)
    assert warning.startswith("AAPL.XNYS opened at 0.143 of its close on 2019-02-12: a split of 7:1?")
    assert "mine.actions.csv" in warning


def test_a_split_that_was_announced_is_not(ledger: EventLedger) -> None:
    assert seen(ledger).overnight.leaps == []


def test_a_feed_whose_actions_changed_does_not_go_on(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, session_id: str, ledger: EventLedger
) -> None:
    from titanflow.errors import SessionStateError
    from titanflow.runtime.feeds import check_feed, open_provider
    from titanflow.runtime.operator_desk import session_started
    from titanflow.runtime.runs import load_run

    (tmp_path / "mine.actions.csv").write_text(ACTIONS.replace("7:1", "2:1"))
    with pytest.raises(SessionStateError, match="feed is not the one"):
        check_feed(open_provider(load_run(tmp_path, session_id)), session_started(ledger))


def test_blocks_of_one_event_say_the_same(ledger: EventLedger) -> None:
    one = Observer()
    for seq, event in enumerate(events_of(ledger), 1):
        one.feed(Block(seq, seq, [event], 0, b""))
    assert one.positions == seen(ledger).positions
