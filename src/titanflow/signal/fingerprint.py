"""Fingerprints of the code behind each feature, so that a model is never fed by other code than it was taught with.

A fingerprint covers what happens, not what is written: ticks and quotes of a made-up market, which needs no file, are
folded into bars and features by the live code, and the values are hashed bit by bit.
"""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256

from titanflow.domain.events import QuoteReceived, TickReceived
from titanflow.domain.types import NANOS_PER_SECOND, SCALE
from titanflow.errors import InputError
from titanflow.signal.bars import BarBuilder, BarSpread
from titanflow.signal.features import FEATURE_MEANINGS, MarketFeatures

PROBE_BARS = 400
_BAR_SECONDS = 300
_TICKS_A_BAR = 3
_STILL_BARS = range(200, 230)
"""Bars in which neither price nor volume moves, so that what is said of a standing market counts too."""
_START = 1_700_000_040 * NANOS_PER_SECOND
_CENT = SCALE // 100


def feature_fingerprint(name: str) -> str:
    """SHA-256 in hexadecimal of every value that the live code computes of the feature on the probe bars.

    Raises InputError for a name that is not in FEATURE_MEANINGS.
    """
    if name not in FEATURE_MEANINGS:
        raise InputError(f"no feature is called {name!r}; there are {', '.join(FEATURE_MEANINGS)}")
    return feature_fingerprints()[name]


@cache
def feature_fingerprints() -> dict[str, str]:
    """Name -> fingerprint of every feature, in the order of the vector; computed once a process."""
    builder, spread, market = BarBuilder("PROBE.X", _BAR_SECONDS), BarSpread(_BAR_SECONDS), MarketFeatures()
    digests = {name: sha256() for name in FEATURE_MEANINGS}
    for event in _probe_market():
        if isinstance(event, QuoteReceived):
            spread.add(event)
            continue
        bar = builder.add(1, event)
        if bar is None:
            continue
        market.update(bar, spread.of(bar.opened_at))
        for digest, value in zip(digests.values(), market.values(), strict=True):
            digest.update(b"unknown\n" if value is None else f"{value.hex()}\n".encode())
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _probe_market() -> Iterator[TickReceived | QuoteReceived]:
    """A walk in whole cents from 100 dollars over more than a day, most of its ticks behind a quote around them."""
    price, state = 100 * SCALE, 1
    step = _BAR_SECONDS * NANOS_PER_SECOND // _TICKS_A_BAR
    for number in range((PROBE_BARS + 1) * _TICKS_A_BAR):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % (1 << 64)
        bar, at, drawn = number // _TICKS_A_BAR, _START + number * step, state >> 32
        still = bar in _STILL_BARS
        price += 0 if still else (drawn % 41 - 20) * _CENT
        if bar >= 5 and bar % 7:  # some bars, and all at first, have no quotes of their own
            yield QuoteReceived(at, "PROBE.X", price - (1 + drawn % 3) * _CENT, price + (1 + drawn % 5) * _CENT)
        yield TickReceived(at, "PROBE.X", price, SCALE if still else (1 + drawn % 997) * SCALE)
