"""Made-up days whose prices rise or fall for many bars on end, and one feature that says which."""

from dataclasses import replace

import numpy as np

from support.tiny_samples import tiny_samples
from titanflow.training.samples import Samples

BARS_A_DAY = 60


def trending_samples(days: int = 20, *, drift: float = 0.001, noise: float = 0.0002, seed: int = 3) -> Samples:
    """Two instruments whose trend turns at random, every 15 bars or so; `trend` is 1 or -1, `noise` says nothing."""
    plain = tiny_samples(days * BARS_A_DAY, features=("trend", "noise"), bars_a_day=BARS_A_DAY, seed=seed)
    rng = np.random.default_rng(seed)
    shape = (len(plain.instruments), days * BARS_A_DAY)
    trend = np.cumprod(np.where(rng.random(shape) < 1 / 15, -1.0, 1.0), axis=1)
    change = noise * rng.standard_normal(shape)
    change[:, 1:] += drift * trend[:, :-1]
    close = 100.0 * np.exp(np.cumsum(change, axis=1))
    opened = np.concatenate((np.full((len(close), 1), 100.0), close[:, :-1]), axis=1)
    features = np.stack((trend.ravel(), plain.features[:, 1]), axis=1)
    opened, close = np.round(opened, 2).ravel(), np.round(close, 2).ravel()
    high, low = np.maximum(opened, close) + 0.01, np.minimum(opened, close) - 0.01
    return replace(plain, features=features, open=opened, high=high, low=low, close=close)
