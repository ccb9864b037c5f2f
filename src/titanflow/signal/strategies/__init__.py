"""The strategies that a contender may run: one small class each, one line each in the registry below."""

from titanflow.signal.strategies.base import Opinion, ParameterSpec, Strategy, Withheld
from titanflow.signal.strategies.learned_model import LearnedModelStrategy
from titanflow.signal.strategies.rsi_mean_reversion import RSIMeanReversion
from titanflow.signal.strategies.sma_crossover import SMACrossover

RULES: dict[str, type[Strategy]] = {
    "SMACrossover": SMACrossover,
    "RSIMeanReversion": RSIMeanReversion,
}
"""Strategies that need nothing but the market. Name in a contenders file -> class."""
STRATEGIES: dict[str, type[Strategy]] = {**RULES, LearnedModelStrategy.name: LearnedModelStrategy}
"""All strategies: those of the rules, and the one that runs every trained model."""

__all__ = ["RULES", "STRATEGIES", "LearnedModelStrategy", "Opinion", "ParameterSpec", "Strategy", "Withheld"]
