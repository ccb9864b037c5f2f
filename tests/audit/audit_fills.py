"""Recomputes the points of every bar, and from them when and at which price every order met the market.

The rules are those of docs/providers.md (how a bar is played) and docs/execution.md (how orders meet a leg).
"""

from bisect import bisect_left
from collections import defaultdict
from fractions import Fraction
from typing import Any, NamedTuple

from audit_tools import NANOS, Differences


class Point(NamedTuple):
    """One point of a bar's path and the leg that ends in it."""

    at: int
    price: int
    size: int
    from_at: int
    from_price: int
    low: int
    high: int
    opened_at: int


def compare(session: Any, found: Differences) -> None:
    """Every point against the tape, then every order against the points."""
    increments = {each[0]: each[5] for each in session.started["instruments"]}
    points = {
        instrument: [
            point
            for row in rows
            for point in path(row, session.tape_seconds[instrument], session.hours[instrument], increments[instrument])
        ]
        for instrument, rows in session.rows.items()
        if instrument in session.tape_seconds
    }
    seqs = compare_points(session.events, points, found)
    compare_orders(session, points, seqs, found)


def path(row: Any, seconds: int, sessions: list[tuple[int, int]] | None, increment: int) -> list[Point]:
    """Open, the nearer extreme, the further one, close: a turning point that equals the point before it is left out."""
    turns = (row.low, row.high) if row.close >= row.open else (row.high, row.low)
    length = seconds * NANOS
    if sessions is not None:
        closes = next(c for o, c in sessions if o <= row.opened_at < c)
        length = min(length, closes - row.opened_at)
    kept = [(row.opened_at, row.open)]
    for at, price in zip((length // 3, 2 * length // 3), turns, strict=True):
        if price != kept[-1][1]:
            kept.append((row.opened_at + at, price))
    kept.append((row.opened_at + length - 1, row.close))
    steps = row.volume // increment
    shares = [steps * (n + 1) // len(kept) - steps * n // len(kept) for n in range(len(kept))]
    sizes = [share * increment for share in shares]
    sizes[-1] += row.volume - steps * increment
    before = [kept[0], *kept]
    return [
        Point(at, price, size, *came, row.low, row.high, row.opened_at)
        for (at, price), size, came in zip(kept, sizes, before, strict=False)
    ]


def compare_points(events: list[dict[str, Any]], points: dict[str, list[Point]], found: Differences) -> dict[Any, int]:
    """BarPointReceived against the tape; gives the seq of each (instrument, time)."""
    recorded: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["type"] == "BarPointReceived":
            recorded[event["instrument"]].append(event)
    seqs = {}
    for instrument, right in points.items():
        found.equal(f"point count of {instrument}", len(recorded[instrument]), len(right))
        for event, point in zip(recorded[instrument], right, strict=False):
            found.fields(f"point {instrument}, event {event['seq']}", event, point._asdict())
            seqs[instrument, point.at] = event["seq"]
    return seqs


class Order(NamedTuple):
    """What became of one order."""

    sent: dict[str, Any]
    fills: list[dict[str, Any]]
    triggers: list[dict[str, Any]]
    ends: list[dict[str, Any]]


def compare_orders(session: Any, points: dict[str, list[Point]], seqs: dict[Any, int], found: Differences) -> None:
    """Every order: the first moment at which the path met it is when it filled, at the path's price."""
    orders: dict[str, Order] = {}
    for event in session.events:
        match event["type"]:
            case "OrderSubmitted":
                orders[event["order_id"]] = Order(event, [], [], [])
            case "OrderFilled":
                orders[event["order_id"]].fills.append(event)
            case "OrderTriggered":
                orders[event["order_id"]].triggers.append(event)
            case "OrderCancelled":
                orders[event["order_id"]].ends.append(event)
    taken = {(e["contender"], e["instrument"], e["at"]) for each in orders.values() for e in each.fills}
    for order in orders.values():
        compare_order(order, points.get(order.sent["instrument"], []), seqs, taken, len(session.events), found)


def compare_order(
    order: Order,
    points: list[Point],
    seqs: dict[Any, int],
    taken: set[tuple[str, str, int]],
    events: int,
    found: Differences,
) -> None:
    """One order from its submission to its end."""
    sent = order.sent
    where = f"fill of {sent['order_id']}"
    settled = [fill for fill in order.fills if fill["basis"] == "closing_price"]
    met = [fill for fill in order.fills if fill["basis"] == "bar_path"]
    for fill in met:
        found.equal(
            f"{where} within its bar", fill["price"], min(max(fill["price"], low(points, fill)), high(points, fill))
        )
    for fill in settled:
        close = [point for point in points if point.at < fill["met_at"]][-1]
        found.equal(f"{where} at the closing price", fill["price"], close.price)
    # What ended the order on a leg (the position was closed earlier on it) ended it before that leg met it.
    last = min([each["cause"] for each in (*order.ends, *settled)], default=events + 1)
    if any(fill["cause"] == last for fill in met):
        last += 1
    first = first_meeting(sent, points, seqs, last, offered=sent["order_type"] != "stop")
    if sent["order_type"] == "stop":
        triggers = [(each["met_at"], each["price"]) for each in order.triggers]
        found.equal(f"{where}: trigger", triggers, [first] if first else [])
    recorded = [(fill["met_at"], fill["reference_price"]) for fill in met]
    if first and recorded[:1] != [first] and shared(order, first, points, taken):
        return
    found.equal(f"{where}: first meeting", recorded[:1], [first] if first else [])


def shared(order: Order, first: tuple[int, int], points: list[Point], taken: set[tuple[str, str, int]]) -> bool:
    """Whether what was offered where the order first met the market went to other orders of its contender, or was 0."""
    leg = next(point for point in points if point.at >= first[0])
    return leg.size == 0 or (order.sent["contender"], order.sent["instrument"], leg.at) in taken


def first_meeting(
    sent: dict[str, Any],
    points: list[Point],
    seqs: dict[Any, int],
    last: int,
    *,
    offered: bool,
) -> tuple[int, int] | None:
    """(time, price) at which the path first meets an order, before the event `last`; None where it never does.

    `offered`: only where there is something to take.
    """
    own_leg = seqs.get((sent["instrument"], sent["at"]), -1) == sent["cause"]
    start = bisect_left(points, sent["at"], key=lambda point: point.at)
    for point in points[start:]:
        seq = seqs[sent["instrument"], point.at]
        if seq >= last:
            return None
        if seq < sent["seq"] and not (own_leg and seq == sent["cause"]):
            continue
        if met := meeting(sent, point):
            if offered and point.size == 0:
                continue
            return met
    return None


def meeting(sent: dict[str, Any], point: Point) -> tuple[int, int] | None:
    """Where the leg that ends in `point` meets the order."""
    begin = max(point.from_at, sent["active_at"])
    if begin > point.at:
        return None
    here = on_leg(point, begin)
    if sent["order_type"] == "market":
        return begin, here
    falls = (sent["order_type"] == "limit") == (sent["side"] == "BUY")
    price = sent["order_price"]
    if here <= price if falls else here >= price:
        return begin, here
    if not (point.price <= price if falls else point.price >= price):
        return None
    share = Fraction(price - point.from_price, point.price - point.from_price)
    crossing = point.from_at - (-share * (point.at - point.from_at)).__floor__()
    return crossing, price


def on_leg(point: Point, at: int) -> int:
    """The price on the straight line, to the nearest 1e-9."""
    if point.at == point.from_at:
        return point.price
    share = Fraction(at - point.from_at, point.at - point.from_at)
    return round(point.from_price + (point.price - point.from_price) * share)


def low(points: list[Point], fill: dict[str, Any]) -> int:
    """The lowest price of the bar that filled."""
    return points[bisect_left(points, fill["at"], key=lambda point: point.at)].low


def high(points: list[Point], fill: dict[str, Any]) -> int:
    """The highest one."""
    return points[bisect_left(points, fill["at"], key=lambda point: point.at)].high
