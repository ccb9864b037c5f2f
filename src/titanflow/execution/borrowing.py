"""What short positions pay for the shares they borrowed: by the time that passed, when a day ends or they change."""

from collections.abc import Mapping

from titanflow.domain.instruments import Instrument, InstrumentKind
from titanflow.domain.types import (
    NANOS_PER_DAY,
    SCALE,
    ContenderId,
    InstrumentId,
    Money,
    Nanos,
    Price,
    Ratio,
    scaled,
)
from titanflow.execution.account import Account
from titanflow.execution.hours import VenueHours
from titanflow.execution.orders import BEYOND
from titanflow.execution.turn import Turn

YEAR = 365 * NANOS_PER_DAY


BORROWED = frozenset({InstrumentKind.EQUITY, InstrumentKind.CRYPTO_SPOT})
"""What has to be borrowed to be sold short; everything else is a contract."""


def borrow_cost(value: Money, rate: Ratio, nanos: Nanos) -> Money:
    """What shares of that value cost for that time, at `rate` of it for a year of 365 days."""
    return scaled(value * rate * nanos, SCALE * YEAR)


class Loan:
    """The shares of one short position: since when they are not paid for, and when the day ends at which they are."""

    __slots__ = ("due", "instrument", "since")

    def __init__(self, instrument: Instrument, since: Nanos, due: Nanos) -> None:
        self.instrument = instrument
        self.since = since
        self.due = due


class Borrowing:
    """The loans of all short positions. Accounts and `marks` (last prices) are the executor's tables."""

    def __init__(
        self,
        rate: Ratio,
        accounts: Mapping[ContenderId, Account],
        marks: Mapping[InstrumentId, Price],
        hours: VenueHours,
    ) -> None:
        self.rate = rate
        self.accounts = accounts
        self.marks = marks
        self.hours = hours
        self.loans: dict[tuple[ContenderId, InstrumentId], Loan] = {}
        self.due: Nanos = BEYOND
        """No day ends at which a loan is to be paid before this."""

    def settle(self, turn: Turn, contender: ContenderId, instrument: Instrument) -> None:
        """A position is about to change: what it owes until now is paid first."""
        loan = self.loans.pop((contender, instrument.id), None)
        if loan is not None:
            self._pay(turn, contender, loan)

    def watch(self, at: Nanos, contender: ContenderId, instrument: Instrument) -> None:
        """A position has changed: where it is short, it borrows from now on."""
        if not self.rate or instrument.kind not in BORROWED:
            return
        if self.accounts[contender].portfolio.quantity(instrument.id) < 0:
            loan = Loan(instrument, at, self.hours.day_end(instrument, at))
            self.loans[contender, instrument.id] = loan
            self.due = min(self.due, loan.due)

    def end_days(self, turn: Turn) -> None:
        """Loans whose day has ended are paid."""
        if turn.at < self.due:
            return
        for (contender, _), loan in self.loans.items():
            if loan.due <= turn.at:
                self._pay(turn, contender, loan)
                loan.due = self.hours.day_end(loan.instrument, turn.at)
        self.due = min((loan.due for loan in self.loans.values()), default=BEYOND)

    def end(self, turn: Turn) -> None:
        """The session ends: everything owed is paid."""
        for (contender, _), loan in self.loans.items():
            self._pay(turn, contender, loan)

    def _pay(self, turn: Turn, contender: ContenderId, loan: Loan) -> None:
        portfolio, instrument = self.accounts[contender].portfolio, loan.instrument.id
        position, price = portfolio.positions.get(instrument), self.marks[instrument]
        if position is None:
            return
        quantity, value = -position.quantity, -position.value(price)
        amount = borrow_cost(value, self.rate, turn.at - loan.since)
        if amount > 0:
            portfolio.charge(instrument, amount)
            turn.charged(contender, instrument, quantity, price, loan.since, amount)
            loan.since = turn.at
