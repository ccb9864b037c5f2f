"""The books balance to the last unit, whatever is traded; average cost agrees with an exact model of its own."""

from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from titanflow.domain.portfolio import Portfolio, RoundTrip
from titanflow.domain.types import SCALE, Side, fixed

CASH = fixed("100000")
BUY, SELL = Side.BUY, Side.SELL
INSTRUMENTS = ("AAPL.XNYS", "MSFT.XNYS", "BTCUSDT.BINANCE-SPOT")


def trade(
    book: Portfolio, side: Side, quantity: str, price: str, fee: str = "0", at: int = 0, instrument: str = "AAPL.XNYS"
) -> RoundTrip | None:
    return book.apply(at, instrument, side, fixed(quantity), fixed(price), fixed(fee))[1]


# --- on paper --------------------------------------------------------------------------------------------------------


def test_two_buys_average_and_a_partial_sale_realizes_on_the_average() -> None:
    # 100 at 10.00 and 50 at 13.00 cost 1650, 11.00 each; 60 sold at 12.00 realize 60 and leave 90 at 990.
    book = Portfolio(CASH)
    trade(book, BUY, "100", "10", fee="1")
    trade(book, BUY, "50", "13", fee="1")
    assert book.positions["AAPL.XNYS"].average_price == fixed("11")
    assert trade(book, SELL, "60", "12", fee="1") is None
    assert book.realized == fixed("60")
    assert book.positions["AAPL.XNYS"].cost == fixed("990")
    assert book.cash == fixed("99067")
    assert book.fees == fixed("3")
    assert book.equity({"AAPL.XNYS": fixed("12")}) == fixed("100147")
    assert book.unrealized({"AAPL.XNYS": fixed("12")}) == fixed("90")


def test_a_short_sale_gains_when_the_price_falls() -> None:
    # 10 sold at 50, bought back at 45: 50 gained, 2 fees.
    book = Portfolio(CASH)
    trade(book, SELL, "10", "50", fee="1", at=5)
    assert book.quantity("AAPL.XNYS") == fixed("-10")
    assert book.positions["AAPL.XNYS"].average_price == fixed("50")
    assert book.positions["AAPL.XNYS"].value(fixed("45")) == fixed("-450")
    assert book.unrealized({"AAPL.XNYS": fixed("45")}) == fixed("50")
    trip = trade(book, BUY, "10", "45", fee="1", at=9)
    assert trip == RoundTrip(
        instrument="AAPL.XNYS",
        side=SELL,
        opened_at=5,
        closed_at=9,
        quantity=fixed("10"),
        entry_price=fixed("50"),
        exit_price=fixed("45"),
        fees=fixed("2"),
        pnl=fixed("48"),
    )
    assert book.cash == fixed("100048")
    assert book.positions == {}


def test_a_round_trip_over_several_fills_has_average_prices_and_all_fees() -> None:
    # 100 at 10 and 100 at 12 in (2200), 50 at 13 and 150 at 14 out (2750): 550 less 4 fees.
    book = Portfolio(CASH)
    trade(book, BUY, "100", "10", fee="1", at=1)
    trade(book, SELL, "50", "13", fee="1", at=2)
    trade(book, BUY, "100", "12", fee="1", at=3)
    trip = trade(book, SELL, "150", "14", fee="1", at=4)
    assert trip is not None
    assert (trip.opened_at, trip.closed_at) == (1, 4)
    assert (trip.quantity, trip.entry_price, trip.exit_price) == (fixed("200"), fixed("11"), fixed("13.75"))
    assert (trip.fees, trip.pnl) == (fixed("4"), fixed("546"))


def test_a_fill_beyond_the_position_closes_it_and_opens_the_rest_the_other_way_round() -> None:
    # Long 10 at 20; 15 sold at 22 with a fee of 3: 20 gained on 10 (fee 2), short 5 at 22 (fee 1).
    book = Portfolio(CASH)
    trade(book, BUY, "10", "20", at=1)
    trip = trade(book, SELL, "15", "22", fee="3", at=2)
    assert trip is not None
    assert (trip.fees, trip.pnl) == (fixed("2"), fixed("18"))
    short = book.positions["AAPL.XNYS"]
    assert (short.quantity, short.cost, short.opened_at) == (fixed("-5"), fixed("-110"), 2)
    second = trade(book, BUY, "5", "20", fee="1", at=3)
    assert second is not None
    assert (second.side, second.opened_at, second.fees, second.pnl) == (SELL, 2, fixed("2"), fixed("8"))


def test_open_positions_stand_in_the_order_in_which_they_were_opened_even_after_a_flip() -> None:
    book = Portfolio(CASH)
    trade(book, BUY, "1", "10", instrument="A")
    trade(book, BUY, "1", "10", instrument="B")
    trade(book, SELL, "2", "10", instrument="A")
    assert list(book.positions) == ["B", "A"]


def test_a_position_without_a_mark_counts_at_cost() -> None:
    book = Portfolio(CASH)
    trade(book, BUY, "10", "20", instrument="A")
    trade(book, SELL, "5", "30", instrument="B")
    assert book.equity({}) == CASH
    assert book.gross_exposure({}) == fixed("350")
    assert book.gross_exposure({"A": fixed("21"), "B": fixed("31")}) == fixed("365")
    assert book.equity({"A": fixed("21")}) == CASH + fixed("10")


def test_a_rebate_is_a_negative_fee_and_still_balances() -> None:
    book = Portfolio(CASH)
    trade(book, BUY, "10", "20", fee="-0.5")
    assert book.cash == CASH - fixed("199.5")
    assert book.conserved


@pytest.mark.parametrize(("quantity", "price"), [(0, 1), (-1, 1), (1, 0), (1, -1)])
def test_a_fill_without_a_positive_quantity_and_price_is_refused_and_changes_nothing(quantity: int, price: int) -> None:
    book = Portfolio(CASH)
    with pytest.raises(ValueError, match="positive quantity and price"):
        book.apply(0, "AAPL.XNYS", BUY, quantity, price, 0)
    assert (book.cash, book.positions) == (CASH, {})


# --- anything at all -------------------------------------------------------------------------------------------------


class ExactHolding:
    """Average cost in exact fractions: nothing is rounded, so nothing is shared with the code under test."""

    def __init__(self) -> None:
        self.quantity = 0
        self.average = Fraction(0)
        self.realized = Fraction(0)

    def fill(self, signed: int, price: int) -> None:
        if self.quantity * signed < 0:
            closing = min(abs(signed), abs(self.quantity))
            direction = 1 if self.quantity > 0 else -1
            self.realized += direction * closing * (price - self.average) / SCALE
            self.quantity -= direction * closing
            signed += direction * closing
        if signed:
            total = abs(self.quantity) * self.average + abs(signed) * price
            self.quantity += signed
            self.average = total / abs(self.quantity)


class Books(RuleBasedStateMachine):
    """Arbitrary fills in three instruments, beside exact holdings and exact cash."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Portfolio(CASH)
        self.exact = {instrument: ExactHolding() for instrument in INSTRUMENTS}
        self.cash = Fraction(CASH)
        self.fees = 0
        self.fills = 0
        self.trips: list[RoundTrip] = []
        self.postings = [0, 0, 0, 0]

    def trade(self, instrument: str, side: Side, quantity: int, price: int, fee: int) -> None:
        before = self.book.quantity(instrument)
        entry, trip = self.book.apply(self.fills, instrument, side, quantity, price, fee)
        self.fills += 1
        self.fees += fee
        self.cash -= Fraction(side.sign * quantity * price, SCALE) + fee
        self.exact[instrument].fill(side.sign * quantity, price)
        assert entry.balanced
        self.postings = [total + posted for total, posted in zip(self.postings, entry, strict=True)]
        after = self.book.quantity(instrument)
        assert (trip is not None) == (before != 0 and before * after <= 0)
        if trip:
            self.trips.append(trip)

    @rule(
        instrument=st.sampled_from(INSTRUMENTS),
        side=st.sampled_from(Side),
        quantity=st.one_of(st.integers(1, 10**13), st.integers(1, 1000).map(lambda n: n * SCALE)),
        price=st.one_of(st.integers(1, 10**14), st.integers(1, 100_000).map(lambda n: n * 10_000_000)),
        fee=st.integers(-(10**6), 10**10),
    )
    def fill(self, instrument: str, side: Side, quantity: int, price: int, fee: int) -> None:
        self.trade(instrument, side, quantity, price, fee)

    @precondition(lambda self: self.book.positions)
    @rule(data=st.data(), times=st.integers(1, 2), price=st.integers(1, 10**13), fee=st.integers(0, 10**9))
    def flatten_or_flip(self, data: st.DataObject, times: int, price: int, fee: int) -> None:
        held = data.draw(st.sampled_from(sorted(self.book.positions)))
        quantity = self.book.quantity(held)
        self.trade(held, SELL if quantity > 0 else BUY, times * abs(quantity), price, fee)

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        assert self.book.conserved
        assert self.book.cash + self.book.cost_basis() + self.fees - self.book.realized == CASH

    @invariant()
    def the_accounts_are_the_sum_of_their_postings(self) -> None:
        book = self.book
        assert self.postings == [book.cash - CASH, book.cost_basis(), book.realized, book.fees]

    @invariant()
    def it_agrees_with_the_exact_model_but_for_rounding(self) -> None:
        assert abs(self.book.cash - self.cash) <= self.fills
        assert abs(self.book.realized - sum(each.realized for each in self.exact.values())) <= 3 * self.fills
        for instrument, exact in self.exact.items():
            assert self.book.quantity(instrument) == exact.quantity
            position = self.book.positions.get(instrument)
            assert (position is None) == (exact.quantity == 0)
            if position:
                assert abs(position.cost - exact.quantity * exact.average / SCALE) <= 2 * self.fills
                assert position.cost * position.quantity >= 0

    @invariant()
    def equity_at_cost_is_cash_and_cost(self) -> None:
        assert self.book.equity({}) == self.book.cash + self.book.cost_basis()
        assert self.book.unrealized({}) == 0

    def teardown(self) -> None:
        for instrument in list(self.book.positions):
            quantity = self.book.quantity(instrument)
            self.trade(instrument, SELL if quantity > 0 else BUY, abs(quantity), 10 * SCALE, 7)
        assert self.book.positions == {}
        assert self.book.cost_basis() == 0
        assert sum(trip.pnl for trip in self.trips) == self.book.realized - self.book.fees == self.book.cash - CASH


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_books_balance_to_the_last_unit = Books.TestCase
