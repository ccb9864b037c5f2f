"""Recomputes the size of every entry as docs/risk.md states it: range, stop, loss of one unit, rooms of the limits."""

from collections import defaultdict, deque
from fractions import Fraction
from typing import Any

from audit_books import Account
from audit_tools import NANOS, UNIT, Differences, half_even

WINDOW, FEWEST = 14, 3
REMEMBERED = 20
ASSUMED_IMPACT = 100_000
"""One basis point, beside half a price increment: what one fill is assumed to cost before any is seen."""
ROUNDING = 20
"""The average is kept in whole 1e-9 dollars, rounded at every bar: so many of them may be lost."""


class Risk:
    """What risk knew when it sized an order: books, marks, orders under way, costs of the last fills."""

    def __init__(self, session: Any) -> None:
        started = session.started
        self.settings, self.execution = started["settings"]["risk"], started["settings"]["execution"]
        self.accounts = {each[0]: Account(started["settings"]["starting_cash"]) for each in started["contenders"]}
        self.fees = {each[0]: each[8] for each in started["instruments"]}
        self.increments = {each[0]: each[4] for each in started["instruments"]}
        self.marks: dict[str, int] = {}
        self.entries: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        """Contender -> its entries under way by id, each with what remains of it."""
        self.slips: dict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self.traded: set[str] = set()
        self.openings = sorted(opens for hours in session.hours.values() if hours for opens, _ in hours)
        self.day = 0

    def fold(self, event: dict[str, Any]) -> None:
        """Take in one event."""
        match event["type"]:
            case "ClockAdvanced":
                day = max((opens for opens in self.openings if opens <= event["at"]), default=0)
                if day != self.day:
                    self.day, self.traded = day, {name for name, book in self.accounts.items() if book.held}
            case "TickReceived" | "BarPointReceived":
                self.marks[event["instrument"]] = event["price"]
            case "OrderFilled":
                self.fill(event)
            case "OrderCancelled" | "OrderRejected":
                self.entries[event["contender"]].pop(event["order_id"], None)

    def fill(self, event: dict[str, Any]) -> None:
        """Book a fill and note what it cost beyond the market's price."""
        contender = event["contender"]
        self.traded.add(contender)
        self.accounts[contender].fill(event)
        if order := self.entries[contender].get(event["order_id"]):
            order["remaining"] = event["remaining"]
            if not event["remaining"]:
                del self.entries[contender][event["order_id"]]
        worse = (event["price"] - event["reference_price"]) * (1 if event["side"] == "BUY" else -1)
        worse -= dict(event["costs"]).get("in_fee", 0)
        self.slips[contender, event["instrument"]].append(max(0, half_even(worse * UNIT, event["reference_price"])))

    def equity(self, contender: str) -> int:
        """Marked."""
        return self.accounts[contender].standing(self.marks)["equity"]

    def exposure(self, contender: str) -> int:
        """Positions at the last price, and entries under way at the price of their approval."""
        entries = self.entries[contender].values()
        pending = sum(half_even(order["decision_price"] * order["remaining"], UNIT) for order in entries)
        return self.accounts[contender].standing(self.marks)["gross_exposure"] + pending

    def committed(self, contender: str, instrument: str) -> int:
        """The position, and what entries under way may add to it."""
        held = self.accounts[contender].held.get(instrument, [0])[0]
        entries = self.entries[contender].values()
        return abs(held) + sum(order["remaining"] for order in entries if order["instrument"] == instrument)

    def unit_loss(self, contender: str, instrument: str, price: int, stop: int) -> int:
        """The distance to the stop, and slippage and fees of both fills."""
        seen = self.slips[contender, instrument]
        assumed = half_even(self.increments[instrument] * UNIT, 2 * price) + ASSUMED_IMPACT
        slip = (assumed + sum(seen)) // (len(seen) + 1)
        slipped = -(-price * (UNIT + slip) // UNIT) - price
        part, per_unit, _ = self.fees[instrument]
        return abs(price - stop) + 2 * (slipped - (-price * part // UNIT) + per_unit)


def compare(session: Any, found: Differences) -> None:
    """Every entry that was approved, by what risk knew at its cause."""
    risk = Risk(session)
    approved: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in session.events:
        if event["type"] == "OrderApproved":
            approved[event["cause"]].append(event)
    ranges = {name: ranges_of(session, name) for name in session.tape_seconds}
    for event in session.events:
        risk.fold(event)
        for order in approved[event["seq"]]:
            if order["purpose"] == "entry":
                compare_entry(risk, order, ranges[order["instrument"]], found)
                risk.entries[order["contender"]][order["order_id"]] = {**order, "remaining": order["quantity"]}


def compare_entry(risk: Risk, order: dict[str, Any], ranges: list[tuple[int, Fraction]], found: Differences) -> None:
    """One approval: each number in its context, the stop, the quantity and the limit that decided."""
    contender, instrument, settings = order["contender"], order["instrument"], risk.settings
    numbers, where = dict(order["context"]), f"size of {order['order_id']}"
    price, equity = order["decision_price"], risk.equity(contender)
    found.equal(f"{where}: price", price, risk.marks[instrument])
    found.equal(f"{where}: equity", numbers["equity"], equity)
    ended = [spread for ends_at, spread in ranges if ends_at <= order["at"]]
    if len(ended) >= FEWEST:
        found.equal(f"{where}: range", numbers["range"], ended[-1], slack=ROUNDING)
    distance = half_even(numbers["range"] * settings["atr_stop_multiple"], UNIT)
    distance = max(distance, half_even(price * settings["stop_floor"], UNIT))
    distance = min(distance, half_even(price * settings["stop_cap"], UNIT))
    found.equal(f"{where}: stop", order["stop_price"], (price - distance) // 10**7 * 10**7)
    loss = risk.unit_loss(contender, instrument, price, order["stop_price"])
    found.equal(f"{where}: loss of one", numbers["unit_loss"], loss)
    committed = risk.committed(contender, instrument)
    trading = sum(risk.equity(name) for name in {*risk.traded, contender})
    exposure = equity * settings["max_gross_exposure"] // UNIT - risk.exposure(contender)
    total = trading * settings["total_max_gross_exposure"] // UNIT - sum(map(risk.exposure, risk.accounts))
    rooms = {
        "fixed_fraction": equity * settings["risk_per_trade"] // loss - committed,
        "position": equity * settings["max_position"] // UNIT * UNIT // price - committed,
        "exposure": exposure * UNIT // price,
        "total_exposure": total * UNIT // price,
    }
    for name, room in rooms.items():
        found.equal(f"{where}: room of {name}", numbers[f"{name}_room"], room)
    every = {**rooms, **{name: numbers[f"{name}_room"] for name in ("order_value", "concentration", "buying_power")}}
    found.equal(f"{where}: limit", order["sized_by"], min(every, key=lambda name: every[name]))
    found.equal(f"{where}: quantity", order["quantity"], min(every.values()) // UNIT * UNIT)


def ranges_of(session: Any, instrument: str) -> list[tuple[int, Fraction]]:
    """(when a bar of risk's own ended, the average true range from then on), oldest first."""
    seconds = session.started["settings"]["risk"]["stop_bar_seconds"]
    averages: list[tuple[int, Fraction]] = []
    average, bars = Fraction(0), grouped(session.rows[instrument], session.hours[instrument] or [], seconds)
    for number, (ends_at, high, low) in enumerate(bars, 1):
        average += (high - low - average) / min(number, WINDOW)
        averages.append((ends_at, average))
    return averages


def grouped(rows: list[Any], sessions: list[tuple[int, int]], seconds: int) -> list[tuple[int, int, int]]:
    """(end, high, low) of bars that begin with the session; high and low include the close before, within a session."""
    made: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in rows:
        opens, closes = next((o, c) for o, c in sessions if o <= row.opened_at < c)
        ends_at = min(opens + ((row.opened_at - opens) // (seconds * NANOS) + 1) * seconds * NANOS, closes)
        made[opens, ends_at].append(row)
    bars, last = [], (0, 0)
    for (opens, ends_at), inside in made.items():
        before = [last[1]] if last[0] == opens else []
        high, low = max(row.high for row in inside), min(row.low for row in inside)
        bars.append((ends_at, max(high, *before) if before else high, min(low, *before) if before else low))
        last = (opens, inside[-1].close)
    return bars
