"""The exponential function in integers, the same to the last unit on every machine. Knows nothing of what it is for."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache

from titanflow.domain.types import SCALE, Ratio

FINE = SCALE * SCALE
"""Unit of the result: 1e-18."""
_STEP = SCALE // 256
"""Distance of the arguments whose exponential is kept."""
_CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN)
"""Decimal's exponential is correctly rounded, so it is the same on every machine; `math.exp` is not."""


def exponential(x: Ratio) -> int:
    """e to the power of `x` (1e-9), in 1e-18, to a relative error below 1e-11.

    Exact at the next lower step, times the Taylor series of what is left, which is below 1/256, to its third power.
    """
    step = x // _STEP
    rest = x - step * _STEP
    square = rest * rest
    series = FINE + SCALE * rest + (square >> 1) + square * rest // (6 * SCALE)
    return _at_step(step) * series // FINE


@cache
def _at_step(step: int) -> int:
    return int(_CONTEXT.scaleb(_CONTEXT.exp(Decimal(step * _STEP).scaleb(-9)), 18))
