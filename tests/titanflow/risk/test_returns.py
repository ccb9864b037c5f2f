"""Moments of returns as they come, and what follows from them, against numpy, scipy and exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from titanflow.risk.returns import ReturnStatistics, normal_probability


def statistics_of(returns: list[float]) -> ReturnStatistics:
    statistics = ReturnStatistics()
    for value in returns:
        statistics.add(value)
    return statistics


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=80))
def test_incremental_moments_equal_those_of_exact_fractions(returns: list[float]) -> None:
    exact = [Fraction(value) for value in returns]
    mean = sum(exact) / len(exact)
    variance = float(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))
    assume(variance > 1e-12)
    assert statistics_of(returns).sharpe == pytest.approx(float(mean) / math.sqrt(variance), rel=1e-9, abs=2e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.1, 0.1), min_size=3, max_size=80))
def test_skew_and_kurtosis_equal_those_of_an_independent_library(returns: list[float]) -> None:
    assume(np.std(returns) > 1e-4)
    statistics = statistics_of(returns)
    assert statistics.skew == pytest.approx(scipy.stats.skew(returns), rel=1e-6, abs=1e-8)
    assert statistics.kurtosis == pytest.approx(scipy.stats.kurtosis(returns, fisher=False), rel=1e-6)


def test_a_probabilistic_sharpe_ratio_worked_out_on_paper() -> None:
    # Bailey and Lopez de Prado 2012, equation 11, of +3 %, -1 %, +2 %, 0 %: mean 1 %, population variance 2.5 e-4.
    # Skew 0, kurtosis 4.1 / 2.5 ** 2 * ... is (16 + 16 + 1 + 1) / 4 / 2.5 ** 2 = 1.36; ratio sqrt(0.3).
    statistics = statistics_of([0.03, -0.01, 0.02, 0.0])
    ratio = math.sqrt(0.3)
    assert statistics.sharpe == pytest.approx(ratio)
    assert statistics.skew == pytest.approx(0.0, abs=1e-9)
    assert statistics.kurtosis == pytest.approx(1.36)
    z = ratio * math.sqrt(3) / math.sqrt(1 + 0.09 * 0.3)
    assert statistics.probability == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)), abs=1e-9)


def test_the_interval_of_four_returns_is_wide() -> None:
    # Lo 2002: 1.96 standard errors sqrt((1 + ratio ** 2 / 2) / 4), here of ratio sqrt(0.3).
    interval = statistics_of([0.03, -0.01, 0.02, 0.0]).interval
    assert interval is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.959963984540054 * math.sqrt(1.15 / 4))


def test_returns_that_never_vary_have_no_ratio() -> None:
    statistics = statistics_of([0.01] * 5)
    assert (statistics.sharpe, statistics.interval, statistics.probability) == (None, None, None)
    assert (statistics.skew, statistics.kurtosis) == (0.0, 3.0)


@pytest.mark.parametrize("deviations", [-9.0, -6.9, -3.1, -1e-9, 0.0, 0.5, 1.0, 1.959963984540054, 4.5, 6.9, 40.0])
def test_normal_probabilities_equal_those_of_an_independent_library(deviations: float) -> None:
    assert normal_probability(deviations) == pytest.approx(scipy.stats.norm.cdf(deviations), abs=1e-9)
