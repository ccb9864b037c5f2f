"""How far an order moves its own price: the square-root law, in integers, the same to the last unit everywhere."""

from math import isqrt
from typing import NamedTuple

from titanflow.domain.types import SCALE, Quantity, Ratio
from titanflow.execution.simulation.tape import Window


class Activity(NamedTuple):
    """How much an instrument moves and trades in one bar, on average over a window."""

    volatility: Ratio
    """Root mean square of the returns from close to close."""
    volume: Quantity


def activity(window: Window) -> Activity:
    """Of the window's bars; zeros where there are none."""
    bars = len(window.pairs)
    return Activity(isqrt(window.squared_returns // bars), window.volume // bars) if bars else Activity(0, 0)


def square_root_impact(known: Activity, quantity: Quantity, factor: Ratio) -> Ratio:
    """`factor` x volatility x sqrt(quantity / volume), volatility and volume over the same time: its length falls out.

    B. Toth et al., Physical Review X 1 (2011) 021006; J.-P. Bouchaud, J. Bonart, J. Donier and M. Gould, Trades,
    Quotes and Prices (2018), chapter 12, with a factor of about one; R. Almgren et al., Direct Estimation of Equity
    Market Impact, Risk 18 (2005) 58. Zero where nothing is known yet.
    """
    if not known.volume:
        return 0
    return known.volatility * isqrt(quantity * SCALE * SCALE // known.volume) * factor // (SCALE * SCALE)
