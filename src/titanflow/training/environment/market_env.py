"""The Gymnasium environment: at each bar's close an agent chooses to be long or flat, and lives with what that costs.

Orders are sized by our risk and filled by our paper market, with its latency, slippage, fees and protective stops.
"""

from typing import Any

import numpy as np
from gymnasium import Env
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from titanflow.domain.session_settings import SessionSettings
from titanflow.domain.types import Side
from titanflow.training.environment.paper_session import PaperSession, without_breakers
from titanflow.training.environment.trading_days import LARGEST_FEATURE, Day, Episode, TradingDays

FLAT, LONG = 0, 1
BASIS_POINTS = 10_000
Observation = NDArray[np.float32]


class MarketEnv(Env[Observation, np.int64]):
    """One episode is one instrument's day, chosen by the seed (or by `options={"episode": n}`).

    Observation: the features of the bar that has just closed, and the position: 1 where the agent last chose to be
    long. Action: flat (0) or long (1) until the next close; a change of mind is a market order. The last decision of a
    day counts as flat, whatever it says. Reward: change of marked equity over the next bar, after costs, in basis
    points of the opening equity.
    """

    def __init__(self, days: TradingDays, settings: SessionSettings | None = None) -> None:
        """`settings` give costs, sizes and stops; what only a person can end is switched off."""
        self.days = days
        self.settings = without_breakers(settings or SessionSettings())
        count = days.observations.shape[1] + 1
        self.observation_space = Box(-LARGEST_FEATURE, LARGEST_FEATURE, (count,), np.float32)
        self.action_space = Discrete(2)
        self._per_point = BASIS_POINTS / self.settings.starting_cash
        self._observation: Observation = np.zeros(count, dtype=np.float32)

    _episode: Episode
    _day: Day
    session: PaperSession
    """The account of the running episode."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a day, flat, at the close of its first bar."""
        super().reset(seed=seed)
        number, draws = self.np_random.integers((len(self.days.episodes), 1 << 31)).tolist()
        self._episode = self.days.episodes[(options or {}).get("episode", number)]
        self._day = self.days.day(self._episode)
        self._bar = 0
        self._stance = FLAT
        opens, bar_seconds = self._day.points[0][0].at, self.days.samples.bar_seconds
        self.session = PaperSession(self._day.instrument, self.settings, draws, opens, bar_seconds)
        self.session.play(self._day.points[0])
        self._equity = self.session.equity
        return self._observe(), {"equity": self._equity}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Act at the close of this bar and go through the next one."""
        is_last = self._bar + 1 == self._episode.decisions
        self._take(FLAT if is_last else int(action))
        self._bar += 1
        self.session.play(self._day.points[self._bar])
        equity = self.session.equity
        reward = (equity - self._equity) * self._per_point
        self._equity = equity
        return self._observe(), reward, is_last, False, {"equity": equity}

    def _take(self, stance: int) -> None:
        if stance != self._stance:
            self._stance = stance
            side = Side.BUY if stance == LONG else Side.SELL
            self.session.wish(self._day.closed_at[self._bar], side, self._day.atr[self._bar])

    def _observe(self) -> Observation:
        observation = self._observation.copy()
        observation[:-1] = self.days.observations[self._episode.first + self._bar]
        observation[-1] = self._stance
        return observation
