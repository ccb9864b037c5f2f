"""The environment keeps Gymnasium's contract, repeats itself for a seed, and charges what a session would charge."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from support.trending_samples import BARS_A_DAY, trending_samples
from titanflow.domain.session_settings import ExecutionSettings, RiskSettings, SessionSettings
from titanflow.domain.types import SCALE, CostModelName
from titanflow.errors import InputError
from titanflow.gateway.catalogue import load_catalogue
from titanflow.training.environment.market_env import BASIS_POINTS, FLAT, LONG, MarketEnv
from titanflow.training.environment.trading_days import TradingDays
from titanflow.training.samples import Samples

CATALOGUE = {instrument.id: instrument for instrument in load_catalogue().all()}
Step = tuple[list[float], float, bool, dict[str, Any]]


def days_of(samples: Samples, longest: int = 390) -> TradingDays:
    return TradingDays(samples, samples.usable(1, labelled=False), CATALOGUE, longest)


@pytest.fixture(scope="module")
def days() -> TradingDays:
    return days_of(trending_samples(4))


def walk(market: MarketEnv, seed: int, actions: list[int], episode: int | None = None) -> list[Step]:
    options = {} if episode is None else {"episode": episode}
    observation, info = market.reset(seed=seed, options=options)
    steps: list[Step] = [(observation.tolist(), 0.0, False, info)]
    for action in actions:
        observation, reward, ended, truncated, info = market.step(np.int64(action))
        assert not truncated
        steps.append((observation.tolist(), reward, ended, info))
        if ended:
            break
    return steps


def test_gymnasiums_own_checker_finds_nothing(days: TradingDays) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(MarketEnv(days), skip_render_check=True)


@given(seed=st.integers(0, 1 << 31), actions=st.lists(st.integers(0, 1), min_size=5, max_size=60))
@settings(max_examples=15, deadline=None)
def test_the_same_seed_and_actions_give_the_same_day(days: TradingDays, seed: int, actions: list[int]) -> None:
    assert walk(MarketEnv(days), seed, actions) == walk(MarketEnv(days), seed, actions)


def test_another_seed_draws_another_day(days: TradingDays) -> None:
    first_rows = {tuple(walk(MarketEnv(days), seed, [])[0][0]) for seed in range(40)}
    assert len(first_rows) > len(days.episodes) // 2


def test_another_seed_draws_other_fills_of_the_same_day(days: TradingDays) -> None:
    curves = {str(walk(MarketEnv(days), seed, [LONG, FLAT] * 10, episode=0)) for seed in range(10)}
    assert len(curves) > 1


@given(seed=st.integers(0, 1000), actions=st.lists(st.integers(0, 1), min_size=80, max_size=80))
@settings(max_examples=15, deadline=None)
def test_a_day_ends_flat_and_its_rewards_add_up_to_what_it_earned(
    days: TradingDays, seed: int, actions: list[int]
) -> None:
    market = MarketEnv(days)
    steps = walk(market, seed, actions)
    assert len(steps) == BARS_A_DAY
    assert steps[-1][2]
    assert not any(ended for _, _, ended, _ in steps[:-1])
    assert market.session.portfolio.positions == {}
    assert market.session.portfolio.conserved
    opening = market.settings.starting_cash
    earned = (market.session.equity - opening) / opening * BASIS_POINTS
    assert sum(reward for _, reward, _, _ in steps) == pytest.approx(earned, abs=1e-9)


def test_who_never_buys_earns_and_pays_nothing(days: TradingDays) -> None:
    assert all(reward == 0.0 for _, reward, _, _ in walk(MarketEnv(days), 1, [FLAT] * BARS_A_DAY))


def test_an_observation_is_the_closed_bars_features_and_the_chosen_position(days: TradingDays) -> None:
    actions = [LONG, LONG, FLAT, LONG]
    steps = walk(MarketEnv(days), 1, actions, episode=2)
    first = days.episodes[2].first
    for bar, ((seen, _, _, _), position) in enumerate(zip(steps, [FLAT, *actions], strict=True)):
        assert seen == pytest.approx([*days.samples.features[first + bar], position], rel=1e-6)


def test_a_reward_is_the_price_change_of_what_is_held_less_costs(days: TradingDays) -> None:
    """On paper: bought on the way through the second bar, then held through a third one whose close moves."""
    costless = SessionSettings(
        risk=RiskSettings(risk_per_trade=SCALE // 10, max_position=SCALE // 10),
        execution=ExecutionSettings(cost_model=CostModelName.FLAT, slippage_base=0, slippage_noise=0, impact=0),
    )
    market = MarketEnv(days, costless)
    steps = walk(market, 1, [LONG, LONG], episode=0)
    held = market.session.portfolio.quantity("AAPL.XNYS") / SCALE
    change = float(np.diff(days.samples.close[1:3])[0])
    assert held * days.samples.close[0] == pytest.approx(10_000, rel=0.01)  # a tenth of the equity
    assert steps[2][1] == pytest.approx(held * change / 100_000 * BASIS_POINTS, rel=1e-6)


def test_trading_to_and_fro_costs_more_than_it_can_earn_without_a_trend() -> None:
    days = days_of(trending_samples(2, drift=0.0))
    market = MarketEnv(days)
    churned = sum(reward for _, reward, _, _ in walk(market, 1, [LONG, FLAT] * BARS_A_DAY, episode=0))
    # 29 round trips of a tenth of the equity, each the two basis points of the spread that is believed of a new share,
    # and impact; no fill leaves its bar's range.
    assert churned < -29 * 2 * 0.09  # sizes leave room for costs


def test_a_long_day_is_cut_and_a_gap_in_the_rows_is_never_traded_across() -> None:
    samples = trending_samples(1)
    whole, cut = days_of(samples), days_of(samples, longest=25)
    assert [(each.first, each.last) for each in whole.episodes] == [(0, 59), (60, 119)]
    assert [(each.first, each.last) for each in cut.episodes][:3] == [(0, 24), (25, 49), (50, 59)]
    rows = np.setdiff1d(samples.usable(1, labelled=False), [10, 11])
    parts = TradingDays(samples, rows, CATALOGUE).episodes
    assert [(each.first, each.last) for each in parts][:2] == [(0, 9), (12, 59)]


def test_what_cannot_be_traded_is_no_episode() -> None:
    samples = replace(trending_samples(1), instruments=("AAPL.XNYS", "VIX.XNYS"))
    assert {each.first for each in days_of(samples).episodes} == {0}
    index_rows = np.arange(60, 110)
    with pytest.raises(InputError, match="50 rows hold no two consecutive bars of a tradable instrument"):
        TradingDays(samples, index_rows, CATALOGUE)


def test_a_bar_is_played_as_the_gateway_plays_bars() -> None:
    samples = trending_samples(1)
    days = days_of(samples)
    day = days.day(days.episodes[0])
    for bar, ticks in enumerate(day.points):
        prices = [tick.price / SCALE for tick in ticks]
        rising = samples.close[bar] >= samples.open[bar]
        extremes = (samples.low[bar], samples.high[bar]) if rising else (samples.high[bar], samples.low[bar])
        assert prices == pytest.approx([samples.open[bar], *extremes, samples.close[bar]])
        assert sum(tick.size for tick in ticks) == samples.volume[bar] * SCALE
        assert day.closed_at[bar] - 60 * SCALE == ticks[0].at
        assert ticks[-1].at == day.closed_at[bar] - 1
