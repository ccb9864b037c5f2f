"""The worked example of docs/execution.md, recomputed from the page's own numbers by nothing of ours, and a real fill.

What is computed here knows only the page's formulas: hashes, fractions, the standard library's normal distribution.
"""

import hashlib
import math
import re
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from support.desk import AAPL, Desk, session_started
from support.minute_bars import MinuteBar, points_of
from titanflow.domain.events import OrderFilled
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import FillBasis, OrderPurpose, Side, as_float, fixed

PAGE = Path(__file__).parents[3] / "docs" / "execution.md"
MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def section() -> str:
    """The page's worked example of a fill."""
    _, _, rest = PAGE.read_text().partition("### A fill worked out")
    return rest.partition("\n## ")[0]


@pytest.fixture(scope="module")
def bars(section: str) -> list[list[Decimal]]:
    """Opening time in seconds, open, high, low, close, volume of each bar on the page."""
    block = section.partition("```text\n")[2].partition("```")[0]
    rows = []
    for line in block.splitlines():
        at, *numbers = line.split()
        hours, minutes = at.split(":")
        rows.append([Decimal(3600 * int(hours) + 60 * int(minutes)), *map(Decimal, numbers)])
    return rows


@pytest.fixture(scope="module")
def said(section: str) -> dict[str, str]:
    """The first two columns of the page's tables."""
    return dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", section, re.MULTILINE))


def number(text: str) -> Fraction:
    return Fraction(text.split()[0].replace(",", ""))


def draw(seed: str, kind: str, n: int) -> Fraction:
    """A uniform number, as the page tells it."""
    digest = hashlib.blake2b(f"{seed}|{kind}|fox|AAPL.XNYS|1|{n}".encode(), digest_size=8).digest()
    return Fraction(int.from_bytes(digest, "big"), 2**64)


def normal(uniform: Fraction) -> float:
    return NormalDist().inv_cdf(float(uniform))


def pairs(bars: list[list[Decimal]]) -> dict[str, list[Fraction]]:
    """u, v, n and k of each complete bar beside the one before it, with its squared return and volume."""
    found: dict[str, list[Fraction]] = {name: [] for name in ("u", "v", "n", "k", "r2", "volume")}
    exact = [[Fraction(each) for each in bar] for bar in bars]
    for (_, _, h1, l1, c1, _), (_, o, h, low, c, volume) in pairwise(exact[:-1]):
        m, m1 = (h + low) / 2, (h1 + l1) / 2
        moves = not h == low == c1
        found["u"].append((m - o) * (2 * o - m1 - c1) / c1**2)
        found["v"].append((c1 - m1) * (m + o - 2 * c1) / c1**2)
        found["n"].append(Fraction(moves * ((o != h) + (o != low))))
        found["k"].append(Fraction(moves * ((c1 != h1) + (c1 != l1))))
        found["r2"].append((c / c1 - 1) ** 2)
        found["volume"].append(volume)
    return found


def spread_of(seen: dict[str, list[Fraction]], prior: Fraction) -> tuple[float, float, float]:
    """Squared spread, its standard error, and the spread that is believed in the end, as parts of the price."""
    openings, closings = sum(seen["n"]), sum(seen["k"])
    each = [-2 * (u / openings + v / closings) for u, v in zip(seen["u"], seen["v"], strict=True)]
    squared = sum(each)
    variance = sum(one**2 for one in each) - squared**2 / len(each)
    doubt = (16 * prior**2) ** 2 + (max(squared**2 - 9 * variance, 0) if squared > 0 else 0)
    believed = (squared * doubt + prior**2 * variance) / (doubt + variance)
    return float(squared), math.sqrt(variance), math.sqrt(max(believed, 0))


def recomputed(bars: list[list[Decimal]], said: dict[str, str]) -> dict[str, float]:
    """Every step of the example by the page's formulas and inputs."""
    seed, quantity, increment = said["seed"], number(said["quantity"]), number(said["price increment"])
    seen = pairs(bars)
    squared, error, spread_part = spread_of(seen, number(said["spread_prior"]))
    latency = 0.1 * math.exp(0.35 * normal(draw(seed, "latency", 0)))
    _, first, high, low, close, _ = (float(each) for each in bars[-1])
    turn = low if close >= first else high
    reference = first + (turn - first) * latency / 20
    spread = max(spread_part * reference, float(increment))
    volatility = math.sqrt(sum(seen["r2"]) / len(seen["r2"]))
    volume = float(sum(seen["volume"]) / len(seen["volume"]))
    impact = reference * volatility * math.sqrt(float(quantity) / volume)
    noise = (spread / 2 + impact) * float(number(said["cost_noise"])) * normal(draw(seed, "slippage", 0))
    exact = reference + spread / 2 + impact + noise
    below = math.floor(exact / float(increment)) * float(increment)
    up = below < reference or draw(seed, "rounding", 0) < Fraction((exact - below) / float(increment))
    return {
        "pairs": len(seen["u"]),
        "squared spread": squared,
        "its standard error": error,
        "spread": spread,
        "volatility of a bar": volatility,
        "volume of a bar": volume,
        "latency": latency,
        "reference price": reference,
        "half spread": spread / 2,
        "impact": impact,
        "noise": noise,
        "price": below + float(increment) * up,
    }


def test_the_pages_numbers_follow_from_its_formulas(bars: list[list[Decimal]], said: dict[str, str]) -> None:
    for name, value in recomputed(bars, said).items():
        assert float(number(said[name])) == pytest.approx(value, rel=1e-3, abs=2e-9), name


def test_a_real_fill_is_the_one_of_the_page(bars: list[list[Decimal]], said: dict[str, str]) -> None:
    execution = ExecutionSettings()
    assert as_float(execution.spread_prior) == float(number(said["spread_prior"]))
    assert as_float(execution.cost_noise) == float(number(said["cost_noise"]))
    names = ("cost_model", "slippage_allowance", "latency_min_nanos", "latency_max_nanos")
    started = session_started({name: getattr(execution, name) for name in names}, seed=int(said["seed"]))
    at = Desk(started)
    day = started.at // MINUTE * MINUTE - int(bars[0][0]) * 10**9  # the page's hour, within the desk's session
    for seconds, *numbers in bars[:-1]:
        for point in points_of(MinuteBar(day + int(seconds) * 10**9, *map(fixed, map(str, numbers))), AAPL.id):
            at.now = point.at
            at.feed(point)
    at.now = day + int(bars[-1][0]) * 10**9
    at.approve(Side.BUY, said["quantity"].split()[0], purpose=OrderPurpose.ENTRY)
    last = MinuteBar(at.now, *map(fixed, map(str, bars[-1][1:])))
    for point in points_of(last, AAPL.id):
        at.now = point.at
        at.feed(point)
    (fill,) = at.fills
    _agrees(fill, said, recomputed(bars, said), last.at)


def _agrees(fill: OrderFilled, said: dict[str, str], steps: dict[str, float], opened_at: int) -> None:
    costs: dict[str, Any] = dict(fill.costs)
    assert fill.basis is FillBasis.BAR_PATH
    assert as_float(fill.price) == float(number(said["price"]))
    assert (fill.met_at - opened_at) / 1e9 == pytest.approx(steps["latency"], rel=1e-4)
    assert as_float(fill.reference_price) == pytest.approx(steps["reference price"], abs=1e-6)
    assert costs["bars"] == steps["pairs"]
    for recorded, step in (
        ("half_spread", "half spread"),
        ("impact", "impact"),
        ("spread", "spread"),
        ("bar_volatility", "volatility of a bar"),
        ("bar_volume", "volume of a bar"),
    ):
        assert as_float(costs[recorded]) == pytest.approx(steps[step], rel=1e-4, abs=1e-8), recorded
    assert as_float(costs["noise"]) == pytest.approx(steps["noise"], abs=1e-6)
    parts = sum(costs.get(name, 0) for name in ("half_spread", "impact", "noise", "rounding", "limited", "in_fee"))
    assert fill.reference_price + parts == fill.price
