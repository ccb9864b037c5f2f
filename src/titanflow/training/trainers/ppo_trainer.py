"""A PPO agent (Schulman et al. 2017, arXiv:1707.06347) that learns to be long or flat by trading past days on paper.

Learning goes in rounds that start from fresh days and from random numbers of their own, so that one that was killed
goes on after its last whole round and ends with the same weights.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import DummyVecEnv

from titanflow.domain.decider import random_bits
from titanflow.gateway.catalogue import load_catalogue
from titanflow.settings.model import FilePath, Section
from titanflow.training.environment.market_env import MarketEnv
from titanflow.training.environment.trading_days import LARGEST_FEATURE, TradingDays
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainer import Progress
from titanflow.training.trainers import Resources
from titanflow.training.trainers.onnx_graph import ARTEFACT
from titanflow.training.trainers.ppo_policy import Actor, Array, Standardise

JUDGED_DAYS = 32
"""Most early-stop days on which each round's policy is judged."""
CHECKPOINT = "ppo.pt"
_BATCH = 65_536

Part = Annotated[float, Field(gt=0, le=1)]


class PPOSettings(Section):
    """Hyperparameters. A round is `environments` times `bars_per_round` decisions and the updates that follow."""

    rounds: Annotated[int, Field(ge=1, le=10_000)] = Field(20, description="most rounds of trading and learning")
    patience: Annotated[int, Field(ge=1, le=10_000)] = Field(8, description="rounds without a better reward")
    environments: Annotated[int, Field(ge=1, le=256)] = Field(8, description="days traded side by side")
    bars_per_round: Annotated[int, Field(ge=16, le=100_000)] = Field(512, description="decisions a round in each")
    batch: Annotated[int, Field(ge=8, le=100_000)] = Field(256, description="decisions in one step of learning")
    epochs: Annotated[int, Field(ge=1, le=100)] = Field(6, description="passes over a round's decisions")
    hidden: Annotated[int, Field(ge=2, le=512)] = Field(32, description="units of each of the two hidden layers")
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = Field(0.001, description="step of Adam")
    discount: Part = Field(0.95, description="worth of the next bar's reward beside this one's")
    trace: Part = Field(0.9, description="lambda of the generalised advantage estimate")
    entropy: Annotated[float, Field(ge=0, le=1)] = Field(0.003, description="worth of staying undecided")
    longest_day: Annotated[int, Field(ge=2, le=100_000)] = Field(390, description="bars after which a day is cut")
    catalogue: FilePath | None = Field(None, description="file of instruments besides the shipped ones")


class FittedPPO:
    """The policy of the best round."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def scores(self, samples: Samples, rows: Rows) -> NDArray[np.float64]:
        """Logit of being long for somebody who is flat.

        Position 0 for every row: so a score depends on the market alone, on no threshold and no path, and calibration
        sees the question that every entry answers. Serving asks with the true position.
        """
        parts = [self._scores(samples, rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
        return np.concatenate(parts) if parts else np.empty(0)

    def artefact(self) -> tuple[str, bytes]:
        """The policy network with its scaling; its last feature is the position."""
        return ARTEFACT, self.actor.to_onnx()

    def importance(self) -> Mapping[str, float]:
        """A policy network has no measure of its own."""
        return {}

    def _scores(self, samples: Samples, rows: Rows) -> NDArray[np.float64]:
        flat = np.zeros((len(rows), 1), dtype=np.float32)
        observations = np.hstack((samples.windows(rows, 1)[:, 0, :], flat))
        return self.actor.scores(observations).astype(np.float64)


@dataclass
class _Run:
    """Where learning stands after a round."""

    rounds: int = 0
    since_best: int = 0
    best_reward: float = -np.inf
    best: dict[str, torch.Tensor] | None = None


class PPOTrainer:
    """Trades the training days, judges itself on the early-stop days, keeps its best."""

    kind: ClassVar[str] = "ppo"
    Settings: ClassVar[type[PPOSettings]] = PPOSettings
    libraries: ClassVar[tuple[str, ...]] = ("torch", "stable-baselines3", "gymnasium", "onnx", "onnxruntime")
    reads_position: ClassVar[bool] = True
    """Its artefact reads one more feature than the samples have: the position, last."""
    window = 1

    def __init__(self, settings: PPOSettings | None = None, resources: Resources | None = None) -> None:
        """`settings` default to the small model that is shipped."""
        self._settings = settings or PPOSettings()
        self._resources = resources or Resources()

    def fit(self, samples: Samples, train: Rows, early_stop: Rows, seed: int, progress: Progress) -> FittedPPO:
        """Learn on `train`, stop by the reward on `early_stop`.

        Raises InputError where the rows hold no day of a tradable instrument, or an instrument is in no catalogue.
        """
        settings = self._settings
        torch.set_num_threads(self._resources.threads)
        taught, judged = self._days(samples, train), self._days(samples, early_stop)
        market = DummyVecEnv([lambda: MarketEnv(taught)] * settings.environments)
        model = self._model(market, *_scale(samples, train), seed)
        run = self._resumed(model)
        while run.rounds < settings.rounds and run.since_best < settings.patience:
            self._learn(model, market, random_bits(seed, "ppo", run.rounds) >> 33, _Teller(progress, run, settings))
            _judge(run, model, judged)
            self._keep(run, model)
        progress("learning to trade", 1.0)
        return FittedPPO(Actor.of(run.best or model.policy.state_dict()))

    def _days(self, samples: Samples, rows: Rows) -> TradingDays:
        catalogue = load_catalogue(self._settings.catalogue)
        instruments = {name: catalogue.instrument(name) for name in samples.instruments}
        return TradingDays(samples, rows, instruments, self._settings.longest_day)

    def _model(self, market: DummyVecEnv, mean: Array, deviation: Array, seed: int) -> PPO:
        settings = self._settings
        # A network this small is slower on a GPU than beside its environments: only who asks for one gets it.
        device = "cpu" if self._resources.device == "auto" else self._resources.device
        return PPO(
            "MlpPolicy", market, seed=seed & 0x7FFFFFFF, device=device, n_steps=settings.bars_per_round,
            batch_size=settings.batch, n_epochs=settings.epochs, learning_rate=settings.learning_rate,
            gamma=settings.discount, gae_lambda=settings.trace, ent_coef=settings.entropy,
            policy_kwargs={
                "net_arch": [settings.hidden, settings.hidden],
                "activation_fn": torch.nn.Tanh,
                "features_extractor_class": Standardise,
                "features_extractor_kwargs": {"mean": mean, "deviation": deviation},
            },
        )  # fmt: skip

    def _learn(self, model: PPO, market: DummyVecEnv, seed: int, teller: "_Teller") -> None:
        """One round, from fresh days and its own random numbers."""
        set_random_seed(seed)
        market.seed(seed)
        model.set_env(market)
        decisions = self._settings.environments * self._settings.bars_per_round
        model.learn(decisions, callback=teller, reset_num_timesteps=False)

    @property
    def _checkpoint(self) -> Path | None:
        directory = self._resources.checkpoint
        return directory / CHECKPOINT if directory else None

    def _resumed(self, model: PPO) -> _Run:
        path = self._checkpoint
        if path is None or not path.exists():
            return _Run()
        kept: dict[str, Any] = torch.load(path, map_location=model.device, weights_only=True)
        model.policy.load_state_dict(kept["policy"])
        model.policy.optimizer.load_state_dict(kept["optimizer"])
        return _Run(**kept["run"])

    def _keep(self, run: _Run, model: PPO) -> None:
        path = self._checkpoint
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        policy, optimizer = model.policy.state_dict(), model.policy.optimizer.state_dict()
        torch.save({"policy": policy, "optimizer": optimizer, "run": vars(run)}, unfinished)
        os.replace(unfinished, path)


class _Teller(BaseCallback):
    """Says how far learning is."""

    def __init__(self, progress: Progress, run: _Run, settings: PPOSettings) -> None:
        super().__init__()
        self._progress, self._run, self._settings = progress, run, settings

    def _on_step(self) -> bool:
        done = self._run.rounds + (self.n_calls - 1) / self._settings.bars_per_round
        self._progress("learning to trade", done / self._settings.rounds)
        return True


def mean_reward(actor: Actor, days: TradingDays, count: int = JUDGED_DAYS) -> float:
    """Basis points of equity an episode, over `count` episodes spread evenly; the agent does as its score says."""
    chosen = np.unique(np.linspace(0, len(days.episodes) - 1, count).round().astype(int)).tolist()
    markets = [MarketEnv(days) for _ in chosen]
    observations = {
        market: market.reset(seed=number, options={"episode": number})[0]
        for market, number in zip(markets, chosen, strict=True)
    }
    total = 0.0
    while observations:
        wants_long = actor.scores(np.stack(list(observations.values()))) > 0
        for market, action in zip(tuple(observations), wants_long, strict=True):
            observations[market], reward, ended, _, _ = market.step(np.int64(action))
            total += reward
            if ended:
                del observations[market]
    return total / len(chosen)


def _judge(run: _Run, model: PPO, judged: TradingDays) -> None:
    state = model.policy.state_dict()
    reward = mean_reward(Actor.of(state), judged)
    run.rounds += 1
    run.since_best += 1
    if reward > run.best_reward:
        run.since_best, run.best_reward = 0, reward
        run.best = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _scale(samples: Samples, rows: Rows) -> tuple[Array, Array]:
    """Mean and deviation of each feature over these rows; the position stays as it is."""
    features = np.clip(samples.features[rows], -LARGEST_FEATURE, LARGEST_FEATURE)
    deviation = features.std(axis=0)
    mean = np.append(features.mean(axis=0), 0.0)
    return mean.astype(np.float32), np.append(np.where(deviation > 0, deviation, 1.0), 1.0).astype(np.float32)
