"""What an order sets off, worked out on paper: protective stops, liquidation, the kill switch, the close, the end."""

import pytest
from msgspec.structs import replace

from support.desk import AAPL, BTC, CLOSE, LATENCY, MILLISECOND, MSFT, START, Desk, desk, fill_of, only, session_started
from titanflow.domain.decider import NOTHING
from titanflow.domain.events import (
    OrderCancelled,
    OrderFilled,
    OrderSubmitted,
    OrderTriggered,
    RiskCommandIssued,
    SessionStarted,
    TickReceived,
)
from titanflow.domain.types import (
    DenialCode,
    ExecutionMode,
    OrderPurpose,
    OrderType,
    RiskCommand,
    Side,
    fixed,
)
from titanflow.execution.executor import Executor

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, MARKET = OrderType.LIMIT, OrderType.STOP, OrderType.MARKET
EXIT = OrderPurpose.EXIT


# --- protective stops ------------------------------------------------------------------------------------------------


def test_every_fill_of_an_entry_gets_a_protective_stop_of_its_size() -> None:
    at = desk()
    at.tick("100")
    entry = only(at.approve(BUY, "100", stop="95"), OrderSubmitted)
    for size in ("60", "40"):
        fill, stop = at.tick("100", size, after=100)
        assert isinstance(fill, OrderFilled)
        assert isinstance(stop, OrderSubmitted)
        assert (stop.parent_id, stop.quantity) == (entry.order_id, fill.quantity)
        assert (stop.side, stop.order_type, stop.purpose) == (SELL, STOP, OrderPurpose.STOP_LOSS)
        assert stop.order_price == stop.decision_price == fixed("95")
        assert stop.active_at == at.now + LATENCY


def test_a_protective_stop_gets_out_and_what_it_lost_shows() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    triggered = only(at.tick("95", after=100), OrderTriggered)
    assert (triggered.stop_price, triggered.price, triggered.met_at) == (fixed("95"), fixed("95"), at.now)
    assert triggered.active_at == at.now + LATENCY
    fill = only(at.tick("94.5", after=100), OrderFilled)
    assert (fill.purpose, fill.price, fill.slippage) == (OrderPurpose.STOP_LOSS, fixed("94.5"), fixed("-0.5"))
    assert fill.realized_pnl == fixed("-55")
    assert at.book().positions == {}


def test_a_short_entry_is_protected_by_a_stop_above() -> None:
    at = desk(allow_short=True)
    at.tick("100")
    at.approve(SELL, "10", stop="105")
    _, stop = at.tick("100", after=100)
    assert (stop.side, stop.order_price) == (BUY, fixed("105"))  # type: ignore[attr-defined]
    at.tick("105", after=100)
    assert only(at.tick("106", after=100), OrderFilled).realized_pnl == fixed("-60")


def test_when_the_position_closes_its_stops_are_cancelled() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    at.approve(SELL, "10", purpose=EXIT)
    fill, cancelled = at.tick("101", after=100)
    assert isinstance(fill, OrderFilled)
    assert isinstance(cancelled, OrderCancelled)
    assert (cancelled.code, cancelled.remaining) == (DenialCode.POSITION_CLOSED, fixed("10"))
    assert at.tick("90", after=500) == []


def test_an_exit_and_a_triggered_stop_together_never_sell_more_than_is_held() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    at.tick("95", after=100)
    at.approve(SELL, "10", purpose=EXIT)
    at.tick("94", "7", after=100)
    at.tick("94", "7")
    assert sum(fill.quantity for fill in at.fills if fill.side is SELL) == fixed("10")
    assert at.book().positions == {}
    assert at.executor.accounts["fox"].orders == {}


def test_an_exit_larger_than_what_is_left_fills_what_is_left_and_ends() -> None:
    at = desk()
    at.hold("10", "100")
    at.approve(SELL, "15", purpose=EXIT)
    fill, cancelled = at.tick("100", after=100)
    assert fill_of([fill]).quantity == fixed("10")
    assert isinstance(cancelled, OrderCancelled)
    assert cancelled.remaining == fill_of([fill]).remaining == fixed("5")


def test_a_closing_order_takes_back_the_rest_of_the_entry() -> None:
    at = desk()
    at.tick("100")
    entry = only(at.approve(BUY, "100"), OrderSubmitted)
    at.tick("100", "40", after=100)
    cancelled, submitted = at.approve(SELL, "40", purpose=EXIT)
    assert isinstance(cancelled, OrderCancelled)
    assert isinstance(submitted, OrderSubmitted)
    assert (cancelled.order_id, cancelled.remaining) == (entry.order_id, fixed("60"))
    at.tick("100", after=100)
    assert at.book().positions == {}


def test_an_entry_that_turns_a_position_protects_only_what_it_opened() -> None:
    at = desk(allow_short=True)
    at.hold("10", "100", stop="95")
    at.approve(SELL, "15", stop="105")
    fill, cancelled, stop = at.tick("100", after=100)
    assert fill_of([fill]).realized_pnl == 0
    assert isinstance(cancelled, OrderCancelled)
    assert isinstance(stop, OrderSubmitted)
    assert (stop.side, stop.quantity) == (BUY, fixed("5"))


def test_an_entry_that_only_reduces_the_opposite_position_needs_no_stop() -> None:
    at = desk(allow_short=True)
    at.tick("100")
    at.approve(SELL, "10")
    at.tick("100", after=100)
    at.approve(BUY, "4", stop="95")
    only(at.tick("100", after=100), OrderFilled)


def test_a_stop_that_the_same_tick_cancels_does_not_fill_the_other_way_round() -> None:
    # Its trigger lies above the market, so it is a market order by the tick that turns the position.
    at = desk(allow_short=True)
    at.tick("100")
    at.approve(SELL, "15", order_type=LIMIT, price="110")
    at.approve(BUY, "10", stop="120")
    at.tick("100", after=100)
    at.tick("100", after=100)
    fill, cancelled = at.tick("110", after=100)
    assert fill_of([fill]).side is SELL
    assert isinstance(cancelled, OrderCancelled)
    assert at.book().quantity(AAPL.id) == fixed("-5")


# --- never against an earlier tick -----------------------------------------------------------------------------------


def test_a_tick_that_stands_before_the_order_in_the_ledger_cannot_fill_it() -> None:
    at = Desk(session_started(), lagging=True)
    at.tick("100")
    at.approve(BUY, "10")
    assert at.tick("90", after=500) == []
    at.catch_up()
    fill = only(at.tick("101", after=1), OrderFilled)
    assert fill.price == fixed("101")
    assert at.ledger.index(at.all_of(OrderSubmitted)[0]) < fill.cause - 1


def test_an_order_cancelled_before_its_submission_is_read_back_never_fills() -> None:
    at = Desk(session_started(), lagging=True)
    at.tick("100")
    at.approve(BUY, "10")
    only(at.liquidate(), OrderCancelled)
    at.catch_up()
    assert at.tick("100", after=500) == []


def test_event_time_that_jumps_back_does_not_fill_an_order_early() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "10")
    assert at.feed(TickReceived(at.now - 1, AAPL.id, fixed("90"), fixed("100"))) == []
    assert at.feed(TickReceived(at.now + LATENCY - 1, AAPL.id, fixed("90"), fixed("100"))) == []


# --- money that is not there -----------------------------------------------------------------------------------------


def test_an_entry_that_has_become_too_dear_is_cancelled_instead_of_overdrawing_the_account() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "1000")
    cancelled = only(at.tick("100.01", after=100), OrderCancelled)
    assert cancelled.code is DenialCode.BUYING_POWER
    assert at.book().cash == fixed("100000")


# --- liquidation and end ---------------------------------------------------------------------------------------------


def test_liquidate_all_closes_everything_even_over_several_ticks() -> None:
    at = desk(allow_short=True)
    at.hold("100", "100", stop="95")
    at.hold("50", "100", contender="owl")
    at.tick("50", instrument=MSFT)
    at.approve(SELL, "30", instrument=MSFT.id)
    at.tick("50", after=100, instrument=MSFT)
    at.approve(BUY, "10", order_type=LIMIT, price="90")
    decisions = at.liquidate()
    assert only(decisions[:1], OrderCancelled).code is DenialCode.LIQUIDATION
    closing = [each for each in decisions if isinstance(each, OrderSubmitted)]
    assert [(each.contender, each.side, each.quantity) for each in closing] == [
        ("fox", SELL, fixed("100")),
        ("fox", BUY, fixed("30")),
        ("owl", SELL, fixed("50")),
    ]
    assert {(each.order_type, each.purpose) for each in closing} == {(MARKET, OrderPurpose.LIQUIDATION)}
    at.tick("80", "70", after=100)
    at.tick("50", instrument=MSFT)
    assert at.book().quantity(AAPL.id) == fixed("30")
    at.tick("80", "70")
    assert at.book().positions == {} == at.book("owl").positions
    assert all(not account.orders for account in at.executor.accounts.values())
    assert at.executor.books == {}


def test_liquidating_one_contender_leaves_the_others_alone() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    at.hold("10", "100", contender="owl", stop="95")
    assert only(at.liquidate("owl"), OrderSubmitted).contender == "owl"
    at.tick("100", after=100)
    assert (at.book().quantity(AAPL.id), at.book("owl").quantity(AAPL.id)) == (fixed("10"), 0)


def test_a_second_liquidation_replaces_the_first_and_still_closes_once() -> None:
    at = desk()
    at.hold("10", "100")
    at.liquidate("fox")
    at.liquidate()
    at.tick("100", after=100)
    assert sum(fill.quantity for fill in at.fills if fill.side is SELL) == fixed("10")
    assert at.book().positions == {}


def test_other_risk_commands_move_nothing() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    for command in (RiskCommand.RESUME, RiskCommand.ACTIVATE_MANUAL_APPROVAL):
        assert at.feed(RiskCommandIssued(1, at.now, command, "", "", None, None)) == []


def test_the_end_of_the_session_cancels_what_still_works() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    at.approve(BUY, "5")
    cancelled = at.end()
    assert [each.code for each in cancelled] == [DenialCode.SESSION_ENDED] * 2  # type: ignore[attr-defined]
    assert at.tick("90", after=500) == []
    assert at.book().quantity(AAPL.id) == fixed("10")


def test_a_liquidation_after_the_end_submits_what_could_never_fill_no_more() -> None:
    at = desk()
    at.hold("10", "100")
    at.end()
    assert at.liquidate() == []


# --- the close and the kill switch -----------------------------------------------------------------------------------


def overnight() -> SessionStarted:
    """Positions may be held through the night."""
    first = session_started()
    return replace(first, settings=replace(first.settings, risk=replace(first.settings.risk, flat_at_close=False)))


def test_an_entry_ends_where_positions_begin_to_be_closed_for_the_day_as_it_would_be_closed_at_once() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "5", order_type=LIMIT, price="90")
    assert at.clock(CLOSE - 60_001 * MILLISECOND) == []
    assert only(at.clock(CLOSE - 60_000 * MILLISECOND), OrderCancelled).code is DenialCode.CLOSING_SOON


def test_an_entry_does_not_outlive_the_session_of_its_venue() -> None:
    at = Desk(overnight())
    at.hold("10", "100", stop="95")
    entry = only(at.approve(BUY, "5", order_type=LIMIT, price="90"), OrderSubmitted)
    at.tick("100", instrument=BTC)
    at.approve(BUY, "1", order_type=LIMIT, price="90", instrument=BTC.id)
    assert at.clock(CLOSE - 1) == []
    cancelled = only(at.clock(CLOSE), OrderCancelled)
    assert (cancelled.order_id, cancelled.code) == (entry.order_id, DenialCode.OUTSIDE_SESSION)
    assert at.clock(CLOSE + 1) == []
    kept = at.executor.accounts["fox"].orders.values()
    assert {(order.purpose, order.instrument.id) for order in kept} == {
        (OrderPurpose.STOP_LOSS, AAPL.id),
        (OrderPurpose.ENTRY, BTC.id),
    }


def test_entries_on_two_venues_end_each_with_its_own() -> None:
    sap = replace(AAPL, id="SAP.XETR", calendar="XETR")
    at = Desk(session_started(instruments=[AAPL, sap]))
    for instrument in (AAPL, sap):
        at.tick("100", instrument=instrument)
        at.approve(BUY, "5", order_type=LIMIT, price="90", instrument=instrument.id)
    assert only(at.clock(CLOSE), OrderCancelled).instrument == AAPL.id
    # the other venue closes an hour later, and what enters there ends a minute before
    assert at.clock(CLOSE + 3_539_999 * MILLISECOND) == []
    assert only(at.clock(CLOSE + 3_540_000 * MILLISECOND), OrderCancelled).instrument == sap.id


def test_a_clock_that_jumps_over_the_night_ends_yesterdays_entries_and_not_todays() -> None:
    at = desk()
    at.tick("100")
    at.approve(BUY, "5", order_type=LIMIT, price="90")
    only(at.clock(CLOSE + 70_000_000 * MILLISECOND), OrderCancelled)
    at.approve(BUY, "5", order_type=LIMIT, price="90")
    assert at.clock(CLOSE + 80_000_000 * MILLISECOND) == []
    only(at.clock(CLOSE + 86_400_000 * MILLISECOND), OrderCancelled)


def test_a_tripped_kill_switch_takes_back_entries_and_leaves_exits_and_stops() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    at.approve(SELL, "10", purpose=EXIT)
    at.approve(BUY, "5")
    at.approve(BUY, "5", contender="owl")
    cancelled = only(at.kill("fox"), OrderCancelled)
    assert (cancelled.contender, cancelled.code) == ("fox", DenialCode.KILL_SWITCH)
    assert only(at.kill(), OrderCancelled).contender == "owl"
    at.tick("100", after=100)
    assert at.book().positions == {}


# --- the decider's contract ------------------------------------------------------------------------------------------


def test_a_session_in_live_mode_is_refused_rather_than_simulated() -> None:
    with pytest.raises(ValueError, match="paper orders only"):
        Executor().on_session_started(1, session_started({"mode": ExecutionMode.LIVE}))


def test_a_tick_that_concerns_no_order_answers_with_the_one_empty_tuple() -> None:
    at = desk()
    at.hold("10", "100", stop="95")
    tick = TickReceived(START + 10**9 * MILLISECOND, AAPL.id, fixed("99"), fixed("1"))
    assert at.executor.on_tick(99, tick) is NOTHING
    assert at.executor.on_tick(99, replace(tick, instrument=MSFT.id)) is NOTHING


def test_another_seed_draws_other_fills_and_the_same_seed_the_same() -> None:
    def prices(seed: int) -> list[int]:
        at = Desk(session_started({"slippage_noise": fixed("0.01"), "slippage_base": fixed("0.03")}, seed=seed))
        at.hold("100", "100")
        return [fill.price for fill in at.fills]

    assert prices(1) == prices(1) != prices(2)
