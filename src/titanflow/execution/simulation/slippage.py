"""By how much a fill is worse than the tick that fills it, and the price that this gives: adverse, never lucky."""

from math import isqrt

from titanflow.domain.decider import random_bits
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import SCALE, Price, Quantity, Ratio, Side, portion
from titanflow.execution.simulation.normal import standard_normal


class SlippageModel:
    """Slippage as a part of the price: base + noise * z + impact * sqrt(quantity / tick size), at least zero.

    z is standard normal, keyed by the order and the number of the fill. The square root is the usual law of impact:
    R. C. Grinold and R. N. Kahn, Active Portfolio Management (2000), chapter 16; B. Toth et al., Physical Review X 1
    (2011) 021006. R. Almgren et al., Direct Estimation of Equity Market Impact, Risk 18 (2005), measure an exponent of
    0.6 for its temporary part.
    """

    def __init__(self, seed: int, settings: ExecutionSettings) -> None:
        self.seed = seed
        self.base = settings.slippage_base
        self.noise = settings.slippage_noise
        self.impact = settings.impact

    def ratio(self, key: str, fill: int, quantity: Quantity, tick_size: Quantity) -> Ratio:
        """Slippage of the order's `fill`-th fill (from 0), of `quantity` against a tick of `tick_size`."""
        return sum(self.parts(key, fill, quantity, tick_size))

    def parts(self, key: str, fill: int, quantity: Quantity, tick_size: Quantity) -> tuple[Ratio, Ratio, Ratio]:
        """Base, noise and impact of the same; the noise never takes away more than the other two give."""
        z = standard_normal(random_bits(self.seed, f"slippage|{key}", fill))
        impact = portion(self.impact, isqrt(quantity * SCALE * SCALE // tick_size))
        return self.base, max(portion(self.noise, z), -self.base - impact), impact


def slipped(price: Price, side: Side, ratio: Ratio, increment: Price) -> Price:
    """`price` made worse for `side` by `ratio`, rounded to the price increment to its disadvantage, never below one."""
    step = SCALE * increment
    if side is Side.BUY:
        return -(-price * (SCALE + ratio) // step) * increment
    return max(price * (SCALE - ratio) // step, 1) * increment
