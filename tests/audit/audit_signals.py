"""Recomputes the two rules from closed bars, as docs/strategies.md states them: who speaks, which way, how surely."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from audit_tools import Differences

Said = tuple[str, Decimal]
"""Side, and the score in its favour."""


def compare(started: dict[str, Any], events: list[dict[str, Any]], bars: Any, found: Differences) -> None:
    """Every signal of every rule, and that there are no others."""
    last = next(event["seq"] for event in reversed(events) if event["type"] == "SessionEnded")
    spoken: dict[tuple[str, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    for event in events:
        if event["type"] == "SignalGenerated":
            spoken[event["contender"], event["instrument"]][event["cause"]] = event
    tape = dict(started["feed"][3])
    for contender, _, strategy, parameters, instruments, seconds, *_ in started["contenders"]:
        rule = {"SMACrossover": crossover, "RSIMeanReversion": reversion}.get(strategy)
        if rule is None:
            continue
        for instrument in instruments:
            length = effective(seconds, tape.get(instrument, 0))
            closed = [(e, bar) for e, bar in bars.get((instrument, length), []) if e["cause"] != last]
            heard = spoken[contender, instrument]
            said = dict(rule(dict(parameters), [bar for _, bar in closed]))
            where = f"signal of {contender} in {instrument}"
            due = {event["cause"]: said.get(n) for n, (event, _) in enumerate(closed)}
            found.equal(f"{where}: when", sorted(heard), sorted(cause for cause, what in due.items() if what))
            for cause, event in heard.items():
                side, score = due.get(cause) or ("", Decimal(0))
                found.equal(f"{where}, side, event {event['seq']}", event["side"], side)
                confidence = score / (1 + score) if score > 0 else Decimal(0)
                found.close(f"{where}, confidence, event {event['seq']}", event["confidence"], float(confidence))


def effective(seconds: int, tape: int) -> int:
    """The length of the bars that a contender decides on: whole bars of the tape."""
    return -(-max(seconds, 1) // tape) * tape if tape else seconds


def crossover(parameters: dict[str, Any], bars: list[Any]) -> Iterator[tuple[int, Said]]:
    """Fast over slow mean of closes; momentum in average true ranges, and the volume's z-score, add to the score."""
    fast, slow = parameters["fast"], parameters["slow"]
    closes = [bar.close for bar in bars]
    above: bool | None = None
    for n in range(slow - 1, len(bars)):
        gap = sum(closes[n - fast + 1 : n + 1]) * slow - sum(closes[n - slow + 1 : n + 1]) * fast
        if gap == 0 or (gap > 0) == above:
            continue
        crossed, above = above is not None, gap > 0
        if not crossed:
            continue
        sign = 1 if above else -1
        mean = Decimal(sum(closes[n - slow + 1 : n + 1])) / slow
        true_range = average_true_range(bars, n)
        momentum = limited((closes[n] - mean) / true_range, 1) if true_range else Decimal(0)
        emphasis = limited(z_score([bar.volume for bar in bars[: n + 1]]), 3)
        score = sign + momentum / 2 + sign * emphasis / 10
        yield n, ("BUY" if above else "SELL", sign * score)


def reversion(parameters: dict[str, Any], bars: list[Any]) -> Iterator[tuple[int, Said]]:
    """Wilder's RSI enters or leaves its zones; the further it went the surer, more so outside the Bollinger band."""
    period, low, high = parameters["period"], Decimal(parameters["oversold"]), Decimal(parameters["overbought"])
    leaves = parameters["trigger"] == "leave"
    closes = [bar.close for bar in bars]
    gain = loss = Decimal(0)
    zone, extreme = "", Decimal(50)
    for n, close in enumerate(closes):
        change = close - closes[n - 1] if n else 0
        gain += (max(change, 0) - gain) / period
        loss += (max(-change, 0) - loss) / period
        if n < period - 1 or not (gain or loss):
            continue
        rsi = 100 - 100 / (1 + gain / loss) if loss else Decimal(100)
        now = "BUY" if rsi <= low else "SELL" if rsi >= high else ""
        if now == zone:
            if zone and abs(rsi - 50) > abs(extreme - 50):
                extreme = rsi
            continue
        before, furthest, zone, extreme = zone, extreme, now, rsi
        side, reached = (before, furthest) if leaves else (now, rsi)
        if not side:
            continue
        reach = 50 - low if side == "BUY" else high - 50
        score, place = (50 - reached) / reach, band_place(closes[: n + 1])
        if place is not None:
            score += limited(Decimal("0.5") - place, 1) / 2
        yield n, (side, score if side == "BUY" else -score)


def average_true_range(bars: list[Any], last: int, window: int = 14) -> Decimal | None:
    """Wilder's: the mean of the first `window` true ranges, then smoothed."""
    if last + 1 < window:
        return None
    ranges = [bars[0].high - bars[0].low]
    for before, bar in pairwise(bars[: last + 1]):
        ranges.append(max(bar.high, before.close) - min(bar.low, before.close))
    average = Decimal(sum(ranges[:window])) / window
    for each in ranges[window:]:
        average = (average * (window - 1) + each) / window
    return average


def z_score(values: list[int], window: int = 20) -> Decimal:
    """Of the last value among the last `window`; 0 before there are so many, and where they do not vary."""
    if len(values) < window:
        return Decimal(0)
    recent = values[-window:]
    mean = Decimal(sum(recent)) / window
    deviation = (sum((value - mean) ** 2 for value in recent) / window).sqrt()
    return (recent[-1] - mean) / deviation if deviation else Decimal(0)


def band_place(closes: list[int], window: int = 20) -> Decimal | None:
    """Where the last close lies in the Bollinger band: 0 at the lower edge, 1 at the upper."""
    if len(closes) < window:
        return None
    recent = closes[-window:]
    mean = Decimal(sum(recent)) / window
    half = 2 * (sum((value - mean) ** 2 for value in recent) / window).sqrt()
    return (recent[-1] - mean + half) / (2 * half) if half else None


def limited(value: Decimal, limit: int) -> Decimal:
    """The value within ±limit."""
    return max(Decimal(-limit), min(Decimal(limit), value))
