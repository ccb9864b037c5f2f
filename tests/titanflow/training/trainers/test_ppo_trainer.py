"""A PPO agent learns a market that can be foreseen, the same for the same seed, also when it is killed on the way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from support.trending_samples import trending_samples
from titanflow.errors import InputError
from titanflow.gateway.catalogue import load_catalogue
from titanflow.training.environment.market_env import MarketEnv
from titanflow.training.environment.trading_days import TradingDays
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainers import Resources, trainer_class
from titanflow.training.trainers.ppo_policy import FURTHEST, Actor
from titanflow.training.trainers.ppo_trainer import FittedPPO, PPOSettings, PPOTrainer, mean_reward

SMALL = PPOSettings(rounds=3, environments=4, bars_per_round=64, batch=64, epochs=2)
CATALOGUE = {instrument.id: instrument for instrument in load_catalogue().all()}


def quiet(_what: str, _part: float) -> None:
    """No progress."""


def parts(samples: Samples) -> tuple[Rows, Rows]:
    """The first three quarters of the time, and the rest."""
    rows = samples.usable(1)
    cut = samples.closed_at[rows[len(rows) * 3 // 4]]
    return rows[samples.closed_at[rows] < cut], rows[samples.closed_at[rows] >= cut]


@pytest.fixture(scope="module")
def samples() -> Samples:
    return trending_samples(12)


def fit(samples: Samples, settings: PPOSettings = SMALL, seed: int = 7, checkpoint: Path | None = None) -> FittedPPO:
    return PPOTrainer(settings, Resources(checkpoint=checkpoint)).fit(samples, *parts(samples), seed, quiet)


def by_artefact(fitted: FittedPPO, observations: NDArray[np.float32]) -> NDArray[np.float32]:
    name, content = fitted.artefact()
    assert name == "model.onnx"
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (score,) = session.run(["score"], {"window": observations[:, None, :]})
    assert score.shape == (len(observations),)
    return np.asarray(score)


def random_reward(days: TradingDays, seed: int) -> float:
    """Mean reward of an episode of who tosses a coin at every bar."""
    rng, market, total = np.random.default_rng(seed), MarketEnv(days), 0.0
    for episode in range(len(days.episodes)):
        market.reset(seed=seed, options={"episode": episode})
        ended = False
        while not ended:
            _, reward, ended, _, _ = market.step(np.int64(rng.integers(2)))
            total += reward
    return total / len(days.episodes)


def test_a_market_that_can_be_foreseen_is_learned() -> None:
    samples = trending_samples(12, drift=0.002)
    settings = PPOSettings(environments=4, bars_per_round=256, batch=64, rounds=4)
    fitted = fit(samples, settings)
    _, later = parts(samples)
    days = TradingDays(samples, later, CATALOGUE)
    assert np.mean((fitted.scores(samples, later) > 0) == (samples.features[later, 0] > 0)) > 0.95
    earned = mean_reward(fitted.actor, days)
    assert earned > 20.0
    assert all(random_reward(days, seed) < earned - 20.0 for seed in range(2))


def test_one_seed_gives_one_agent_and_another_seed_another(samples: Samples) -> None:
    first, again, other = (fit(samples, seed=seed).artefact()[1] for seed in (7, 7, 8))
    assert first == again != other


def test_an_agent_that_was_killed_goes_on_to_the_same_weights(samples: Samples, tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"patience": 3})
    whole = fit(samples, settings).artefact()
    rounds: list[float] = []

    class KilledError(Exception):
        pass

    def die_in_the_second_round(_what: str, part: float) -> None:
        rounds.append(part * settings.rounds)
        if part * settings.rounds > 1.5:
            raise KilledError

    with pytest.raises(KilledError):
        PPOTrainer(settings, Resources(checkpoint=tmp_path)).fit(samples, *parts(samples), 7, die_in_the_second_round)
    assert min(rounds) == 0.0
    rounds.clear()
    resumed = PPOTrainer(settings, Resources(checkpoint=tmp_path))
    finished = resumed.fit(samples, *parts(samples), 7, lambda _what, part: rounds.append(part * settings.rounds))
    assert min(rounds) == 1.0
    assert finished.artefact() == whole
    assert fit(samples, settings, checkpoint=tmp_path).artefact() == whole


def test_it_stops_when_its_reward_has_not_grown_for_some_rounds(samples: Samples) -> None:
    still = replace(samples, open=np.full_like(samples.open, 100.0), close=np.full_like(samples.close, 100.0),
                    high=np.full_like(samples.high, 100.0), low=np.full_like(samples.low, 100.0))  # fmt: skip
    told: list[float] = []
    settings = PPOSettings(rounds=50, patience=2, environments=2, bars_per_round=64, batch=32, epochs=1)
    trainer = PPOTrainer(settings)
    trainer.fit(still, *parts(still), 1, lambda _what, part: told.append(part))
    assert max(told[:-1]) < 0.5
    assert told[-1] == 1.0


def test_the_artefact_scores_as_the_fitted_agent_does(samples: Samples) -> None:
    fitted = fit(samples)
    rows = samples.usable(1)
    flat = np.hstack((samples.features[rows], np.zeros((len(rows), 1)))).astype(np.float32)
    assert by_artefact(fitted, flat) == pytest.approx(fitted.scores(samples, rows), abs=1e-5)
    assert len(fitted.artefact()[1]) < 50_000


def test_the_artefact_reads_the_position_last(samples: Samples) -> None:
    fitted = fit(samples)
    rows = samples.usable(1)[:20]
    held = np.hstack((samples.features[rows], np.ones((len(rows), 1)))).astype(np.float32)
    assert not np.allclose(by_artefact(fitted, held), fitted.scores(samples, rows))


def test_scaling_by_the_training_rows_is_inside_the_agent_and_leaves_the_position_alone(samples: Samples) -> None:
    actor, (train, _) = fit(samples).actor, parts(samples)
    taught = samples.features[train]
    assert actor.mean == pytest.approx([*taught.mean(axis=0), 0.0], abs=1e-6)
    assert actor.deviation == pytest.approx([*taught.std(axis=0), 1.0], rel=1e-6)


def test_a_score_is_the_difference_of_two_logits_of_a_small_network() -> None:
    """On paper: one feature of 7 with mean 1 and deviation 2 is 3 deviations; tanh(3), twice weighed, less the bias."""
    one = np.ones((1, 1), dtype=np.float32)
    none = np.zeros(1, dtype=np.float32)
    actor = Actor(
        np.array([1.0], dtype=np.float32), np.array([2.0], dtype=np.float32),
        ((one, none), (one, none), (2 * one, none - 0.5)),
    )  # fmt: skip
    expected = 2 * np.tanh(np.tanh(3.0)) - 0.5
    cut = 2 * np.tanh(np.tanh(FURTHEST)) - 0.5
    observations = np.array([[7.0], [1e9]], dtype=np.float32)
    assert actor.scores(observations) == pytest.approx([expected, cut])


def test_an_instrument_of_no_catalogue_is_refused_by_name(samples: Samples) -> None:
    with pytest.raises(InputError, match=r"'AAPL\.MOON' is not in the catalogue"):
        fit(replace(samples, instruments=("AAPL.MOON", "SPY.XNYS")))


def test_rows_without_a_day_to_trade_are_refused(samples: Samples) -> None:
    train, _ = parts(samples)
    with pytest.raises(InputError, match="no day to trade: 1 rows"):
        PPOTrainer(SMALL).fit(samples, train, train[:1], 7, quiet)


def test_the_table_of_trainers_knows_it_and_that_it_reads_its_position() -> None:
    assert trainer_class("ppo") is PPOTrainer
    assert PPOTrainer.reads_position
