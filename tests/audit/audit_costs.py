"""Recomputes what every fill cost, by docs/execution.md: spread, impact, noise, rounding, the range, the fee."""

from bisect import bisect_left
from collections import Counter, defaultdict
from hashlib import blake2b
from math import sqrt
from statistics import NormalDist
from typing import Any

from audit_tools import NANOS, UNIT, Differences, half_even

PAIRS, FEWEST = 120, 30
NEAR = 1_800 * NANOS
"""A bar makes a pair with the one before it, if that began at most so long before."""


def compare(session: Any, found: Differences) -> None:
    """Every fill: its parts, its price, its fee."""
    numbers: Counter[tuple[str, str]] = Counter()
    orders: dict[str, tuple[dict[str, Any], int]] = {}
    paid: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    instruments = {each[0]: each for each in session.started["instruments"]}
    for event in session.events:
        if event["type"] == "OrderSubmitted":
            place = event["contender"], event["instrument"]
            numbers[place] += 1
            orders[event["order_id"]] = event, numbers[place]
        elif event["type"] == "OrderFilled":
            sent, number = orders[event["order_id"]]
            compare_fee(event, sent, paid, instruments[event["instrument"]][8], found)
            if event["basis"] == "bar_path":
                compare_costs(session, event, number, paid[event["order_id"]][2], instruments, found)
            paid[event["order_id"]][2] += 1


def compare_fee(
    fill: dict[str, Any], sent: dict[str, Any], paid: dict[str, list[int]], schedule: list[int], found: Differences
) -> None:
    """The rates of all fills of the order so far, less what was paid; where there is a minimum it is not compared.

    Costs that the range of a bar kept out of the price are paid beside them.
    """
    part, per_unit, minimum = schedule
    before = paid[sent["order_id"]]
    value = half_even(fill["price"] * fill["quantity"], UNIT)
    before[0] += half_even(value * part, UNIT) + half_even(per_unit * fill["quantity"], UNIT)
    beside = half_even(-dict(fill["costs"]).get("in_fee", 0) * fill["quantity"], UNIT)
    if not minimum:
        found.equal(f"fee of {fill['fill_id']}", fill["fee"] - beside, before[0] - before[1])
    before[1] += fill["fee"] - beside


def compare_costs(
    session: Any, fill: dict[str, Any], number: int, part: int, instruments: dict[str, Any], found: Differences
) -> None:
    """One fill on the path of a bar."""
    settings, costs = session.started["settings"]["execution"], dict(fill["costs"])
    where, sign = f"cost of {fill['fill_id']}", 1 if fill["side"] == "BUY" else -1
    increment, reference = instruments[fill["instrument"]][4], fill["reference_price"]
    rows = session.rows[fill["instrument"]]
    here = bisect_left(rows, fill["met_at"] + 1, key=lambda row: row.opened_at) - 1
    pairs = pairs_of(rows[:here])
    prior = settings["spread_prior"] / UNIT
    spread = (estimate(pairs, prior) if len(pairs) >= FEWEST else prior) * reference
    near(found, f"{where}: spread", costs["spread"], spread, reference)
    volatility = sqrt(sum((late.close / early.close - 1) ** 2 for early, late in pairs) / len(pairs)) if pairs else 0.0
    volume = sum(late.volume for _, late in pairs) / len(pairs) if pairs else 1
    share = volatility * sqrt(costs["order_quantity"] / volume)
    near(found, f"{where}: impact", costs["impact"], settings["impact_factor"] / UNIT * share * reference, reference)
    near(found, f"{where}: half spread", costs["half_spread"], max(spread, increment) / 2, reference)
    key = f"{fill['contender']}|{fill['instrument']}|{number}|{part}"
    base = costs["half_spread"] + costs["impact"]
    noise = max(-base, base * settings["cost_noise"] / UNIT * drawn_normal(session.started["seed"], f"slippage|{key}"))
    found.equal(f"{where}: noise", costs["noise"], noise, slack=2 + 5e-5 * base * settings["cost_noise"] / UNIT)
    exact = reference + sign * (base + costs["noise"])
    price = rounded(exact, reference, sign, increment, drawn(session.started["seed"], f"rounding|{key}"))
    found.equal(f"{where}: rounded", exact + sign * costs["rounding"], price)
    found.equal(
        f"{where}: in its range", price + sign * (costs.get("limited", 0) + costs.get("in_fee", 0)), fill["price"]
    )
    cut = min(max(price, rows[here].low), rows[here].high)
    found.equal(f"{where}: price", fill["price"], cut)


def pairs_of(rows: list[Any]) -> list[tuple[Any, Any]]:
    """The latest pairs of bars that follow each other closely enough."""
    pairs: list[tuple[Any, Any]] = []
    for late, early in zip(reversed(rows), reversed(rows[:-1]), strict=False):
        if late.opened_at - early.opened_at <= NEAR:
            pairs.append((early, late))
        if len(pairs) == PAIRS:
            break
    return pairs


def estimate(pairs: list[tuple[Any, Any]], prior: float) -> float:
    """The full spread as a part of the price, from bars, weighed against the prior."""
    us, vs, n, k = [], [], 0, 0
    for early, bar in pairs:
        middle, before, close = (bar.high + bar.low) / 2, (early.high + early.low) / 2, early.close
        us.append((middle - bar.open) * (2 * bar.open - before - close) / close**2)
        vs.append((close - before) * (middle + bar.open - 2 * close) / close**2)
        if not bar.high == bar.low == close:
            n += (bar.open != bar.high) + (bar.open != bar.low)
            k += (close != early.high) + (close != early.low)
    if not n or not k:
        return prior
    squared = -2 * (sum(us) / n + sum(vs) / k)
    error = sum((2 * u / n + 2 * v / k) ** 2 for u, v in zip(us, vs, strict=True)) - squared**2 / len(pairs)
    doubt = (16 * prior**2) ** 2 + (max(squared**2 - 9 * error, 0) if squared > 0 else 0)
    return sqrt(max((squared * doubt + prior**2 * error) / (doubt + error), 0))


def rounded(exact: float, reference: int, sign: int, increment: int, draw: float) -> int:
    """The next better increment, or by chance the next worse one; never one better than the reference price."""
    steps = sign * exact // increment
    rest = (sign * exact - steps * increment) / increment
    price = steps + (draw < rest)
    if price * increment < sign * reference:
        price += 1
    return int(sign * price * increment)


def drawn(seed: int, key: str) -> float:
    """A uniform number."""
    return int.from_bytes(blake2b(f"{seed}|{key}".encode(), digest_size=8).digest(), "big") / 2**64


def drawn_normal(seed: int, key: str) -> float:
    """A standard normal number."""
    return NormalDist().inv_cdf(min(max(drawn(seed, key), 2**-53), 1 - 2**-53))


def near(found: Differences, what: str, recorded: int, right: float, reference: int) -> None:
    """Equal but for the rounding of ratios: 1e-9 of the price and a thousandth of the value."""
    found.equal(what, recorded, right, slack=3 + 1e-9 * reference + 1e-3 * abs(right))
