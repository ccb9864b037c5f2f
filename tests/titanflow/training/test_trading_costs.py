"""A validation reckons with the costs that a session would charge."""

import dataclasses

import numpy as np
import pytest

from support.trending_samples import trending_samples
from titanflow.gateway.catalogue import load_catalogue
from titanflow.training.trading_costs import estimated_slippage

SHARES = {each.id: each for each in load_catalogue().all()}


def test_an_instrument_costs_at_least_half_an_increment_and_more_where_little_trades() -> None:
    samples = trending_samples(2)
    share = SHARES[samples.instruments[0]]
    busy = estimated_slippage(samples, 0, share)
    mean = float(np.mean(samples.close[samples.instrument == 0]))
    assert 0.005 / mean <= busy < 0.002
    thin = estimated_slippage(dataclasses.replace(samples, volume=samples.volume / 100), 0, share)
    assert thin > busy


def test_an_instrument_without_bars_costs_what_is_believed_of_any() -> None:
    samples = trending_samples(1)
    assert estimated_slippage(samples, 99, SHARES[samples.instruments[0]]) == pytest.approx(0.0001)
