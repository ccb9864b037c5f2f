"""Events told to a person: what happened, in one sentence, and the details that it rests on."""

from collections.abc import Iterable, Mapping

from titanflow.cli.account_money import amount, small_amount, value_of
from titanflow.cli.market_story import company_sentence, print_sentence
from titanflow.cli.model_story import (
    RecordedModels,
    joined,
    learned_details,
    model_details,
    model_sentence,
    reasons,
)
from titanflow.cli.output import moment, percent, price, shares, to_second
from titanflow.cli.risk_story import SIZED_BY, WOULD_HAVE, figure, measured
from titanflow.cli.show import event_line
from titanflow.cli.units import context_numbers
from titanflow.domain.events import (
    IN_FEE,
    BarClosed,
    BarPointReceived,
    ClockAdvanced,
    ContenderSetAside,
    ContenderTimedOut,
    CorporateActionApplied,
    Event,
    FeatureDriftMeasured,
    GateReported,
    KillSwitchTripped,
    ModelReplaced,
    ModelRolledBack,
    OfficialPrintReceived,
    OffMarketPrintReceived,
    OperatorCommanded,
    OrderAdjusted,
    OrderApproved,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    QuoteReceived,
    RiskCommandIssued,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
)
from titanflow.domain.types import (
    FillBasis,
    Money,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Quantity,
    SetAsideReason,
    Side,
    decimal_of,
)

Names = Mapping[str, str]
"""Contender id -> the name of its model."""

NONE_RECORDED: RecordedModels = {}
Stops = Mapping[OrderId, Price]
"""Order id -> the stop price at which it was triggered."""
NONE_TRIGGERED: Stops = {}

_PURPOSES: Mapping[OrderPurpose, str] = {
    OrderPurpose.ENTRY: "to enter",
    OrderPurpose.EXIT: "to exit",
    OrderPurpose.STOP_LOSS: "as protective stop",
    OrderPurpose.SESSION_CLOSE: "to be flat before the venue closes",
    OrderPurpose.LIQUIDATION: "to liquidate",
}
_FAILURES: Mapping[SetAsideReason, str] = {
    SetAsideReason.RAISED: "it raised an exception",
    SetAsideReason.NOT_FINITE: "it gave a number that is none",
    SetAsideReason.MALFORMED: "it gave what is no opinion",
    SetAsideReason.TIMED_OUT: "a call took too long",
}
_MILLISECOND = 1_000_000


def sentence(event: Event, names: Names) -> str:
    """What happened; for events that nobody asks about, their fields in one line."""
    match event:
        case TickReceived() | OffMarketPrintReceived() | OfficialPrintReceived():
            return print_sentence(event)
        case BarPointReceived():
            return f"a bar of {event.instrument} was played to {_price(event.price)}"
        case QuoteReceived():
            return f"{event.instrument} was quoted: bid {_price(event.bid)}, ask {_price(event.ask)}"
        case ClockAdvanced():
            return f"the clock reached {to_second(event.at)}"
        case CorporateActionApplied() | OrderAdjusted():
            return company_sentence(event)
        case BarClosed():
            return _bar(event)
        case SignalGenerated():
            name = f" ({names[event.contender]})" if event.contender in names else ""
            return (
                f"{event.contender}{name} signalled {event.side} {event.instrument} at {_price(event.price)}, "
                f"confidence {event.confidence:.0%}"
            )
        case SignalWithheld() | FeatureDriftMeasured() | ModelReplaced():
            return model_sentence(event)
        case ContenderSetAside():
            return f"{event.contender} was set aside: {_FAILURES[event.reason]}; the others go on"
        case ContenderTimedOut():
            return f"a call of {event.contender} at event {event.seq} took too long and was stopped"
        case OperatorCommanded():
            target = event.order_id or event.contender or "all contenders"
            return f"operator {event.operator} ordered: {event.action} {target}"
        case OrderApproved() | OrderDenied() | OrderHeld() | OrderRejected():
            return _verdict(event)
        case OrderSubmitted() | OrderTriggered() | OrderFilled() | OrderCancelled():
            return _market(event)
        case KillSwitchTripped():
            scope = event.contender or "all contenders"
            end = f"until {to_second(event.until)}" if event.until else "until an operator resumes"
            return f"the kill switch stopped {scope} ({event.trigger}) {end}: equity {amount(event.equity)}"
        case GateReported():
            return f"{event.contender} {WOULD_HAVE[event.gate]} now, but gates only report"
        case ModelRolledBack():
            return f"{event.contender} was put under manual approval: {measured(event.metric, event.value)}"
        case RiskCommandIssued():
            return f"risk ordered {event.command} for {event.contender or 'all contenders'}: {event.reason}"
    return event_line(event).split("  ", 1)[1]


def details(
    event: Event, models: RecordedModels = NONE_RECORDED, stops: Stops = NONE_TRIGGERED
) -> Iterable[tuple[str, str]]:
    """What the event rests on: (label, text) pairs. `models` are the session's trained ones."""
    match event:
        case SignalGenerated() if event.model_hash in models:
            yield from learned_details(event, models)
        case SignalGenerated():
            why = event.explanation
            yield "because", reasons(why.contributions)
            yield "score", f"{why.base_value:+.3f} and the above make {why.score:+.3f} (above zero: buy); {why.method}"
            yield "saw", joined((name, f"{value:.6g}") for name, value in event.features)
            yield "model", event.model_hash
        case SignalWithheld() | FeatureDriftMeasured() | ModelReplaced():
            yield from model_details(event, models)
        case ContenderSetAside():
            yield "failure", f"on {event.instrument}: {event.detail}" if event.instrument else event.detail
        case OrderApproved():
            if event.purpose is OrderPurpose.ENTRY:
                yield "size", f"decided by {SIZED_BY[event.sized_by]}"
            yield "limits", context_numbers(event.context)
        case OrderDenied() | OrderRejected():
            yield "meaning", event.code.meaning
            if event.context:
                yield "numbers", context_numbers(event.context, event.code)
        case OrderHeld() | OrderCancelled():
            yield "meaning", event.code.meaning
        case OrderFilled():
            if event.reference_price:
                yield "market", _met(event)
            if event.costs:
                yield "costs", context_numbers(event.costs)
            yield "slippage", _slippage(event, stops)
            if event.purpose is not OrderPurpose.ENTRY:
                yield "realized", f"{_signed(event.realized_pnl)} on average cost, before the fee"
        case KillSwitchTripped():
            yield (
                "numbers",
                (
                    f"opening equity {amount(event.opening_equity)} · peak {amount(event.peak_equity)}"
                    f" · drawdown {percent(decimal_of(event.drawdown))} · losses in a row {event.consecutive_losses}"
                ),
            )
        case GateReported():
            yield "measured", f"{measured(event.gate, event.value)} after {event.round_trips} round trips"
        case ModelRolledBack():
            yield "rolling", f"Sharpe {figure(event.rolling_sharpe)} · accuracy {figure(event.rolling_accuracy)}"
        case OperatorCommanded() if event.reason:
            yield "reason", event.reason


def _bar(bar: BarClosed) -> str:
    return (
        f"a bar of {bar.seconds} s in {bar.instrument} closed at {_price(bar.close)} (open {_price(bar.open)}, "
        f"high {_price(bar.high)}, low {_price(bar.low)}, volume {_quantity(bar.volume)}, {bar.ticks} ticks)"
    )


def _verdict(event: OrderApproved | OrderDenied | OrderHeld | OrderRejected) -> str:
    if isinstance(event, OrderDenied):
        what = event.order_id or f"{event.side} {event.instrument}"
        return f"risk denied {what}: {event.code}"
    if isinstance(event, OrderRejected):
        return f"execution's last check refused order {event.order_id} ({event.instrument}): {event.code}"
    order = _order(event.side, event.quantity, event.instrument)
    worth = f"about {amount(value_of(event.instrument, event.decision_price, event.quantity))}"
    if isinstance(event, OrderHeld):
        until = moment(event.expires_at)
        return f"risk held {order} ({worth}) for a person until {until}: {event.code}, order {event.order_id}"
    stop = f", stop at {_price(event.stop_price)}" if event.stop_price else ""
    how = _how(event.order_type, event.order_price)
    return f"risk approved {order} {how} ({worth}) {_PURPOSES[event.purpose]}{stop}"


def _market(event: OrderSubmitted | OrderTriggered | OrderFilled | OrderCancelled) -> str:
    if isinstance(event, OrderCancelled):
        return f"order {event.order_id} was cancelled with {_quantity(event.remaining)} left: {event.code}"
    if isinstance(event, OrderTriggered):
        latency = (event.active_at - event.met_at) / _MILLISECOND
        then = f"after {latency:.0f} ms" if latency else "at once"
        reached = f"the stop at {_price(event.stop_price)} in {event.instrument} was reached at {_price(event.price)}"
        return f"{reached}: a market order {then}, order {event.order_id}"
    order = _order(event.side, event.quantity, event.instrument)
    if isinstance(event, OrderSubmitted):
        latency = (event.active_at - event.at) / _MILLISECOND
        when = f"after {latency:.0f} ms" if latency >= 0 else f"since {moment(event.active_at)}"
        how = _how(event.order_type, event.order_price)
        return (
            f"{order} {how} went to the {event.mode} market {_PURPOSES[event.purpose]}, "
            f"working {when}, order {event.order_id}"
        )
    left = f"{_quantity(event.remaining)} still to fill" if event.remaining else "complete"
    worth, fee = amount(value_of(event.instrument, event.price, event.quantity)), small_amount(event.fee)
    settled = event.basis is FillBasis.CLOSING_PRICE
    done, at = ("settled", "at the closing price ") if settled else ("filled", "at ")
    return f"{done} {order} {at}{_price(event.price)} = {worth}, fee {fee}; {left}, {event.fill_id}"


def _met(fill: OrderFilled) -> str:
    """Which market price the fill rests on, and what trading made of it."""
    at, costs = _price(fill.reference_price), abs(fill.price - fill.reference_price)
    beside = sum(-int(number) for name, number in fill.costs if name == IN_FEE)
    parts = [f"{_price(costs)} a share"] if costs else []
    if beside:
        parts.append(f"{_price(beside)} a share paid with the fee, as the bar's range kept it out of the price")
    paid = f"costs {' and '.join(parts)}" if parts else "no costs"
    match fill.basis:
        case FillBasis.CLOSING_PRICE:
            return f"{at} was the last price before the close; no print came in time to fill the order"
        case FillBasis.BAR_PATH:
            return f"{at} on the path of a bar, met {moment(fill.met_at)}; {paid}"
    return f"{at} was traded; {paid}"


def _slippage(fill: OrderFilled, stops: Stops) -> str:
    """How far the fill is from the decision's price, and for a stop from the price at which it was to act."""
    protective = fill.purpose is OrderPurpose.STOP_LOSS
    stop = fill.price - fill.slippage if protective else stops.get(fill.order_id, 0)
    difference = fill.price - stop if stop else fill.slippage
    against = f"its stop price {_price(stop)}" if stop else "the decision's price"
    cost = value_of(fill.instrument, difference, fill.quantity) * fill.side.sign
    if not cost:
        return f"at {against} exactly" if stop else "none against the decision's price"
    verdict = "worse" if cost > 0 else "better"
    return f"{_price(abs(difference))} a share {verdict} than {against}, {amount(abs(cost))} in all"


def _order(side: Side, quantity: Quantity, instrument: str) -> str:
    return f"{side} {_quantity(quantity)} {instrument}"


def _how(order_type: OrderType, order_price: Price) -> str:
    return "at the market" if order_type is OrderType.MARKET else f"{order_type} {_price(order_price)}"


def _price(units: Price) -> str:
    return price(decimal_of(units))


def _quantity(units: Quantity) -> str:
    return shares(decimal_of(units))


def _signed(units: Money) -> str:
    return f"{'-' if units < 0 else '+'}{amount(abs(units))}"
