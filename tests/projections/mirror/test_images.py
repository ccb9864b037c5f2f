"""What each event looks like on the legacy channels: whole messages, and the contract field by field."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from projections.mirror import messages
from projections.mirror.formats import iso, number
from projections.mirror.images import AUDITED, TRADING, Images
from support.legacy_contract import AUDIT, CHANNELS, breaches
from support.mirrored_story import AT, story
from support.recorded_session import recorded_ledger
from titanflow.domain.events import Event, ModelReplaced, OrderFilled
from titanflow.domain.types import SCALE

RECORDED_AT = 1_700_000_000_000_000_000
WHEN = "2019-02-11T14:30:00.123456+00:00"
LOGGED = "2023-11-14T22:13:20.000000+00:00"
REASONS = ["RSI: -0.2500", "SMA: +0.1000", "MACD: +0.1000"]


def images_of(events: list[Event]) -> list[tuple[str, dict[str, Any]]]:
    """(channel, decoded JSON) of every message of a ledger."""
    images = Images("s")
    return [
        (channel, json.loads(msgspec.json.encode(message)))
        for seq, event in enumerate(events, 1)
        for channel, message in images.of(seq, RECORDED_AT, event)
    ]


def image(channel: str, seq: int) -> dict[str, Any]:
    """The message of the story's event at `seq` on `channel`, without what all messages carry."""
    (found,) = [body for where, body in images_of(story()) if where == channel and body["seq"] == seq]
    assert (found.pop("schema_version"), found.pop("session_id"), found.pop("seq")) == ("1.0", "s", seq)
    return found


def test_every_message_of_the_story_keeps_the_contract() -> None:
    sent = images_of(story())
    assert [breach for channel, body in sent for breach in breaches(channel, body)] == []
    assert {channel for channel, _ in sent} == {*CHANNELS, "audit_events"}
    assert {body["event_type"] for channel, body in sent if channel == "audit_events"} == set(AUDIT)


def test_every_message_of_a_recorded_session_keeps_the_contract(market_data: Path) -> None:
    ledger = recorded_ledger(market_data, days=1)
    sent = images_of(ledger)
    assert [breach for channel, body in sent for breach in breaches(channel, body)] == []
    kinds = Counter(map(type, ledger))
    heard = Counter(channel for channel, _ in sent)
    due: Counter[str] = Counter()
    for event_type, (channel, _) in TRADING.items():
        due[channel] += kinds[event_type]
    assert all(heard[channel] == count for channel, count in due.items())
    assert heard["audit_events"] == sum(kinds[event_type] for event_type in AUDITED)
    assert heard["execution_filled"] > 0
    assert [body["seq"] for _, body in sent] == sorted(body["seq"] for _, body in sent)
    assert all(type(body["qty"]) is int for _, body in sent if "qty" in body)


def test_the_messages_are_those_that_are_documented() -> None:
    assert messages.CHANNELS.keys() == {*CHANNELS, "audit_events"}
    table = messages.channels_table()
    assert all(f"| `{channel}` |" in table for channel in messages.CHANNELS)
    assert '`side` `"buy"` or `"sell"` · `qty` number' in table
    assert "`sharpe` float or null" in table


def test_the_documentation_shows_the_table_as_it_is() -> None:
    text = (Path(__file__).parents[3] / "docs" / "legacy_channels.md").read_text()
    shown = text.partition("<!-- AUTO:channels -->\n")[2].partition("<!-- /AUTO -->")[0]
    assert shown == messages.channels_table()


def test_a_tick_carries_its_size_twice_and_nanoseconds() -> None:
    assert image("market_data", 3) == {
        "symbol": "AAPL", "price": 170.25, "size": 100, "volume": 100, "timestamp": AT, "type": "trade",
        "provider": "tape", "instrument": "AAPL.XNYS", "venue": "XNYS",
    }  # fmt: skip
    assert image("market_data", 2)["size"] == 0.25


def test_a_print_off_the_market_is_not_sent() -> None:
    assert [body for _, body in images_of(story()) if body["seq"] == 4] == []


def test_a_signal_tells_its_reasons_the_weightiest_first() -> None:
    assert image("trade_signals", 6) == {
        "model_id": "m1", "model_name": "Model One", "symbol": "AAPL", "signal": "BUY", "confidence": 0.8,
        "price": 170.25, "timestamp": AT, "explanation": REASONS,
        "attributions": [
            {"feature": "RSI", "impact": -0.25}, {"feature": "SMA", "impact": 0.1}, {"feature": "MACD", "impact": 0.1},
        ],
        "instrument": "AAPL.XNYS", "venue": "XNYS",
    }  # fmt: skip


def test_an_approved_order_repeats_the_reasons_of_its_signal() -> None:
    assert image("execution_requests", 7) == {
        "model_id": "m1", "symbol": "AAPL", "side": "buy", "qty": 10, "type": "market", "confidence": 0.8,
        "price": 170.25, "explanation": REASONS, "timestamp": AT, "order_id": "o1", "purpose": "entry",
        "stop_price": 168.0, "instrument": "AAPL.XNYS", "venue": "XNYS",
    }  # fmt: skip
    assert image("execution_requests", 19)["qty"] == 0.5


def test_a_fill_is_whole_or_partial_and_repeats_the_reasons() -> None:
    part = {
        "id": "fill-o1", "order_id": "o1", "model_id": "m1", "model_name": "Model One", "symbol": "AAPL",
        "side": "BUY", "qty": 4, "price": 170.5, "timestamp": WHEN, "status": "PARTIALLY_FILLED", "mode": "paper",
        "slippage": 0.25, "realized_pnl": 0.0, "explanation": REASONS, "fee": 0.02, "purpose": "entry",
        "instrument": "AAPL.XNYS", "venue": "XNYS",
    }  # fmt: skip
    assert image("execution_filled", 10) == part
    assert image("audit_events", 10) == {
        **part, "event_type": "FILL", "logged_at": LOGGED, "model_version": "hash-1",
    }  # fmt: skip
    last = image("execution_filled", 24)
    assert (last["status"], last["side"], last["realized_pnl"], last["slippage"]) == ("FILLED", "SELL", -6.0, -1.0)
    assert last["explanation"] == []


def test_the_leaderboard_is_in_dollars_and_percent() -> None:
    board = image("paper_portfolio_updates", 12)
    assert (board["timestamp"], board["mode"], board["best_model"]) == (WHEN, "paper", "m2")
    assert (board["max_drawdown_pct"], board["sharpe"], board["sortino"]) == (1.0, 0.75, None)
    assert board["models"][1] == {
        "model_id": "m1", "model_name": "Model One", "cash": 99000.0, "equity": 99500.0, "pnl": -500.0,
        "pnl_pct": -0.5, "realized_pnl": 12.5, "trades": 3, "wins": 1, "win_rate": pytest.approx(100 / 3),
        "open_positions": 1, "max_drawdown_pct": 2.5, "sharpe": 1.5, "sortino": None, "sharpe_low": -0.5,
        "sharpe_high": 3.5, "sharpe_probability": 0.9, "sessions": 20, "absent": [
            {"figure": "sortino", "reason": "NO_LOSS"}, {"figure": "calmar", "reason": "NEEDS_30_SESSIONS"},
            {"figure": "profit_factor", "reason": "NO_LOSS"}, {"figure": "win_rate", "reason": "NEEDS_10_TRIPS"},
        ],
    }  # fmt: skip
    assert board["models"][0]["win_rate"] == 0.0


def test_risk_commands_name_the_model_unless_they_concern_all() -> None:
    assert image("risk_commands", 22) == {
        "command": "LIQUIDATE_ALL", "reason": "daily_loss", "model_id": None, "rolling_sharpe": None,
        "rolling_accuracy": None,
    }  # fmt: skip
    assert image("risk_commands", 26) == {
        "command": "ACTIVATE_MANUAL_APPROVAL", "reason": "rolling sharpe", "model_id": "m2", "rolling_sharpe": 0.1,
        "rolling_accuracy": 0.4,
    }  # fmt: skip
    assert image("risk_commands", 27)["command"] == "RESUME"


def test_the_audit_follows_an_order_from_verdict_to_end() -> None:
    steps = [
        (body["seq"], body["order_id"], body["status"], body["side"], body["qty"], body["price"], body["reason"])
        for channel, body in images_of(story())
        if channel == "audit_events" and body["event_type"] == "ORDER"
    ]
    assert steps == [
        (7, "o1", "APPROVED", "buy", 10, 170.25, None),
        (8, "o1", "SUBMITTED", "buy", 10, 170.0, None),
        (11, "s1", "SUBMITTED", "sell", 4, 168.0, None),
        (13, "o1", "CANCELLED", "buy", 6, 170.0, "LIQUIDATION"),
        (15, "", "DENIED", "sell", 0, 60000.5, "SHORTING_DISABLED"),
        (17, "h1", "HELD", "buy", 0.5, 60000.5, "MANUAL_APPROVAL"),
        (19, "h1", "APPROVED", "buy", 0.5, 60000.5, None),
        (20, "h1", "REJECTED", "buy", 0.5, 60000.5, "ORDER_VALUE"),
        (23, "l1", "SUBMITTED", "sell", 4, 170.0, None),
        (30, "h2", "HELD", "buy", 0.5, 60000.5, "MANUAL_APPROVAL"),
        (31, "h2", "DENIED", "buy", 0.5, 60000.5, "HOLD_EXPIRED"),
    ]


def test_a_stop_has_its_entry_s_confidence_and_a_liquidation_that_of_a_rule() -> None:
    assert image("audit_events", 11)["confidence"] == 0.8
    assert image("audit_events", 23)["confidence"] == 1.0


def test_the_audit_of_a_kill_switch_and_of_a_rollback_carries_their_numbers() -> None:
    assert image("audit_events", 21) == {
        "event_type": "KILL_SWITCH", "logged_at": LOGGED, "model_id": None, "model_version": None,
        "trigger": "daily_loss", "drawdown_pct": 3.0, "equity": 194000.0,
    }  # fmt: skip
    assert image("audit_events", 25) == {
        "event_type": "MANUAL_APPROVAL_MODE", "logged_at": LOGGED, "model_id": "m2", "model_version": "hash-2",
        "trigger": "model_rollback", "reason": "rolling sharpe 0.1000 is below 0.5000 after 20 round trips",
        "metric_name": "sharpe", "metric_value": 0.1, "threshold": 0.5,
    }  # fmt: skip


def test_an_answer_for_an_order_that_is_not_held_concerns_no_order() -> None:
    assert [body for _, body in images_of(story()) if body["seq"] == 28] == []


def test_the_same_ledger_gives_the_same_messages() -> None:
    assert images_of(story()) == images_of(story())


@pytest.mark.parametrize(
    ("units", "shown"), [(3 * SCALE, 3), (SCALE // 4, 0.25), (0, 0), (-5 * SCALE, -5), (1, 1e-9)]
)  # fmt: skip
def test_a_number_is_an_int_where_whole(units: int, shown: float) -> None:
    assert number(units) == shown
    assert type(number(units)) is type(shown)


def test_moments_are_cut_to_microseconds_never_rounded_up() -> None:
    assert iso(999) == "1970-01-01T00:00:00.000000+00:00"
    assert iso(1_549_895_400_999_999_999) == "2019-02-11T14:30:00.999999+00:00"


def test_after_a_model_was_replaced_messages_name_the_one_that_decides() -> None:
    events = story()
    (at, fill) = next((at, event) for at, event in enumerate(events) if isinstance(event, OrderFilled))
    replaced = ModelReplaced(1, AT, fill.contender, "parent", "child")
    told = [
        body["model_version"]
        for _, body in images_of([*events[:at], replaced, fill])
        if body["seq"] == at + 2 and "model_version" in body
    ]
    assert told == ["parent"]
