"""A standard normal number from 64 random bits, the same to the last unit on every machine. No generator state."""

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from functools import cache

from titanflow.domain.types import SCALE, Ratio

_LN = Context(prec=20)
"""`math.log` differs between C libraries in the last digit; decimal's is correctly rounded everywhere."""

# Coefficients of (numerator, denominator), the highest power first.
_CENTRAL = (
    (2.5090809287301226727e3, 5.2264952788528545610e3),
    (3.3430575583588128105e4, 2.8729085735721942674e4),
    (6.7265770927008700853e4, 3.9307895800092710610e4),
    (4.5921953931549871457e4, 2.1213794301586595867e4),
    (1.3731693765509461125e4, 5.3941960214247511077e3),
    (1.9715909503065514427e3, 6.8718700749205790830e2),
    (1.3314166789178437745e2, 4.2313330701600911252e1),
    (3.3871328727963666080e0, 1.0),
)
_NEAR_TAIL = (
    (7.74545014278341407640e-4, 1.05075007164441684324e-9),
    (2.27238449892691845833e-2, 5.47593808499534494600e-4),
    (2.41780725177450611770e-1, 1.51986665636164571966e-2),
    (1.27045825245236838258e0, 1.48103976427480074590e-1),
    (3.64784832476320460504e0, 6.89767334985100004550e-1),
    (5.76949722146069140550e0, 1.67638483018380384940e0),
    (4.63033784615654529590e0, 2.05319162663775882187e0),
    (1.42343711074968357734e0, 1.0),
)
_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.04426310338993978564e-15),
    (2.71155556874348757815e-5, 1.42151175831644588870e-7),
    (1.24266094738807843860e-3, 1.84631831751005468180e-5),
    (2.65321895265761230930e-2, 7.86869131145613259100e-4),
    (2.96560571828504891230e-1, 1.48753612908506148525e-2),
    (1.78482653991729133580e0, 1.36929880922735805310e-1),
    (5.46378491116411436990e0, 5.99832206555887937690e-1),
    (6.65790464350110377720e0, 1.0),
)


_CELLS = 4096
"""Equal parts of the probability, told apart by a draw's first twelve bits."""
_EDGE = 32
"""So many of them at either end are not interpolated: there the quantile bends too much."""
_REST = (1 << 52) - 1
"""A draw's other bits: where in its cell it lies."""


def standard_normal(bits: int) -> Ratio:
    """A draw from the standard normal distribution, in 1e-9, from 64 uniform random bits.

    Between two knots of a table the quantile is taken as straight, in integers: less than 4e-5 from the true one where
    it bends most, 2e-8 in the middle. The last 1/128 of the probability at either end is computed each time.
    """
    cell = bits >> 52
    if _EDGE <= cell < _CELLS - _EDGE:
        low, high = _knots()[cell - _EDGE : cell - _EDGE + 2]
        return low + ((high - low) * (bits & _REST) >> 52)
    # 52 bits and a half fit a float's mantissa exactly, so the probability is never 0 or 1.
    return round(normal_quantile(((bits >> 12) + 0.5) / (1 << 52)) * SCALE)


@cache
def _knots() -> tuple[Ratio, ...]:
    """The quantiles at the ends of all cells that are interpolated; made at the first draw, in milliseconds."""
    return tuple(round(normal_quantile(end / _CELLS) * SCALE) for end in range(_EDGE, _CELLS - _EDGE + 1))


def normal_quantile(probability: float) -> float:
    """Inverse of the standard normal distribution function for 0 < probability < 1, to about 1e-15.

    Source: M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477-484. Uses only + - * /, the
    square root (exact by IEEE 754) and decimal's logarithm.
    """
    centred = probability - 0.5
    if abs(centred) <= 0.425:
        return centred * _rational(_CENTRAL, 0.180625 - centred * centred)
    tail = probability if centred < 0 else 1.0 - probability
    root = math.sqrt(-float(_LN.ln(Decimal(tail))))
    value = _rational(_NEAR_TAIL, root - 1.6) if root <= 5.0 else _rational(_FAR_TAIL, root - 5.0)
    return -value if centred < 0 else value


def _rational(coefficients: Sequence[tuple[float, float]], x: float) -> float:
    """The quotient of two polynomials of the same degree by Horner's rule, both in one pass."""
    above = below = 0.0
    for a, b in coefficients:
        above = above * x + a
        below = below * x + b
    return above / below
