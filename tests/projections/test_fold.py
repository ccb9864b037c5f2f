"""The folds, without a server: worked examples on paper, lives of orders, and that draining early changes nothing."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventstore.ledger import Block
from projections.errors import ProjectionError
from projections.fold.rows import Batch, document, exact, plain
from projections.fold.session import flattened
from projections.fold.session_fold import SessionFold
from projections.tables import CURRENT, metadata
from support.projected_session import COIN, START, command, eventful_session, opening
from titanflow.domain.events import (
    BorrowCharged,
    ContenderSetAside,
    Event,
    FeatureDriftMeasured,
    ModelReplaced,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    RiskCommandIssued,
    SignalWithheld,
)
from titanflow.domain.types import (
    SCALE,
    DenialCode,
    ExecutionMode,
    FillBasis,
    OperatorAction,
    OrderPurpose,
    OrderType,
    RiskCommand,
    SetAsideReason,
    Side,
    WithheldReason,
)

WHO = {"contender": "calm", "instrument": COIN.id}


def approved(order_id: str, quantity: int, side: Side = Side.BUY) -> OrderApproved:
    return OrderApproved(
        cause=1,
        at=START,
        order_id=order_id,
        side=side,
        quantity=quantity * SCALE,
        order_type=OrderType.MARKET,
        order_price=0,
        stop_price=90 * SCALE,
        purpose=OrderPurpose.ENTRY,
        decision_price=100 * SCALE,
        confidence=0.5,
        signal=0,
        context=(("risk", 1), ("atr", 2.5)),
        **WHO,
    )


def submitted(order_id: str, quantity: int, side: Side = Side.BUY, parent: str = "") -> OrderSubmitted:
    return OrderSubmitted(
        cause=1,
        at=START,
        order_id=order_id,
        parent_id=parent,
        side=side,
        quantity=quantity * SCALE,
        order_type=OrderType.STOP if parent else OrderType.MARKET,
        order_price=90 * SCALE if parent else 0,
        purpose=OrderPurpose.STOP_LOSS if parent else OrderPurpose.ENTRY,
        decision_price=100 * SCALE,
        active_at=START + 5,
        mode=ExecutionMode.PAPER,
        **WHO,
    )


def filled(
    order_id: str, quantity: int, price: int, remaining: int = 0, side: Side = Side.BUY, fee: int = 1, realized: int = 0
) -> OrderFilled:
    return OrderFilled(
        cause=1,
        at=START + price,
        fill_id=f"{order_id}/{quantity}@{price}",
        order_id=order_id,
        side=side,
        quantity=quantity * SCALE,
        price=price * SCALE,
        fee=fee * SCALE,
        slippage=0,
        remaining=remaining * SCALE,
        purpose=OrderPurpose.ENTRY,
        realized_pnl=realized * SCALE,
        mode=ExecutionMode.PAPER,
        **WHO,
    )


def held(order_id: str) -> OrderHeld:
    return OrderHeld(
        cause=1,
        at=START,
        order_id=order_id,
        side=Side.BUY,
        quantity=3 * SCALE,
        decision_price=100 * SCALE,
        signal=0,
        code=DenialCode.MANUAL_APPROVAL,
        expires_at=START + 60,
        **WHO,
    )


def denied(order_id: str, code: DenialCode) -> OrderDenied:
    return OrderDenied(cause=1, at=START, side=Side.BUY, signal=0, order_id=order_id, code=code, context=(), **WHO)


def rejected(order_id: str, code: DenialCode) -> OrderRejected:
    return OrderRejected(cause=1, at=START, order_id=order_id, code=code, context=(), **WHO)


def cancelled(order_id: str, remaining: int) -> OrderCancelled:
    code = DenialCode.SESSION_ENDED
    return OrderCancelled(cause=1, at=START, order_id=order_id, remaining=remaining * SCALE, code=code, **WHO)


def block(first: int, events: Sequence[Event]) -> Block[Event]:
    return Block(first, first + len(events) - 1, list(events), START, b"")


def folded(*events: Event) -> Batch:
    """The rows of these events behind the opening one."""
    fold = SessionFold()
    fold.fold(block(1, [opening(), *events]))
    return fold.drain()


def order(*events: Event) -> dict[str, Any]:
    """The one order's row."""
    (row,) = folded(*events)["orders"]
    return row


def money(text: object) -> Decimal:
    return Decimal(str(text))


def test_fills_make_the_books_that_one_reckons_on_paper() -> None:
    # 10 bought at 100 (fee 1), 4 sold at 110 (fee 2): 40 earned; 6 left at a cost of 600.
    batch = folded(
        submitted("b", 10),
        filled("b", 10, 100),
        submitted("s", 4, Side.SELL),
        filled("s", 4, 110, side=Side.SELL, fee=2, realized=40),
    )
    buy, sell = batch["fills"]
    assert (money(buy["cash_change"]), money(buy["cost_change"])) == (-1001, 1000)
    assert (money(sell["cash_change"]), money(sell["cost_change"])) == (438, -400)
    (calm,) = (row for row in batch["portfolios"] if row["contender"] == "calm")
    assert money(calm["cash"]) == 100_000 - 1001 + 438
    assert (money(calm["cost_basis"]), money(calm["realized_pnl"]), money(calm["fees"])) == (600, 40, 3)
    assert (calm["seq"], calm["fills"], calm["round_trips"]) == (5, 2, 0)
    (position,) = batch["positions"]
    assert [money(position[name]) for name in ("quantity", "cost", "average_price")] == [6, 600, 100]
    assert position["opened_at_ns"] == START + 100
    assert "round_trips" not in batch


def test_the_fill_that_flattens_a_position_closes_its_round_trip() -> None:
    # 2 bought at 100, sold one by one at 103 and 101: 4 earned less 3 of fees.
    batch = folded(
        submitted("b", 2),
        filled("b", 2, 100),
        submitted("s", 2, Side.SELL),
        filled("s", 1, 103, remaining=1, side=Side.SELL, realized=3),
        filled("s", 1, 101, side=Side.SELL, realized=1),
    )
    (trip,) = batch["round_trips"]
    assert (trip["seq"], trip["side"], trip["opened_at_ns"], trip["closed_at_ns"]) == (
        6,
        "BUY",
        START + 100,
        START + 101,
    )
    figures = [money(trip[name]) for name in ("quantity", "entry_price", "exit_price", "fees", "pnl")]
    assert figures == [2, 100, 102, 3, 1]
    (position,) = batch["positions"]
    assert (money(position["quantity"]), position["opened_at_ns"]) == (0, None)


def test_an_order_is_followed_from_its_approval_to_its_last_fill() -> None:
    row = order(approved("a", 5), submitted("a", 5), filled("a", 2, 100, remaining=3), filled("a", 3, 101))
    assert (row["status"], money(row["filled"]), money(row["fees"])) == ("filled", 5, 2)
    assert (row["seq"], row["updated_seq"], row["active_at_ns"], row["mode"]) == (2, 5, START + 5, "paper")
    assert (money(row["stop_price"]), row["order_price"], row["confidence"]) == (90, None, 0.5)


def test_a_partial_fill_leaves_the_order_working() -> None:
    row = order(submitted("a", 5), filled("a", 2, 100, remaining=3))
    assert (row["status"], money(row["filled"]), row["code"]) == ("working", 2, None)


def test_a_cancelled_order_keeps_what_it_had_filled() -> None:
    row = order(submitted("a", 5), filled("a", 2, 100, remaining=3), cancelled("a", 3))
    assert (row["status"], money(row["filled"]), row["code"]) == ("cancelled", 2, "SESSION_ENDED")


def test_a_held_order_that_is_approved_takes_the_new_size() -> None:
    row = order(held("h"), approved("h", 2))
    assert (row["status"], money(row["quantity"]), row["code"], row["expires_at_ns"]) == (
        "approved",
        2,
        None,
        START + 60,
    )
    assert row["seq"] == 2


def test_a_held_order_that_lapses_is_denied() -> None:
    row = order(held("h"), denied("h", DenialCode.HOLD_EXPIRED))
    assert (row["status"], row["code"], row["order_type"]) == ("denied", "HOLD_EXPIRED", None)


def test_a_denial_that_names_a_living_order_does_not_touch_it() -> None:
    assert order(submitted("a", 5), denied("a", DenialCode.UNKNOWN_ORDER))["status"] == "working"


def test_a_duplicate_is_rejected_without_touching_the_living_order() -> None:
    assert order(submitted("a", 5), rejected("a", DenialCode.DUPLICATE_ORDER))["status"] == "working"
    assert order(approved("a", 5), rejected("a", DenialCode.BUYING_POWER))["status"] == "rejected"


def test_a_protective_stop_names_its_entry() -> None:
    entry, stop = folded(submitted("a", 5), submitted("p", 5, Side.SELL, parent="a"))["orders"]
    assert (entry["parent_id"], stop["parent_id"], stop["order_type"], money(stop["order_price"])) == (
        None,
        "a",
        "stop",
        90,
    )


def test_a_fill_of_no_open_order_is_an_error_that_names_it() -> None:
    with pytest.raises(ProjectionError, match="event 2: order ghost"):
        folded(filled("ghost", 1, 100))
    with pytest.raises(ProjectionError, match="event 4: order a"):
        folded(submitted("a", 5), cancelled("a", 5), cancelled("a", 5))


def test_each_audited_event_leaves_one_record_with_its_fields() -> None:
    batch = folded(
        command(START, OperatorAction.KILL, contender="calm", reason="too\0hot"),
        approved("a", 5),
        submitted("a", 5),
        filled("a", 5, 100),
    )
    kinds = [(row["seq"], row["event_type"], row["contender"], row["model_hash"]) for row in batch["audit_trail"]]
    model = opening().contenders[1].model_hash
    assert kinds == [
        (2, "OPERATOR_COMMAND", "calm", model), (3, "ORDER", "calm", model), (4, "ORDER", "calm", model),
        (5, "FILL", "calm", model),
    ]  # fmt: skip
    word, approval, _, fill = (msgspec.json.decode(row["data"]) for row in batch["audit_trail"])
    assert (word["reason"], word["event"]) == ("too\N{REPLACEMENT CHARACTER}hot", "operator")
    assert (fill["event"], fill["price"], fill["order_id"]) == ("order_filled", 100, "a")
    assert (approval["quantity"], approval["stop_price"], approval["context"]) == (5, 90, {"risk": 1, "atr": 2.5})


def test_what_a_short_position_pays_for_its_shares_is_a_fee_and_a_row_of_its_own() -> None:
    charged = BorrowCharged(1, START + 200, **WHO, quantity=2 * SCALE, price=100 * SCALE, since=START + 100, amount=7)
    batch = folded(approved("a", 2), filled("a", 2, 100, side=Side.SELL, fee=0), charged)
    (row,) = batch["borrow_charges"]
    assert (row["contender"], row["quantity"], row["since_ns"]) == ("calm", f"{2 * SCALE}e-9", START + 100)
    assert (row["price"], row["amount"], row["at_ns"]) == (f"{100 * SCALE}e-9", "7e-9", START + 200)
    (calm,) = (row for row in batch["portfolios"] if row["contender"] == "calm")
    cash, fees, start = (Decimal(calm[name]) for name in ("cash", "fees", "starting_cash"))
    assert fees == Decimal("7e-9")
    assert cash == start + 200 - fees
    assert (calm["seq"], calm["at_ns"]) == (row["seq"], START + 200)


def test_the_parts_of_a_fills_costs_are_told_in_their_units() -> None:
    parts = (("half_spread", 5_000_000), ("spread_from", "tape"), ("bars", 31), ("bar_volume", 12 * SCALE))
    batch = folded(approved("a", 5), submitted("a", 5), replace(filled("a", 5, 100), costs=parts))
    (row,) = batch["fills"]
    told = {"half_spread": 0.005, "spread_from": "tape", "bars": 31, "bar_volume": 12}
    assert msgspec.json.decode(row["costs"]) == told


def test_the_audit_trail_has_every_step_of_an_order() -> None:
    triggered = OrderTriggered(
        1, START, "p", **WHO, stop_price=90 * SCALE, price=89 * SCALE, met_at=START, active_at=START + 5
    )
    batch = folded(
        held("a"),
        approved("a", 5),
        submitted("a", 5),
        filled("a", 2, 100, remaining=3),
        cancelled("a", 3),
        submitted("p", 2, Side.SELL, parent="a"),
        triggered,
        filled("p", 2, 89, side=Side.SELL, realized=-22),
        approved("b", 5),
        rejected("b", DenialCode.BUYING_POWER),
        held("c"),
        denied("c", DenialCode.HOLD_EXPIRED),
    )
    lives: dict[str, list[str]] = {}
    for row in batch["audit_trail"]:
        lives.setdefault(row["order_id"], []).append(row["step"])
    assert lives == {
        "a": ["held", "approved", "submitted", "partially_filled", "cancelled"],
        "p": ["submitted", "triggered", "filled"],
        "b": ["approved", "rejected"],
        "c": ["held", "denied"],
    }
    (stop,) = (row for row in batch["orders"] if row["order_id"] == "p")
    assert (stop["triggered_at_ns"], stop["active_at_ns"], stop["status"]) == (START, START + 5, "filled")


def test_the_numbers_behind_a_verdict_are_in_their_units_by_name() -> None:
    numbers = (("order_value", 50_000_500_000_000), ("limit", 50_000 * SCALE), ("held", 3))
    rejection = msgspec.structs.replace(rejected("a", DenialCode.ORDER_VALUE), context=numbers)
    other = msgspec.structs.replace(rejected("a", DenialCode.ORDER_RATE), context=(("limit", 30), ("at", START)))
    rows = folded(rejection, other)["verdicts"]
    assert rows[0]["context"] == '{"order_value":50000.5,"limit":50000,"held":3}'
    assert msgspec.json.decode(rows[1]["context"]) == {"limit": 30, "at": "2023-11-14T22:13:20.000000000Z"}


def test_a_fill_says_what_it_rests_on() -> None:
    met = msgspec.structs.replace(
        filled("a", 5, 100), met_at=START + 50, reference_price=99 * SCALE, basis=FillBasis.BAR_PATH,
        costs=(("half_spread", SCALE // 4), ("model", "spread")),
    )  # fmt: skip
    row, plain_row = (folded(submitted("a", 5), fill)["fills"][0] for fill in (met, filled("a", 5, 100)))
    assert (row["met_at_ns"], money(row["reference_price"]), row["basis"]) == (START + 50, 99, "bar_path")
    assert row["costs"] == '{"half_spread":0.25,"model":"spread"}'
    assert (plain_row["met_at_ns"], plain_row["reference_price"], plain_row["costs"]) == (START + 100, None, "{}")


def test_what_models_withheld_and_how_their_features_drifted_is_told() -> None:
    numbers = (("probability", 0.75), ("dissimilarity", "nan"))
    withheld = SignalWithheld(1, START, "calm", COIN.id, Side.BUY, WithheldReason.OUTLIER, numbers, "m")
    drift = FeatureDriftMeasured(1, START, "calm", START - 60, 30, (("rsi", 0.5), ("atr", 0.1)), True, "m", ("rsi",))
    batch = folded(withheld, drift)
    (silent,), (measured,) = batch["withheld_signals"], batch["feature_drift"]
    assert (silent["reason"], silent["side"]) == ("outlier", "BUY")
    assert silent["context"] == '{"probability":0.75,"dissimilarity":"nan"}'
    assert (measured["since_ns"], measured["rows"], measured["drifted"]) == (START - 60, 30, True)
    assert (measured["indices"], measured["beyond"]) == ('{"rsi":0.5,"atr":0.1}', '["rsi"]')


def test_records_name_the_model_that_decides_by_then() -> None:
    replaced = ModelReplaced(1, START, "calm", "parent", "child")
    batch = folded(submitted("a", 5), replaced, filled("a", 5, 100))
    kinds = [(row["seq"], row["event_type"], row["model_hash"]) for row in batch["audit_trail"]]
    child = opening().contenders[1].model_hash
    assert kinds == [(2, "ORDER", child), (3, "MODEL_REPLACED", "parent"), (4, "FILL", "parent")]


def test_a_contender_that_was_set_aside_leaves_a_record_of_its_failure() -> None:
    failed = ContenderSetAside(1, START, "calm", COIN.id, SetAsideReason.NOT_FINITE, "confidence is nan")
    (record,) = folded(failed)["audit_trail"]
    assert (record["event_type"], record["contender"]) == ("CONTENDER_SET_ASIDE", "calm")
    assert msgspec.json.decode(record["data"])["detail"] == "confidence is nan"


def test_a_contenders_stage_parent_and_fault_are_told() -> None:
    calm = msgspec.structs.replace(opening().contenders[1], stage="champion", parent_hash="p", fault="torn\0")
    started = msgspec.structs.replace(opening(), contenders=(opening().contenders[0], calm))
    fold = SessionFold()
    fold.fold(block(1, [started]))
    rows = {row["contender"]: row for row in fold.drain()["contenders"]}
    assert [(row["stage"], row["parent_hash"], row["fault"]) for row in rows.values()] == [
        ("rule", None, None),
        ("champion", "p", "torn\N{REPLACEMENT CHARACTER}"),
    ]


def test_a_command_for_a_stranger_is_recorded_as_for_nobody() -> None:
    stranger = RiskCommandIssued(1, START, RiskCommand.RESUME, "stranger", "why", None, None)
    (row,) = folded(stranger)["risk_events"]
    assert row["contender"] is None
    assert msgspec.json.decode(row["data"])["contender"] == "stranger"


def test_settings_are_named_by_their_path() -> None:
    rows = {row["name"]: row["value"] for row in folded()["settings"]}
    assert rows["risk.max_consecutive_losses"] == "4"
    assert rows["starting_cash"] == str(100_000 * SCALE)
    assert dict(flattened({"a": {"b": {"c": 1}}, "d": [2]})) == {"a.b.c": 1, "d": [2]}


@given(st.integers(-(2**63), 2**63 - 1))
def test_exact_is_the_same_number(units: int) -> None:
    assert Decimal(exact(units)) * SCALE == units


def documents(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(text | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(text, inner))


@settings(max_examples=30)
@given(documents(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)))
def test_a_document_without_nul_is_stored_as_it_is(value: Any) -> None:
    assert msgspec.json.decode(document(value)) == value


@settings(max_examples=30)
@given(documents(st.text("\0\\u0a")))
def test_a_document_is_stored_without_nul(value: Any) -> None:
    assert repr(msgspec.json.decode(document({"it": value, "nul": "\0"}))).count("\\x00") == 0


def test_plain_replaces_only_nul() -> None:
    assert plain("a\0b\\u0000") == "a\N{REPLACEMENT CHARACTER}b\\u0000"


def state_after(*cuts: int) -> dict[str, dict[Any, Any]]:
    """Table -> key -> row after the eventful session, drained at these seqs and at the end."""
    events = eventful_session()
    tables = {table.name: table for table in metadata.sorted_tables}
    state: dict[str, dict[Any, Any]] = {name: {} for name in tables}
    fold, start = SessionFold(), 0
    for cut in (*sorted(cuts), len(events)):
        fold.fold(block(start + 1, events[start:cut]))
        start = cut
        for name, rows in fold.drain().items():
            key = [column.name for column in tables[name].primary_key][1:]
            for row in rows:
                place = tuple(row[column] for column in key)
                assert tables[name].info[CURRENT] or place not in state[name]
                state[name][place] = row
    return state


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, len(eventful_session()) - 1), max_size=30, unique=True))
def test_draining_early_changes_no_row(cuts: list[int]) -> None:
    assert state_after(*cuts) == state_after()
