"""What a fill costs besides its commission: by the instrument's spread and the order's impact, or flat.

For auditors: docs/execution.md.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from titanflow.domain.decider import random_bits
from titanflow.domain.events import Context, QuoteReceived
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import (
    NANOS_PER_SECOND,
    SCALE,
    CostModelName,
    InstrumentId,
    Nanos,
    Price,
    Quantity,
    Side,
    floor_to,
    portion,
)
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.impact import activity, square_root_impact
from titanflow.execution.simulation.normal import standard_normal
from titanflow.execution.simulation.slippage import SlippageModel, slipped
from titanflow.execution.simulation.spread import estimated_spread, shows_spread
from titanflow.execution.simulation.tape import Tape

WIDEST_QUOTE = SCALE // 10
"""A quote whose spread is a larger part of the price is nobody's market: a place holder, passed over."""


class Fill(NamedTuple):
    """One fill before it is priced."""

    order: WorkingOrder
    at: Nanos
    """When its price was met."""
    reference: Price
    """The market's price that was met."""
    quantity: Quantity
    size: Quantity
    """Of the print that fills it."""


class Priced(NamedTuple):
    """The price that costs lead to, and its parts by name: dollars a unit (1e-9) that add up to the difference."""

    price: Price
    costs: Context


class CostModel(Protocol):
    """Makes the market's price worse for an order; never better."""

    def priced(self, fill: Fill) -> Priced:
        """The price of a fill, before its limit or a bar's range cuts it."""
        ...


class FlatCosts:
    """The older model: a part of the price, whatever the instrument, and impact by the part of the print taken."""

    def __init__(self, seed: int, settings: ExecutionSettings) -> None:
        self.model = SlippageModel(seed, settings)

    def priced(self, fill: Fill) -> Priced:
        """See CostModel."""
        order, reference = fill.order, fill.reference
        base, noise, impact = self.model.parts(order.draw_key, order.fills, fill.quantity, fill.size)
        ratio = base + noise + impact
        price = slipped(reference, order.side, ratio, order.instrument.price_increment)
        half_spread, chance, moved = (portion(reference, part) for part in (base, noise, impact))
        rounding = (price - reference) * order.side.sign - half_spread - chance - moved
        return Priced(price, (("base", half_spread), ("noise", chance), ("impact", moved), ("rounding", rounding)))


class SpreadCosts:
    """Half the instrument's spread, from its latest quote or estimated from its bars, and square-root impact.

    `tapes` and `quotes` are the executor's tables of what was printed and quoted so far.
    """

    def __init__(
        self,
        seed: int,
        settings: ExecutionSettings,
        tapes: Mapping[InstrumentId, Tape],
        quotes: Mapping[InstrumentId, QuoteReceived],
    ) -> None:
        self.seed = seed
        self.prior = settings.spread_prior
        self.quote_nanos = settings.quote_age_seconds * NANOS_PER_SECOND
        self.factor = settings.impact_factor
        self.noise = settings.cost_noise
        self.tapes = tapes
        self.quotes = quotes

    def priced(self, fill: Fill) -> Priced:
        """See CostModel."""
        order, reference = fill.order, fill.reference
        window = self.tapes[order.instrument.id].window
        known = activity(window)
        origin, spread = self._spread(fill)
        half_spread = (max(spread, order.instrument.price_increment) + 1) // 2
        impact = portion(reference, square_root_impact(known, order.quantity, self.factor))
        noise = self._noise(order, half_spread + impact)
        worse = half_spread + impact + noise
        price = self._on_increment(order, reference, worse)
        rounding = (price - reference) * order.side.sign - worse
        return Priced(
            price,
            (
                ("half_spread", half_spread),
                ("impact", impact),
                ("noise", noise),
                ("rounding", rounding),
                ("spread_from", origin),
                ("spread", spread),
                ("bars", len(window.pairs)),
                ("bar_volatility", known.volatility),
                ("bar_volume", known.volume),
                ("order_quantity", order.quantity),
            ),
        )

    def _spread(self, fill: Fill) -> tuple[str, Price]:
        """Where the full spread is known from, and the spread."""
        instrument, reference = fill.order.instrument.id, fill.reference
        quote = self.quotes.get(instrument)
        if quote is not None and fill.at - quote.at <= self.quote_nanos:
            spread = quote.ask - quote.bid
            if spread <= portion(reference, WIDEST_QUOTE):
                return "quote", spread
        window = self.tapes[instrument].window
        origin = "tape" if shows_spread(window) else "prior"
        return origin, portion(reference, estimated_spread(window, self.prior))

    def _noise(self, order: WorkingOrder, cost: Price) -> Price:
        """Normal, a part of the cost; it never turns a cost into a gain."""
        if not self.noise:
            return 0
        z = standard_normal(random_bits(self.seed, f"slippage|{order.draw_key}", order.fills))
        return max(portion(cost, portion(self.noise, z)), -cost)

    def _on_increment(self, order: WorkingOrder, reference: Price, worse: Price) -> Price:
        """The price on its increment: by chance up or down, so that it is right on average, but never a better one.

        Where the spread is one increment, trades print at its one side or its other, and half of it lies between.
        """
        step, sign = order.instrument.price_increment, order.side.sign
        exact = reference + sign * worse
        price = floor_to(exact, step) if order.side is Side.BUY else -floor_to(-exact, step)
        rest = sign * (exact - price)
        if rest:
            bits = random_bits(self.seed, f"rounding|{order.draw_key}", order.fills)
            if (price - reference) * sign < 0 or bits * step < rest << 64:
                price += sign * step
        return max(price, step)


def cost_model(
    seed: int,
    settings: ExecutionSettings,
    tapes: Mapping[InstrumentId, Tape],
    quotes: Mapping[InstrumentId, QuoteReceived],
) -> CostModel:
    """The model that the settings name."""
    if settings.cost_model is CostModelName.FLAT:
        return FlatCosts(seed, settings)
    return SpreadCosts(seed, settings, tapes, quotes)
