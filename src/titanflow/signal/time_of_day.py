"""Where a moment lies in the UTC day, as a point on the unit circle: the same bits on every machine.

C libraries differ in the last bit of sine and cosine, so both are Taylor polynomials here, right to 2^-52.
"""

from math import pi

from titanflow.domain.types import NANOS_PER_DAY, Nanos

_QUARTER = NANOS_PER_DAY // 4


def point_of_day(at: Nanos) -> tuple[float, float]:
    """(sine, cosine) of the part of the UTC day that has passed: midnight is (0, 1), six in the morning (1, 0)."""
    quarter, rest = divmod(at % NANOS_PER_DAY, _QUARTER)
    # Only an eighth of a turn is computed, where the series converges fastest; the rest is symmetry.
    if 2 * rest > _QUARTER:
        cosine, sine = _eighth(_QUARTER - rest)
    else:
        sine, cosine = _eighth(rest)
    return ((sine, cosine), (cosine, 0.0 - sine), (0.0 - sine, -cosine), (-cosine, sine))[quarter]  # 0 has no sign


def _eighth(nanos: Nanos) -> tuple[float, float]:
    """Sine and cosine of at most an eighth of a turn."""
    x = nanos / _QUARTER * (pi / 2)
    square = x * x
    sine = cosine = 1.0
    # Horner's scheme from the smallest term on: x - x^3/3! + … x^17/17! and 1 - x^2/2! + … + x^16/16!.
    for n in range(16, 0, -2):
        cosine = 1.0 - square / (n * (n - 1)) * cosine
        sine = 1.0 - square / (n * (n + 1)) * sine
    return x * sine, cosine
