"""Splits and dividends on paper, and the books that balance to the last unit through any run of them."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from titanflow.domain.corporate_actions import adjust_mark, book_action, split_price, split_quantity
from titanflow.domain.events import CorporateActionApplied
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.portfolio import ActionEntry, Portfolio
from titanflow.domain.types import SCALE, CorporateActionKind, Side, fixed

CASH = fixed("100000")
AAPL = Instrument("AAPL.XNYS", "AAPL", "XNYS", InstrumentKind.EQUITY, SCALE // 100, SCALE, "XNYS", "USD", FeeSchedule())
BUY, SELL = Side.BUY, Side.SELL
EX = date(2014, 6, 9).toordinal()


def split(new: int, old: int, last_price: str = "0") -> CorporateActionApplied:
    return CorporateActionApplied(9, AAPL.id, CorporateActionKind.SPLIT, new, old, 0, fixed(last_price), 9, 0)


def dividend(amount: str, kind: CorporateActionKind = CorporateActionKind.DIVIDEND) -> CorporateActionApplied:
    return CorporateActionApplied(9, AAPL.id, kind, 0, 0, fixed(amount), 0, EX, EX + 30)


def holding(quantity: str, price: str, side: Side = BUY) -> Portfolio:
    book = Portfolio(CASH)
    book.apply(1, AAPL.id, side, fixed(quantity), fixed(price), fixed("1"))
    return book


# --- on paper --------------------------------------------------------------------------------------------------------


def test_a_two_to_one_split_doubles_the_shares_and_halves_nothing_of_what_they_are_worth() -> None:
    book = holding("100", "30")
    before = book.equity({AAPL.id: fixed("32")})
    entry, trip = book_action(book, split(2, 1, "32"), AAPL)
    position = book.positions[AAPL.id]
    assert (position.quantity, position.cost, position.average_price) == (fixed("200"), fixed("3000"), fixed("15"))
    assert entry == ActionEntry(fixed("100"), fixed("200"))
    assert trip is None
    assert book.equity({AAPL.id: fixed("16")}) == before == CASH - fixed("1") + fixed("200")


def test_apple_seven_to_one_of_june_2014() -> None:
    # 30 shares bought at 620.00, the last close before the split at 645.57: 210 shares, 88.571428571 each.
    book = holding("30", "620")
    book_action(book, split(7, 1, "645.57"), AAPL)
    position = book.positions[AAPL.id]
    assert (position.quantity, position.cost) == (fixed("210"), fixed("18600"))
    assert position.average_price == fixed("88.571428571")
    # Sold at the next day's open of 92.70: 210 * 92.70 - 18600 = 867.00 before fees.
    _, trip = book.apply(10, AAPL.id, SELL, fixed("210"), fixed("92.70"), fixed("1"))
    assert trip is not None
    assert (trip.quantity, trip.pnl) == (fixed("210"), fixed("865"))
    assert (trip.entry_price, trip.exit_price) == (fixed("88.571428571"), fixed("92.70"))


def test_the_fraction_that_a_split_leaves_is_paid_in_cash_at_the_ex_price() -> None:
    # 5 shares at 24.00; 3:2 at a last price of 30.00: 7.5 shares at 20.00. Half a share is sold for 10.00.
    book = holding("5", "24")
    cash = book.cash
    entry, _ = book_action(book, split(3, 2, "30"), AAPL)
    position = book.positions[AAPL.id]
    assert position.quantity == fixed("7")
    assert book.cash == cash + fixed("10")
    assert (position.cost, entry.cost) == (fixed("112"), fixed("-8"))
    assert book.realized == fixed("2")
    assert position.cost - entry.cost == fixed("120"), "the cost of all is what it was"
    assert book.conserved


def test_a_short_position_buys_its_fraction_back() -> None:
    book = holding("5", "24", SELL)
    cash = book.cash
    book_action(book, split(3, 2, "30"), AAPL)
    position = book.positions[AAPL.id]
    assert (position.quantity, position.cost) == (fixed("-7"), fixed("-112"))
    assert (book.cash - cash, book.realized) == (fixed("-10"), fixed("-2"))
    assert book.conserved


def test_a_reverse_split_that_leaves_no_whole_share_ends_the_position() -> None:
    # 5 shares at 1.00, one for ten at a last price of 1.20: half a share at 12.00 is 6.00, one dollar above their cost.
    book = holding("5", "1")
    entry, trip = book_action(book, split(1, 10, "1.20"), AAPL)
    assert book.positions == {}
    assert (entry.cash, entry.realized, entry.after) == (fixed("6"), fixed("1"), 0)
    assert trip is not None
    assert trip.pnl == fixed("0"), "one dollar less the fee of the purchase"
    assert book.conserved


def test_a_dividend_is_owed_from_its_ex_date_and_cash_on_its_pay_date() -> None:
    book = holding("100", "30")
    cash, marks = book.cash, {AAPL.id: fixed("30")}
    equity = book.equity(marks)
    book_action(book, dividend("0.47"), AAPL)
    assert (book.cash, book.receivable, book.dividends) == (cash, fixed("47"), fixed("47"))
    assert book.equity(marks) == equity + fixed("47")
    assert book.unrealized(marks) == 0
    # Whoever sold since still gets it, whoever bought since does not.
    book.apply(2, AAPL.id, SELL, fixed("100"), fixed("30"), 0)
    paid, _ = book_action(book, dividend("0.47", CorporateActionKind.DIVIDEND_PAYMENT), AAPL)
    assert (paid.cash, book.receivable) == (fixed("47"), 0)
    assert book.cash == cash + fixed("3047")
    assert book.conserved


def test_a_short_position_owes_the_dividend() -> None:
    book = holding("100", "30", SELL)
    book_action(book, dividend("0.47"), AAPL)
    assert (book.receivable, book.dividends) == (fixed("-47"), fixed("-47"))
    book_action(book, dividend("0.47", CorporateActionKind.DIVIDEND_PAYMENT), AAPL)
    assert book.cash == CASH - fixed("1") + fixed("3000") - fixed("47")


def test_who_holds_nothing_gets_nothing() -> None:
    book = Portfolio(CASH)
    assert book_action(book, split(2, 1, "30"), AAPL) == (ActionEntry(0, 0), None)
    assert book_action(book, dividend("0.47"), AAPL) == (ActionEntry(0, 0), None)
    assert book_action(book, dividend("0.47", CorporateActionKind.DIVIDEND_PAYMENT), AAPL) == (ActionEntry(0, 0), None)
    assert book.equity({}) == CASH


def test_until_the_next_print_the_last_price_is_what_the_action_makes_of_it() -> None:
    marks = {AAPL.id: fixed("645.57")}
    adjust_mark(marks, split(7, 1))
    assert marks[AAPL.id] == fixed("92.224285714")
    adjust_mark(marks, dividend("0.47"))
    assert marks[AAPL.id] == fixed("91.754285714")
    adjust_mark(marks, dividend("0.47", CorporateActionKind.DIVIDEND_PAYMENT))
    assert marks[AAPL.id] == fixed("91.754285714")
    none: dict[str, int] = {}
    adjust_mark(none, split(7, 1))
    assert none == {}


@pytest.mark.parametrize(
    ("price", "new", "old", "down", "up"),
    [("630", 7, 1, "90", "90"), ("631", 7, 1, "90.14", "90.15"), ("0.02", 7, 1, "0.01", "0.01"), ("0", 2, 1, "0", "0")],
)
def test_an_orders_price_moves_to_a_whole_increment(price: str, new: int, old: int, down: str, up: str) -> None:
    assert split_price(fixed(price), split(new, old), AAPL.price_increment, down=True) == fixed(down)
    assert split_price(fixed(price), split(new, old), AAPL.price_increment, down=False) == fixed(up)


def test_an_orders_quantity_moves_to_a_whole_increment() -> None:
    assert split_quantity(fixed("5"), split(3, 2), SCALE, up=False) == fixed("7")
    assert split_quantity(fixed("5"), split(3, 2), SCALE, up=True) == fixed("8")
    assert split_quantity(fixed("5"), split(1, 10), SCALE, up=False) == 0


# --- anything at all -------------------------------------------------------------------------------------------------

SHARES = st.integers(1, 10_000).map(lambda n: n * SCALE)
PRICES = st.integers(1, 10_000_000).map(lambda n: n * SCALE // 100)
RATIOS = st.tuples(st.integers(1, 50), st.integers(1, 50)).filter(lambda pair: pair[0] != pair[1])


class Company(RuleBasedStateMachine):
    """Any run of fills, splits and dividends, beside exact fractions."""

    factor = SCALE

    def __init__(self) -> None:
        super().__init__()
        self.book = Portfolio(CASH, {AAPL.id: self.factor})
        self.owed = 0
        self.n = 0

    @rule(side=st.sampled_from(Side), quantity=SHARES, price=PRICES, fee=st.integers(0, 10**10))
    def fill(self, side: Side, quantity: int, price: int, fee: int) -> None:
        self.book.apply(self.n, AAPL.id, side, quantity, price, fee)

    @rule(ratio=RATIOS, price=PRICES)
    def split(self, ratio: tuple[int, int], price: int) -> None:
        new, old = ratio
        position = self.book.positions.get(AAPL.id)
        cost = position.cost if position else 0
        held, cash, realized = self.book.quantity(AAPL.id), self.book.cash, self.book.realized
        action = CorporateActionApplied(self.n, AAPL.id, CorporateActionKind.SPLIT, new, old, 0, price, self.n, 0)
        entry, trip = book_action(self.book, action, AAPL)
        assert entry.balanced
        after = self.book.quantity(AAPL.id)
        exact = Fraction(held * new, old)
        rest = abs(exact) - abs(after)
        assert 0 <= rest < SCALE
        assert after % SCALE == 0 or held == 0
        assert abs(abs(self.book.cash - cash) - rest * Fraction(price * old, new) * self.factor / SCALE**2) <= Fraction(
            1, 2
        )
        left = self.book.positions[AAPL.id].cost if after else 0
        assert left - entry.cost == cost, "the cost of all is unchanged to the last unit"
        if not rest:
            assert (left, self.book.cash, self.book.realized) == (cost, cash, realized)
        assert (trip is not None) == (held != 0 and after == 0)

    @rule(amount=st.integers(1, 10**10), paid=st.booleans())
    def dividend(self, amount: int, paid: bool) -> None:
        self.n += 1
        kinds = [CorporateActionKind.DIVIDEND, *([CorporateActionKind.DIVIDEND_PAYMENT] if paid else [])]
        cash = self.book.cash
        for kind in kinds:
            entry, _ = book_action(
                self.book, CorporateActionApplied(self.n, AAPL.id, kind, 0, 0, amount, 0, self.n, 0), AAPL
            )
            assert entry.balanced
        due = Fraction(self.book.quantity(AAPL.id) * amount * self.factor, SCALE)
        if paid:
            assert abs(self.book.cash - cash - Fraction(due, SCALE)) <= Fraction(1, 2)
        else:
            assert self.book.cash == cash

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        book = self.book
        assert book.conserved
        held = book.cash + book.receivable + book.cost_basis()
        assert held + book.fees - book.realized - book.dividends == CASH
        assert book.equity({}) == book.cash + book.receivable + book.cost_basis()


Company.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
test_books_balance_to_the_last_unit_through_splits_and_dividends = Company.TestCase


class Abroad(Company):
    """The same of a share that is quoted in euros, ten to a contract."""

    factor = fixed("10.835")


Abroad.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_books_in_another_currency_balance_to_the_last_unit_too = Abroad.TestCase


@settings(max_examples=200, deadline=None)
@given(SHARES, PRICES, RATIOS)
def test_a_split_changes_the_value_of_a_holding_by_no_more_than_its_rounding(
    quantity: int, price: int, ratio: tuple[int, int]
) -> None:
    new, old = ratio
    book = Portfolio(10**9 * SCALE)
    book.apply(1, AAPL.id, BUY, quantity, price, 0)
    marks = {AAPL.id: price}
    before = book.equity(marks)
    action = CorporateActionApplied(2, AAPL.id, CorporateActionKind.SPLIT, new, old, 0, price, 2, 0)
    book_action(book, action, AAPL)
    adjust_mark(marks, action)
    # The new price is rounded by at most half a unit of 1e-9, times all the shares.
    assert abs(book.equity(marks) - before) <= book.quantity(AAPL.id) // SCALE + 2
