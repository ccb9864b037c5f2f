"""Recomputes every standing that was published: cash, positions at average cost, marks, realized and unrealized P&L."""

from collections import Counter, defaultdict
from typing import Any

from audit_tools import UNIT, Differences, half_even

PUBLISHED = ("cash", "equity", "realized_pnl", "unrealized_pnl", "fees", "gross_exposure", "open_positions", "fills",
             "trades", "wins", "traded_notional")  # fmt: skip


class Account:
    """One contender's books, kept by average cost."""

    def __init__(self, cash: int) -> None:
        self.cash = cash
        self.realized = self.fees = self.traded = 0
        self.counts: Counter[str] = Counter()
        self.held: dict[str, list[int]] = {}
        """Instrument -> signed quantity, signed cost, P&L after fees of the round trip so far."""

    def fill(self, event: dict[str, Any]) -> None:
        """Book a fill; one that turns a position around closes it first."""
        sign = 1 if event["side"] == "BUY" else -1
        value = half_even(event["price"] * event["quantity"], UNIT)
        self.cash -= sign * value + event["fee"]
        self.fees += event["fee"]
        self.traded += value
        self.counts["fills"] += 1
        quantity, cost, made = self.held.pop(event["instrument"], [0, 0, 0])
        closing = min(abs(quantity), event["quantity"]) if quantity * sign < 0 else 0
        opening = event["quantity"] - closing
        if closing:
            closed_for = half_even(event["price"] * closing, UNIT) if opening else value
            fee = half_even(event["fee"] * closing, event["quantity"]) if opening else event["fee"]
            released = cost if closing == abs(quantity) else (half_even(abs(cost) * closing, abs(quantity)) * -sign)
            profit = -sign * closed_for - released
            self.realized += profit
            quantity, cost, made = quantity + sign * closing, cost - released, made + profit - fee
            if not quantity:
                self.counts["trades"] += 1
                self.counts["wins"] += made > 0
                made = 0
            value, left = value - closed_for, event["fee"] - fee
        else:
            left = event["fee"]
        if opening:
            quantity, cost, made = quantity + sign * opening, cost + sign * value, made - left
        if quantity:
            self.held[event["instrument"]] = [quantity, cost, made]

    def standing(self, marks: dict[str, int]) -> dict[str, int]:
        """As it is published."""
        values = {name: half_even(marks[name] * held[0], UNIT) for name, held in self.held.items()}
        worth, cost = sum(values.values()), sum(held[1] for held in self.held.values())
        return {
            "cash": self.cash,
            "equity": self.cash + worth,
            "realized_pnl": self.realized,
            "unrealized_pnl": worth - cost,
            "fees": self.fees,
            "gross_exposure": sum(map(abs, values.values())),
            "open_positions": len(self.held),
            "fills": self.counts["fills"],
            "trades": self.counts["trades"],
            "wins": self.counts["wins"],
            "traded_notional": self.traded,
        }


def compare(started: dict[str, Any], events: list[dict[str, Any]], found: Differences) -> None:
    """Every published standing against the fills and prices up to its cause."""
    cash = started["settings"]["starting_cash"]
    accounts = {each[0]: Account(cash) for each in started["contenders"]}
    marks: dict[str, int] = {}
    published: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["type"] == "LeaderboardPublished":
            published[event["cause"]].append(event)
    for event in events:
        match event["type"]:
            case "TickReceived" | "BarPointReceived":
                marks[event["instrument"]] = event["price"]
            case "OrderFilled":
                accounts[event["contender"]].fill(event)
        for each in published[event["seq"]]:
            compare_standings(each, accounts, marks, found)


def compare_standings(
    event: dict[str, Any], accounts: dict[str, Account], marks: dict[str, int], found: Differences
) -> None:
    """One publication: every contender's figures, and their order."""
    names = ["contender", "status", *PUBLISHED]
    equities = []
    for recorded in event["standings"]:
        shown = dict(zip(names, recorded, strict=False))
        right = accounts[shown["contender"]].standing(marks)
        found.fields(f"standing of {shown['contender']}, event {event['seq']}", shown, right)
        equities.append((-shown["equity"], shown["contender"]))
    found.equal(f"standing order, event {event['seq']}", equities, sorted(equities))
    found.equal(f"standing total, event {event['seq']}", event["total_equity"], -sum(equity for equity, _ in equities))
