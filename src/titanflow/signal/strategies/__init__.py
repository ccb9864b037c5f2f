"""The strategies that a contender may run: one small class each, one line each in the registry below."""

from titanflow.signal.strategies.base import Opinion, ParameterSpec, Strategy
from titanflow.signal.strategies.rsi_mean_reversion import RSIMeanReversion
from titanflow.signal.strategies.sma_crossover import SMACrossover

STRATEGIES: dict[str, type[Strategy]] = {
    "SMACrossover": SMACrossover,
    "RSIMeanReversion": RSIMeanReversion,
}
"""Name in a contenders file -> class."""

__all__ = ["STRATEGIES", "Opinion", "ParameterSpec", "Strategy"]
