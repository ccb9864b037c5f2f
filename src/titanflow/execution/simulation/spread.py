"""How wide an instrument's market is: estimated from its bars, in integers, the same to the last unit everywhere."""

from math import isqrt

from titanflow.domain.types import Ratio, scaled
from titanflow.execution.simulation.tape import Window

FEWEST_PAIRS = 30
"""Pairs of bars from which on an estimate says anything."""


def shows_spread(window: Window) -> bool:
    """Whether the tape has enough in it for an estimate; before, the prior alone stands."""
    return len(window.pairs) >= FEWEST_PAIRS and window.openings > 0 and window.closings > 0


def estimated_spread(window: Window, prior: Ratio) -> Ratio:
    """The full spread as a part of the price, from the pairs of the window and what is believed without them.

    R. Roll, Journal of Finance 39 (1984) 1127: trades that jump between bid and ask make successive price changes
    negatively correlated. Taken for opens, middles and closes of bars, and for bars in which little trades, by
    D. Ardia, E. Guidotti and T. Kroencke, Journal of Financial Economics 161 (2024) 103916. The prior counts like one
    more observation, of its own square with a standard error of sixteen times that; what the tape shows beyond three of
    its own standard errors makes the prior count less.
    """
    if not shows_spread(window):
        return prior
    openings, closings = window.openings, window.closings
    both = openings * closings
    squared = scaled(-2 * (window.opening * closings + window.closing * openings), both)
    total = window.squared_opening * closings**2 + 2 * window.cross * both + window.squared_closing * openings**2
    variance = max(scaled(4 * total, both**2) - squared * squared // len(window.pairs), 0)
    if not variance:
        return isqrt(max(squared, 0))
    believed = prior * prior
    doubt = (16 * believed) ** 2
    if squared > 0:
        doubt += max(squared * squared - 9 * variance, 0)
    return isqrt(max(scaled(squared * doubt + believed * variance, doubt + variance), 0))
