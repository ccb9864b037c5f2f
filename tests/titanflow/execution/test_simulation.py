"""Latency and slippage against their published distributions and against sums done on paper. Fees: test_fees."""

import math
from collections.abc import Callable
from statistics import NormalDist, fmean, median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titanflow.domain.decider import random_bits
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import SCALE, Side, fixed
from titanflow.execution.simulation.exponential import FINE, exponential
from titanflow.execution.simulation.latency import LatencyModel
from titanflow.execution.simulation.matching import executable_size
from titanflow.execution.simulation.normal import normal_quantile, standard_normal
from titanflow.execution.simulation.slippage import SlippageModel, slipped

DRAWS = 4000
IDS = [f"t-r{n}-0" for n in range(DRAWS)]


def kolmogorov_smirnov(sample: list[float], cdf: Callable[[float], float]) -> float:
    """Largest distance between the sample's distribution and `cdf`."""
    ordered = sorted(sample)
    steps = [(i / len(ordered), (i + 1) / len(ordered), cdf(x)) for i, x in enumerate(ordered)]
    return max(max(abs(low - p), abs(high - p)) for low, high, p in steps)


CRITICAL = 1.63 / math.sqrt(DRAWS)
"""Kolmogorov-Smirnov at 1 % significance; the seeds are fixed, so the verdict is too."""


# --- the normal numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "quantile"),
    [
        (0.25, -0.6744897501960817),
        (0.001, -3.090232306167814),
        (1e-20, -9.262340089798408),
    ],
)
def test_quantiles_are_those_that_the_algorithms_author_gives_to_test_it(probability: float, quantile: float) -> None:
    assert normal_quantile(probability) == pytest.approx(quantile, rel=1e-15)


@given(st.floats(1e-12, 1 - 1e-12))
def test_quantiles_agree_with_the_standard_library(probability: float) -> None:
    assert normal_quantile(probability) == pytest.approx(NormalDist().inv_cdf(probability), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("bits", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_every_pattern_of_bits_gives_a_finite_draw_and_its_complement_the_opposite(bits: int) -> None:
    complement = (1 << 64) - 1 - bits
    assert abs(standard_normal(bits)) < 9 * SCALE
    assert abs(standard_normal(bits) + standard_normal(complement)) <= 1


def test_draws_are_standard_normal() -> None:
    draws = [standard_normal(random_bits(1, each)) / SCALE for each in IDS]
    assert kolmogorov_smirnov(draws, NormalDist().cdf) < CRITICAL


@given(st.integers(1 << 40, (1 << 64) - (1 << 40)))
def test_a_draw_is_the_quantile_of_its_bits_to_four_hundred_thousandths(bits: int) -> None:
    assert standard_normal(bits) / SCALE == pytest.approx(NormalDist().inv_cdf((bits + 0.5) / 2**64), abs=4e-5)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 60))
def test_more_bits_never_give_a_smaller_draw(bits: int, more: int) -> None:
    assert standard_normal(min(bits + more, (1 << 64) - 1)) >= standard_normal(bits)


@given(st.floats(-6, 6))
def test_the_exponential_agrees_with_the_standard_library(x: float) -> None:
    units = round(x * SCALE)
    assert exponential(units) / FINE == pytest.approx(math.exp(units / SCALE), rel=1e-11)


# --- latency ---------------------------------------------------------------------------------------------------------


def test_latency_is_log_normal_around_its_median() -> None:
    settings = ExecutionSettings(latency_min_nanos=0, latency_max_nanos=10**18)
    model = LatencyModel(7, settings)
    logarithms = [math.log(model.nanos(each)) for each in IDS]
    law = NormalDist(math.log(settings.latency_median_nanos), settings.latency_sigma / SCALE)
    assert kolmogorov_smirnov(logarithms, law.cdf) < CRITICAL
    assert median(logarithms) == pytest.approx(law.mean, abs=0.03)
    assert stdev(logarithms) == pytest.approx(0.35, abs=0.02)


def test_latency_stays_within_its_bounds_and_reaches_both() -> None:
    model = LatencyModel(7, ExecutionSettings(latency_min_nanos=80_000_000, latency_max_nanos=120_000_000))
    drawn = [model.nanos(each) for each in IDS]
    assert min(drawn) == 80_000_000
    assert max(drawn) == 120_000_000


def test_without_spread_latency_is_its_median() -> None:
    assert LatencyModel(7, ExecutionSettings(latency_sigma=0)).nanos("any") == 100_000_000


def test_latency_depends_on_seed_order_and_leg_and_on_nothing_else() -> None:
    def draw(seed: int, order_id: str, leg: int) -> int:
        return LatencyModel(seed, ExecutionSettings()).nanos(order_id, leg)

    assert draw(7, "a", 0) == draw(7, "a", 0)
    assert len({draw(7, "a", 0), draw(8, "a", 0), draw(7, "b", 0), draw(7, "a", 1)}) == 4


def test_latency_is_the_same_to_the_nanosecond_on_every_machine() -> None:
    # exp by decimal to 20 digits, on paper: 100 ms * e^(0.35 z) for the draw of this id.
    z = standard_normal(random_bits(7, "latency|t-r1-0", 0)) / SCALE
    assert LatencyModel(7, ExecutionSettings()).nanos("t-r1-0") == pytest.approx(1e8 * math.exp(0.35 * z), abs=1)


# --- slippage --------------------------------------------------------------------------------------------------------


def test_slippage_is_normal_around_base_and_impact() -> None:
    # A quarter of the tick: 5 bps + 10 bps * sqrt(0.25) = 10 bps, with 1 bp of noise.
    model = SlippageModel(7, ExecutionSettings())
    ratios = [model.ratio(each, 0, fixed("25"), fixed("100")) / 100_000 for each in IDS]
    assert kolmogorov_smirnov(ratios, NormalDist(10, 1).cdf) < CRITICAL
    assert fmean(ratios) == pytest.approx(10, abs=0.05)


def test_impact_grows_with_the_square_root_of_the_part_of_the_tick_taken() -> None:
    model = SlippageModel(7, ExecutionSettings(slippage_base=0, slippage_noise=0, impact=fixed("0.001")))
    ratios = [model.ratio("a", 0, fixed(part), fixed("100")) for part in ("1", "4", "25", "100")]
    assert ratios == [fixed("0.0001"), fixed("0.0002"), fixed("0.0005"), fixed("0.001")]


def test_slippage_is_never_in_the_orders_favour() -> None:
    model = SlippageModel(7, ExecutionSettings(slippage_base=0, slippage_noise=fixed("0.01"), impact=0))
    ratios = [model.ratio(each, 0, fixed("1"), fixed("100")) for each in IDS]
    assert min(ratios) == 0
    assert sum(ratio == 0 for ratio in ratios) == pytest.approx(DRAWS / 2, abs=4 * math.sqrt(DRAWS) / 2)


def test_each_fill_of_an_order_slips_by_its_own_draw() -> None:
    model = SlippageModel(7, ExecutionSettings())
    assert len({model.ratio("a", fill, fixed("1"), fixed("100")) for fill in range(20)}) == 20


@pytest.mark.parametrize(
    ("price", "side", "ratio", "worse"),
    [
        ("100", Side.BUY, "0.0005", "100.05"),
        ("100", Side.SELL, "0.0005", "99.95"),
        ("100.01", Side.BUY, "0.0005", "100.07"),  # 100.060005
        ("100.01", Side.SELL, "0.0005", "99.95"),  # 99.959995
        ("100", Side.BUY, "0", "100"),
        ("100.001", Side.BUY, "0", "100.01"),
        ("100.001", Side.SELL, "0", "100"),
        ("0.01", Side.SELL, "0.5", "0.01"),
        ("5", Side.SELL, "1.5", "0.01"),
    ],
)
def test_slippage_makes_the_price_worse_and_rounds_it_to_the_orders_disadvantage(
    price: str, side: Side, ratio: str, worse: str
) -> None:
    assert slipped(fixed(price), side, fixed(ratio), fixed("0.01")) == fixed(worse)


@given(
    st.integers(1, 10**15), st.sampled_from(Side), st.integers(0, SCALE // 2), st.sampled_from([1, 1000, 10_000_000])
)
def test_a_slipped_price_is_on_the_increment_and_less_than_one_increment_beyond_its_ratio(
    price: int, side: Side, ratio: int, increment: int
) -> None:
    worse = slipped(price, side, ratio, increment)
    exact = price * (SCALE + side.sign * ratio)
    assert worse % increment == 0
    assert worse > 0
    assert 0 <= (worse * SCALE - exact) * side.sign < increment * SCALE or worse == increment


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "participation", "increment", "executable"),
    [
        ("1000", "1", "1", "1000"),
        ("1000", "0.1", "1", "100"),
        ("19", "0.1", "1", "1"),
        ("9", "0.1", "1", "0"),
        ("0.12345", "0.5", "0.0001", "0.0617"),
        ("0.25", "1", "1", "0"),
        ("0", "1", "1", "0"),
    ],
)
def test_a_tick_gives_its_participating_part_in_whole_increments(
    size: str, participation: str, increment: str, executable: str
) -> None:
    assert executable_size(fixed(size), fixed(participation), fixed(increment)) == fixed(executable)
