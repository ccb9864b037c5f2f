"""Events as people read them: dollars, shares and reasons instead of 1e-9 integers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from support.any_event import events
from titanflow.cli.show import event_fields, event_line
from titanflow.cli.story import details, sentence
from titanflow.cli.units import CONTEXT_NUMBERS, context_numbers
from titanflow.domain.events import (
    ContenderSetAside,
    ContenderTimedOut,
    Event,
    Explanation,
    GateReported,
    KillSwitchTripped,
    ModelRolledBack,
    OrderApproved,
    OrderDenied,
    OrderFilled,
    OrderSubmitted,
    OrderTriggered,
    SignalGenerated,
    TickReceived,
)
from titanflow.domain.types import (
    SCALE,
    DenialCode,
    ExecutionMode,
    FillBasis,
    Gate,
    KillTrigger,
    OrderPurpose,
    OrderType,
    SetAsideReason,
    Side,
    SizedBy,
)

SOURCE = Path(__file__).resolve().parents[3] / "src" / "titanflow"
AT = 1_549_895_400_000_000_000
NAMES = {"sma": "Crossover 5/20"}

SIGNAL = SignalGenerated(
    cause=1, at=AT, contender="sma", instrument="BAC.XNYS", side=Side.BUY, confidence=0.56, price=28_390_000_000,
    atr=50_000_000, order_type=OrderType.MARKET, order_price=0, features=(("rsi", 51.925),),
    explanation=Explanation("rule_contributions", 0.0, 1.25, (("crossing", 1.0), ("momentum", 0.25))),
    model_hash="9e85f8eb",
)  # fmt: skip
APPROVED = OrderApproved(
    cause=2, at=AT, order_id="o1", contender="sma", instrument="BAC.XNYS", side=Side.BUY, quantity=352 * SCALE,
    order_type=OrderType.MARKET, order_price=0, stop_price=28_330_000_000, purpose=OrderPurpose.ENTRY,
    decision_price=28_390_000_000, confidence=0.56, signal=2,
    context=(("equity", 100_000 * SCALE), ("fixed_fraction_room", 16_666_666_666_666), ("position_room", 352 * SCALE)),
    sized_by=SizedBy.POSITION,
)  # fmt: skip
SUBMITTED = OrderSubmitted(
    cause=3, at=AT, order_id="s1", parent_id="o1", contender="sma", instrument="BAC.XNYS", side=Side.SELL,
    quantity=352 * SCALE, order_type=OrderType.STOP, order_price=28_330_000_000, purpose=OrderPurpose.STOP_LOSS,
    decision_price=28_330_000_000, active_at=AT + 108_000_000, mode=ExecutionMode.PAPER,
)  # fmt: skip
FILLED = OrderFilled(
    cause=4, at=AT, fill_id="f1", order_id="s1", contender="sma", instrument="BAC.XNYS", side=Side.SELL,
    quantity=100 * SCALE, price=28_300_000_000, fee=3_480_000, slippage=-30_000_000, remaining=252 * SCALE,
    purpose=OrderPurpose.STOP_LOSS, realized_pnl=-9 * SCALE, mode=ExecutionMode.PAPER,
)  # fmt: skip
DENIED = OrderDenied(
    cause=2, at=AT, contender="sma", instrument="BAC.XNYS", side=Side.BUY, signal=2, order_id="",
    code=DenialCode.LOW_CONFIDENCE, context=(("confidence", 0.2), ("minimum", 0.25)),
)  # fmt: skip
TRIPPED = KillSwitchTripped(9, AT, "", KillTrigger.DAILY_LOSS, 96 * SCALE, 100 * SCALE, 40_000_000, 2, 101 * SCALE)


def test_a_tick_is_told_in_shares_and_dollars() -> None:
    tick = TickReceived(AT, "BTCUSDT.BINANCE-SPOT", 61_234_500_000_000, 1_250_000)
    assert sentence(tick, NAMES) == "BTCUSDT.BINANCE-SPOT traded: 0.00125 at 61,234.50"


def test_a_signal_is_told_with_its_reasons() -> None:
    assert sentence(SIGNAL, NAMES) == "sma (Crossover 5/20) signalled BUY BAC.XNYS at 28.39, confidence 56%"
    told = dict(details(SIGNAL))
    assert told["because"] == "crossing +1.000 · momentum +0.250"
    assert "make +1.250" in told["score"]
    assert told["saw"] == "rsi 51.925"


def test_an_approval_is_told_with_its_size_its_worth_its_stop_and_its_limits() -> None:
    # 352 shares at 28.39 are 9,993.28 dollars.
    assert sentence(APPROVED, NAMES) == (
        "risk approved BUY 352 BAC.XNYS at the market (about $9,993.28) to enter, stop at 28.33"
    )
    told = dict(details(APPROVED))
    assert told["size"] == "decided by the largest position (risk.max_position)"
    assert told["limits"] == "equity $100,000.00 · fixed fraction room 16,666.6667 · position room 352"


def test_an_order_is_told_with_its_latency() -> None:
    text = sentence(SUBMITTED, NAMES)
    assert text.startswith("SELL 352 BAC.XNYS stop 28.33 went to the paper market as protective stop")
    assert "after 108 ms" in text


def test_a_fill_is_told_in_dollars_and_its_slippage_as_better_or_worse() -> None:
    assert (
        sentence(FILLED, NAMES) == "filled SELL 100 BAC.XNYS at 28.30 = $2,830.00, fee $0.0035; 252 still to fill, f1"
    )
    told = dict(details(FILLED))
    assert told["slippage"] == "0.03 a share worse than its stop price 28.33, $3.00 in all"
    assert told["realized"].startswith("-$9.00")


def test_an_entrys_slippage_is_held_against_the_decisions_price() -> None:
    entry = replace(FILLED, purpose=OrderPurpose.ENTRY, side=Side.BUY)
    assert dict(details(entry))["slippage"] == "0.03 a share better than the decision's price, $3.00 in all"
    assert dict(details(replace(entry, slippage=0)))["slippage"] == "none against the decision's price"


def test_of_a_stop_no_story_says_that_it_slipped_by_nothing() -> None:
    exact = replace(FILLED, slippage=0)
    assert dict(details(exact))["slippage"] == "at its stop price 28.30 exactly"
    # An entry by a stop order: held against the stop price that its trigger named, not against the decision.
    entry = replace(exact, purpose=OrderPurpose.ENTRY, side=Side.BUY)
    told = dict(details(entry, stops={"s1": 28_250_000_000}))
    assert told["slippage"] == "0.05 a share worse than its stop price 28.25, $5.00 in all"


@pytest.mark.parametrize(
    ("basis", "reference", "met_at", "told"),
    [
        (FillBasis.TRADE, 28_310_000_000, AT, "28.31 was traded; costs 0.01 a share"),
        (FillBasis.TRADE, 28_300_000_000, AT, "28.30 was traded; no costs"),
        (
            FillBasis.BAR_PATH,
            28_330_000_000,
            AT - 2_500_000_000,
            "28.33 on the path of a bar, met 2019-02-11 14:29:57.500; costs 0.03 a share",
        ),
        (
            FillBasis.CLOSING_PRICE,
            28_300_000_000,
            AT,
            "28.30 was the last price before the close; no print came in time to fill the order",
        ),
    ],
)
def test_a_fill_says_on_which_price_of_the_market_it_rests(
    basis: FillBasis, reference: int, met_at: int, told: str
) -> None:
    fill = replace(FILLED, basis=basis, reference_price=reference, met_at=met_at)
    assert dict(details(fill))["market"] == told


def test_a_fill_says_what_the_range_of_its_bar_put_into_the_fee() -> None:
    beside = replace(FILLED, basis=FillBasis.BAR_PATH, met_at=AT, costs=(("in_fee", -9_900_000),))
    kept_out = "0.0099 a share paid with the fee, as the bar's range kept it out of the price"
    whole = replace(beside, reference_price=28_300_000_000)
    assert dict(details(whole))["market"].endswith(f"; costs {kept_out}")
    part = replace(beside, reference_price=28_310_000_000)
    assert dict(details(part))["market"].endswith(f"; costs 0.01 a share and {kept_out}")


def test_a_fill_says_what_its_price_was_made_of() -> None:
    costs = (
        ("half_spread", 5_000_000), ("impact", 8_966_280), ("noise", -1_587_124), ("rounding", -2_379_156),
        ("spread_from", "tape"), ("spread", 0), ("bars", 120), ("bar_volatility", 391_886),
        ("bar_volume", 3_355_158_333_333), ("order_quantity", 109 * SCALE),
    )  # fmt: skip
    assert dict(details(replace(FILLED, costs=costs)))["costs"] == (
        "half spread 0.005 · impact 0.00896628 · noise -0.001587124 · rounding -0.002379156 · spread from tape · "
        "spread 0.00 · bars 120 · bar volatility 0.04% · bar volume 3,355.1583 · order quantity 109"
    )


def test_a_settlement_is_told_as_one() -> None:
    settled = replace(FILLED, basis=FillBasis.CLOSING_PRICE, remaining=0, purpose=OrderPurpose.SESSION_CLOSE)
    assert sentence(settled, NAMES) == (
        "settled SELL 100 BAC.XNYS at the closing price 28.30 = $2,830.00, fee $0.0035; complete, f1"
    )


def test_a_trigger_is_told_with_the_price_that_reached_the_stop_and_its_latency() -> None:
    triggered = OrderTriggered(
        4, AT, "s1", "sma", "BAC.XNYS", 28_330_000_000, 28_310_000_000, met_at=AT, active_at=AT + 95_000_000
    )
    reached = "the stop at 28.33 in BAC.XNYS was reached at 28.31: a market order"
    assert sentence(triggered, NAMES) == f"{reached} after 95 ms, order s1"
    assert sentence(replace(triggered, active_at=AT), NAMES) == f"{reached} at once, order s1"


def test_a_stop_that_works_since_a_moment_on_its_entrys_leg_is_told_with_that_moment() -> None:
    earlier = replace(SUBMITTED, active_at=AT - 1_500_000_000)
    assert "working since 2019-02-11 14:29:58.500" in sentence(earlier, NAMES)


def test_a_denial_is_told_with_its_meaning_and_its_numbers() -> None:
    assert sentence(DENIED, NAMES) == "risk denied BUY BAC.XNYS: LOW_CONFIDENCE"
    assert dict(details(DENIED)) == {
        "meaning": "The signal's confidence is below the minimum.",
        "numbers": "confidence 0.2 · minimum 0.25",
    }


def test_one_line_of_the_ledger_shows_dollars_and_leaves_out_what_is_not_there() -> None:
    line = event_line(FILLED)
    assert all(part in line for part in ("fee=$0.0035", "slippage=-0.03", "realized_pnl=$-9.00", "quantity=100"))
    assert "order_price" not in event_line(APPROVED), "a market order has none"
    assert "(confidence 0.2 · minimum 0.25)" in event_line(DENIED)
    assert "drawdown=4.00% consecutive_losses=2" in event_line(TRIPPED)


def test_a_halt_is_told_with_its_reason_and_its_end() -> None:
    assert sentence(TRIPPED, NAMES) == (
        "the kill switch stopped all contenders (daily_loss) until an operator resumes: equity $96.00"
    )
    until = replace(TRIPPED, contender="sma", until=AT)
    assert "stopped sma (daily_loss) until 2019-02-11 14:30:00" in sentence(until, NAMES)
    assert dict(details(TRIPPED))["numbers"] == (
        "opening equity $100.00 · peak $101.00 · drawdown 4.00% · losses in a row 2"
    )


def test_what_a_gate_would_have_done_is_told_with_what_it_measured() -> None:
    harm = GateReported(9, AT, "sma", Gate.HARM, -0.0002, 0.0, -2.5, 0.25, 60, 99 * SCALE)
    assert sentence(harm, NAMES) == "sma would have been put under manual approval now, but gates only report"
    assert dict(details(harm)) == {
        "measured": "its mean round trip is below -0.0200% with confidence after 60 round trips"
    }
    row = replace(harm, gate=Gate.CONSECUTIVE_LOSSES, value=5.0, round_trips=5)
    assert sentence(row, NAMES) == "sma would have been halted now, but gates only report"
    by_hand = ModelRolledBack(9, AT, "sma", Gate.SHARPE, 0.2, 0.5, 0.2, 0.45, 20)
    assert sentence(by_hand, NAMES) == "sma was put under manual approval: rolling sharpe 0.20"
    assert dict(details(by_hand)) == {"rolling": "Sharpe 0.20 · accuracy 0.45"}


def test_programs_get_every_field_in_its_own_unit() -> None:
    assert event_fields(FILLED)["fee"] == 3_480_000
    assert list(event_fields(FILLED)) == list(OrderFilled.__struct_fields__)


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        (DenialCode.ORDER_RATE, 30, "limit 30"),
        (DenialCode.ORDER_VALUE, 50_000 * SCALE, "limit $50,000.00"),
        (DenialCode.CONCENTRATION, SCALE // 5, "limit 20.00%"),
    ],
)
def test_a_limit_has_the_unit_of_what_it_limits(code: DenialCode, value: int, text: str) -> None:
    assert context_numbers((("limit", value),), code) == text


def named_numbers() -> Iterator[str]:
    """Names of the numbers that risk and execution put into the context of a verdict, as their source has them."""
    for room in ("risk", "execution"):
        for path in (SOURCE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Denial", "Refusal", "Priced"):
                    yield from _names_in(node)
                if isinstance(node, ast.keyword) and node.arg == "context":
                    yield from _names_in(node)
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("context", "numbers", "parts"):
                    yield from _names_in(node)


def _names_in(node: ast.AST) -> Iterator[str]:
    for pair in ast.walk(node):
        if isinstance(pair, ast.Tuple) and len(pair.elts) == 2 and isinstance(pair.elts[0], ast.Constant):
            yield str(pair.elts[0].value)


def test_every_number_behind_a_verdict_has_a_unit() -> None:
    names = set(named_numbers())
    assert {"equity", "limit", "buying_power", "entries_until"} <= names, "the source is not read rightly"
    assert names <= set(CONTEXT_NUMBERS)


def test_a_contender_that_failed_is_told_with_what_it_raised() -> None:
    failed = ContenderSetAside(9, AT, "calm", "SPY.ARCX", SetAsideReason.RAISED, "ValueError: no")
    assert sentence(failed, {}) == "calm was set aside: it raised an exception; the others go on"
    assert dict(details(failed)) == {"failure": "on SPY.ARCX: ValueError: no"}
    late = ContenderTimedOut(AT, "calm", 7, 5_000_000_000)
    assert sentence(late, {}) == "a call of calm at event 7 took too long and was stopped"


@settings(max_examples=150, deadline=None)
@given(events())
def test_every_event_of_the_vocabulary_can_be_told(event: Event) -> None:
    assert type(event).__name__ in event_line(event)
    assert sentence(event, NAMES)
    assert all(label and text is not None for label, text in details(event))
