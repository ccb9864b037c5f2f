"""How long an order takes to the market, in event time. Nobody waits: the time is added to the order's `active_at`."""

from titanflow.domain.decider import random_bits
from titanflow.domain.session_settings import ExecutionSettings
from titanflow.domain.types import Nanos, portion
from titanflow.execution.simulation.exponential import FINE, exponential
from titanflow.execution.simulation.normal import standard_normal


class LatencyModel:
    """Log-normal latency around its median, clamped to [latency_min_nanos, latency_max_nanos].

    latency = median * exp(sigma * z), z standard normal: delays of networks and queues are skewed to the right and
    never negative. The median of a log-normal variable is exp of the mean of its logarithm.
    """

    def __init__(self, seed: int, settings: ExecutionSettings) -> None:
        self.seed = seed
        self.median = settings.latency_median_nanos
        self.sigma = settings.latency_sigma
        self.shortest = settings.latency_min_nanos
        self.longest = settings.latency_max_nanos

    def nanos(self, key: str, leg: int = 0) -> Nanos:
        """Latency of an order's way to the market (leg 0), or of a triggered stop's market order (leg 1).

        `key` is the order's `draw_key`.
        """
        z = standard_normal(random_bits(self.seed, f"latency|{key}", leg))
        drawn = self.median * exponential(portion(self.sigma, z)) // FINE
        return min(max(drawn, self.shortest), self.longest)
