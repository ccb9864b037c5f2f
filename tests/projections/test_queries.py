"""What screens ask: the answers agree with the events and with each other."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from eventstore.ledger import Ledger
from projections.queries import Queries
from support.projected_session import CONTENDERS, eventful_session, project
from titanflow.domain.events import Event, LeaderboardPublished, OrderFilled
from titanflow.domain.types import decimal_of
from titanflow.errors import ServerError, SettingsError

EVENTS = eventful_session()


@pytest.fixture
def queries(tables: str, eventful_ledger: Ledger[Event]) -> Queries:
    project(tables, eventful_ledger)
    return Queries(tables)


def test_the_session_is_listed_with_how_far_its_tables_are(queries: Queries, session_id: str) -> None:
    (session,) = queries.sessions()
    assert (session["session_id"], session["seq_done"], session["identity"]) == (session_id, len(EVENTS), "eventful")
    assert session["end_reason"] == "end of\N{REPLACEMENT CHARACTER} test"
    assert session["at"] == datetime.fromtimestamp(session["at_ns"] // 10**9, UTC)
    assert session["at"].utcoffset() == timedelta(0)
    assert queries.checkpoint(session_id) == len(EVENTS)
    assert queries.checkpoint("nowhere") == 0
    assert queries.settings(session_id)["leaderboard.publish_seconds"] == 5


def test_the_leaderboard_is_the_one_last_published(queries: Queries, session_id: str) -> None:
    last = next(event for event in reversed(EVENTS) if isinstance(event, LeaderboardPublished))
    rows = queries.leaderboard(session_id)
    assert [row["contender"] for row in rows] == [standing.contender for standing in last.standings]
    for row, standing in zip(rows, last.standings, strict=True):
        assert row["equity"] == decimal_of(standing.equity)
        assert row["turnover"] == decimal_of(standing.turnover)
        assert row["sharpe"] == standing.sharpe
        assert row["status"] == standing.status
    arena = queries.arena(session_id)
    assert arena is not None
    assert arena["total_equity"] == sum(row["equity"] for row in rows) == decimal_of(last.total_equity)


def test_portfolios_hold_their_positions_and_balance(queries: Queries, session_id: str) -> None:
    books = queries.portfolios(session_id)
    assert sorted(book["contender"] for book in books) == sorted(spec.id for spec in CONTENDERS)
    assert any(book["positions"] for book in books)
    for book in books:
        assert sum((position["cost"] for position in book["positions"]), Decimal()) == book["cost_basis"]
        assert book["equity"] == book["cash"] + book["cost_basis"] + book["unrealized_pnl"]
    assert [book["contender"] for book in queries.portfolios(session_id, "calm")] == ["calm"]
    assert queries.portfolios(session_id, "nobody") == []


def test_fills_come_in_ledger_order_and_the_last_ones_on_request(queries: Queries, session_id: str) -> None:
    filled = [(seq, event) for seq, event in enumerate(EVENTS, 1) if isinstance(event, OrderFilled)]
    assert [row["seq"] for row in queries.fills(session_id)] == [seq for seq, _ in filled]
    assert [row["seq"] for row in queries.fills(session_id, limit=3)] == [seq for seq, _ in filled[-3:]]
    calm = [seq for seq, event in filled if event.contender == "calm"]
    assert [row["seq"] for row in queries.fills(session_id, "calm", limit=2)] == calm[-2:]


def test_a_fill_and_its_order_are_found_by_id(queries: Queries, session_id: str) -> None:
    seq, fill = next((seq, event) for seq, event in enumerate(EVENTS, 1) if isinstance(event, OrderFilled))
    assert queries.find(session_id, fill.fill_id) == seq
    order = queries.find(session_id, fill.order_id)
    assert order is not None
    assert order < seq
    assert EVENTS[order - 1].order_id == fill.order_id  # type: ignore[attr-defined]
    assert queries.find(session_id, "no such id") is None


def test_orders_can_be_asked_for_by_status(queries: Queries, session_id: str) -> None:
    orders = queries.orders(session_id)
    cancelled = queries.orders(session_id, status="cancelled")
    assert 0 < len(cancelled) < len(orders)
    assert cancelled == [order for order in orders if order["status"] == "cancelled"]


def test_every_signal_has_a_verdict_that_names_it(queries: Queries, session_id: str) -> None:
    answered = {verdict["signal"] for verdict in queries.verdicts(session_id)}
    assert {signal["seq"] for signal in queries.signals(session_id)} <= answered


def test_round_trips_add_up_to_what_the_books_realized(queries: Queries, session_id: str) -> None:
    for book in queries.portfolios(session_id):
        trips = queries.round_trips(session_id, book["contender"])
        assert len(trips) == book["round_trips"]
        if not book["positions"]:
            assert sum((trip["pnl"] for trip in trips), Decimal()) == book["realized_pnl"] - book["fees"]


def test_the_equity_curve_ends_in_the_leaderboard(queries: Queries, session_id: str) -> None:
    last = {row["contender"]: row["equity"] for row in queries.equity_curve(session_id)}
    assert last == {row["contender"]: row["equity"] for row in queries.leaderboard(session_id)}


def test_the_life_of_an_order_can_be_read_step_by_step(queries: Queries, session_id: str) -> None:
    stop = next(order for order in queries.orders(session_id) if order["parent_id"] and order["status"] == "filled")
    steps = queries.audit_trail(session_id, order_id=stop["order_id"])
    assert steps[0]["step"] == "submitted"
    assert steps[-1]["step"] == "filled"
    assert {step["data"]["order_id"] for step in steps} == {stop["order_id"]}
    assert all(step["data"]["contender"] == stop["contender"] for step in steps)


def test_what_models_withheld_and_how_features_drifted_can_be_read(queries: Queries, session_id: str) -> None:
    (withheld,), (drift,) = queries.withheld_signals(session_id), queries.feature_drift(session_id, "calm")
    assert (withheld["reason"], withheld["context"]["probability"]) == ("in_sample", 0.75)
    assert (drift["drifted"], drift["indices"]["rsi"], drift["beyond"]) == (True, 0.5, ["rsi"])


def test_risk_and_audit_records_can_be_read(queries: Queries, session_id: str) -> None:
    assert {row["event_type"] for row in queries.risk_events(session_id)} == {"command", "kill_switch", "rollback"}
    kills = queries.audit_trail(session_id, "KILL_SWITCH")
    assert [row["seq"] for row in kills] == [
        row["seq"] for row in queries.risk_events(session_id) if row["event_type"] == "kill_switch"
    ]


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(ServerError, match=r"ada:\*\*\*@127\.0\.0\.1:1"):
        Queries("postgresql://ada:secret@127.0.0.1:1/nothing").sessions()


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be PostgreSQL"):
        Queries("mysql://localhost/titanflow")
    with pytest.raises(SettingsError, match="cannot be parsed"):
        Queries("not a url")
