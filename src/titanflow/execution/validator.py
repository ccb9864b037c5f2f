"""The last gate before the market: every approved order passes here or is rejected with a code and its numbers."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from titanflow.domain.events import Context, OrderApproved
from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import (
    SCALE,
    ContenderId,
    DenialCode,
    InstrumentId,
    OrderId,
    OrderPurpose,
    OrderType,
    Price,
    Side,
    ratio_of,
    scaled,
)
from titanflow.execution.account import Account
from titanflow.execution.simulation.fees import cost_with_commission


class Refusal(NamedTuple):
    """Why an order may not go out, with the numbers that decided it."""

    code: DenialCode
    context: Context


class Request(NamedTuple):
    """An approved order beside everything that the gate needs to judge it."""

    order: OrderApproved
    instrument: Instrument
    account: Account
    closing: bool
    reference_price: Price
    """What a unit is worth: a limit or stop order's own price, else the last one; 0 while no price is known."""


class OrderValidator:
    """Checks approved orders against the session's limits, from the cheapest check to the dearest, first refusal wins.

    Closing orders reduce risk: value, concentration and buying power do not hold them back. They must face an open
    position, and when they fill they never take more than it holds.
    """

    def __init__(
        self,
        settings: ExecutionSettings,
        instruments: Mapping[InstrumentId, Instrument],
        accounts: Mapping[ContenderId, Account],
        marks: Mapping[InstrumentId, Price],
    ) -> None:
        """Accounts and marks (last prices) are the executor's own tables."""
        self.settings = settings
        self.instruments = instruments
        self.accounts = accounts
        self.marks = marks
        self.seen: set[OrderId] = set()
        self.session_ended = False
        self.checks: tuple[Callable[[Request], Refusal | None], ...] = (
            self._tradable,
            self._increments,
            self._closes_something,
            self._priced,
            self._order_value,
            self._concentration,
            self._buying_power,
        )

    def refusal(self, order: OrderApproved) -> Refusal | None:
        """Why this order must not go out, or None. An id is good for one order, accepted or not."""
        if order.order_id in self.seen:
            return Refusal(DenialCode.DUPLICATE_ORDER, (("order_id", order.order_id),))
        self.seen.add(order.order_id)
        if self.session_ended:
            return Refusal(DenialCode.SESSION_ENDED, ())
        instrument, account = self.instruments.get(order.instrument), self.accounts.get(order.contender)
        if instrument is None:
            return Refusal(DenialCode.SYMBOL_NOT_ALLOWED, (("instrument", order.instrument),))
        if account is None:
            return Refusal(DenialCode.NO_EQUITY, (("contender", order.contender), ("equity", 0)))
        request = Request(order, instrument, account, self.is_closing(order), self.reference_price(order))
        for check in self.checks:
            refusal = check(request)
            if refusal is not None:
                return refusal
        return None

    def is_closing(self, order: OrderApproved) -> bool:
        """Whether the order may only reduce a position: all but entries, and every sell while short selling is off."""
        return order.purpose is not OrderPurpose.ENTRY or (order.side is Side.SELL and not self.settings.allow_short)

    def reference_price(self, order: OrderApproved) -> Price:
        """The price that values the order: the last one, or its own where that is what it will pay; 0 if unknown."""
        mark = self.marks.get(order.instrument, 0)
        if order.order_type is OrderType.MARKET:
            return mark
        if order.order_type is OrderType.LIMIT and order.side is Side.BUY:
            return order.order_price
        return max(order.order_price, mark)

    def worst_price(self, order: OrderApproved) -> Price:
        """What a unit may cost at worst: the reference price, with slippage unless a limit forbids it."""
        reference = self.reference_price(order)
        slips = order.order_type is not OrderType.LIMIT
        return scaled(reference * (SCALE + self.settings.slippage_allowance), SCALE) if slips else reference

    def _tradable(self, request: Request) -> Refusal | None:
        if request.instrument.tradable:
            return None
        return Refusal(DenialCode.NOT_TRADABLE, (("instrument", request.instrument.id),))

    def _increments(self, request: Request) -> Refusal | None:
        order, instrument = request.order, request.instrument
        if order.quantity <= 0:
            return Refusal(DenialCode.SIZE_IS_ZERO, (("quantity", order.quantity),))
        if order.quantity % instrument.quantity_increment:
            return _off_increment("quantity", order.quantity, instrument.quantity_increment)
        priced = order.order_type is not OrderType.MARKET
        if priced and (order.order_price <= 0 or order.order_price % instrument.price_increment):
            return _off_increment("order_price", order.order_price, instrument.price_increment)
        if order.stop_price < 0 or order.stop_price % instrument.price_increment:
            return _off_increment("stop_price", order.stop_price, instrument.price_increment)
        return None

    def _closes_something(self, request: Request) -> Refusal | None:
        if not request.closing:
            return None
        order, held = request.order, request.account.portfolio.quantity(request.instrument.id)
        short_sale = order.purpose is OrderPurpose.ENTRY
        if short_sale and order.quantity > held:
            return Refusal(DenialCode.SHORTING_DISABLED, (("position", held), ("quantity", order.quantity)))
        if held * order.side.sign >= 0:
            return Refusal(DenialCode.NOTHING_TO_CLOSE, (("position", held), ("quantity", order.quantity)))
        return None

    def _priced(self, request: Request) -> Refusal | None:
        if request.closing or self.marks.get(request.instrument.id):
            return None
        return Refusal(DenialCode.NO_PRICE, (("instrument", request.instrument.id),))

    def _order_value(self, request: Request) -> Refusal | None:
        if request.closing:
            return None
        value, limit = (
            request.instrument.value(request.reference_price, request.order.quantity),
            self.settings.max_order_value,
        )
        if value <= limit:
            return None
        return Refusal(DenialCode.ORDER_VALUE, (("order_value", value), ("limit", limit)))

    def _concentration(self, request: Request) -> Refusal | None:
        if request.closing:
            return None
        equity = request.account.portfolio.equity(self.marks)
        if equity <= 0:
            return Refusal(DenialCode.NO_EQUITY, (("contender", request.order.contender), ("equity", equity)))
        signed = request.order.side.sign * request.order.quantity
        exposure = request.account.exposure_after(request.instrument.id, signed)
        value = request.instrument.value(request.reference_price, exposure)
        concentration, limit = ratio_of(value, equity), self.settings.max_concentration
        if concentration <= limit:
            return None
        numbers = (("position_value", value), ("equity", equity), ("concentration", concentration), ("limit", limit))
        return Refusal(DenialCode.CONCENTRATION, numbers)

    def _buying_power(self, request: Request) -> Refusal | None:
        if request.closing:
            return None
        worst_price = self.worst_price(request.order)
        instrument = request.instrument
        cost = cost_with_commission(instrument.fees, worst_price, request.order.quantity, instrument.factor)
        power = request.account.buying_power(self.marks)
        if cost <= power:
            return None
        return Refusal(DenialCode.BUYING_POWER, (("cost", cost), ("buying_power", power)))


def _off_increment(field: str, value: int, increment: int) -> Refusal:
    return Refusal(DenialCode.BAD_INCREMENT, (("field", field), (field, value), ("increment", increment)))
