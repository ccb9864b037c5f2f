"""The contract of providers: every one in the table passes it."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise

import pytest

from titanflow.domain.instruments import Instrument
from titanflow.domain.types import SCALE
from titanflow.errors import InputError
from titanflow.gateway.catalogue import Catalogue, calendars_for
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers.base import Provider
from titanflow.gateway.providers.registry import PROVIDERS, make_provider
from titanflow.gateway.samples import CRYPTO, sample_tape

Make = Callable[..., Provider]


@pytest.fixture
def make(catalogue: Catalogue) -> Make:
    def made(name: str, *, seed: int = 7, **options: object) -> Provider:
        tapes = [sample_tape(CRYPTO)] if name == "tape" else []
        return make_provider(name, tapes=tapes, seed=seed, options=options, catalogue=catalogue)

    return made


def small(make: Make, name: str) -> Provider:
    return make(name, **({"ticks": 5_000} if name == "synthetic" else {}))


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, make: Make) -> Provider:
    return small(make, request.param)


def test_it_is_known_by_its_own_name(provider: Provider) -> None:
    assert type(provider) is PROVIDERS[provider.name]
    assert provider.feed().provider == provider.name
    assert (type(provider).__doc__ or "").strip()


def test_its_rows_count_from_zero_and_can_be_taken_up_anywhere(provider: Provider) -> None:
    rows = list(provider.rows())
    assert [row.position for row in rows] == list(range(len(rows)))
    for start in (1, 4_999, len(rows)):
        assert list(provider.rows(start)) == rows[start:]


def test_a_deterministic_one_gives_the_same_rows_and_says_so_by_its_digest(provider: Provider, make: Make) -> None:
    again = small(make, provider.name)
    assert provider.deterministic
    assert again.feed() == provider.feed()
    assert len(provider.feed().sha256) == 64
    assert list(again.rows()) == list(provider.rows())


def test_its_rows_lie_within_its_span_and_speak_of_its_instruments(provider: Provider) -> None:
    first, last = provider.span()
    pairs = {(instrument.symbol, instrument.venue) for instrument in provider.instruments()}
    ids = [instrument.id for instrument in provider.instruments()]
    assert ids == sorted(ids)
    for row in provider.rows():
        assert isinstance(row.at, int)
        assert first <= row.at <= last
        assert (row.symbol, row.venue) in pairs


def test_its_feed_refuses_nothing(provider: Provider) -> None:
    assert not [item.bad for item in Feed(provider).items() if item.bad]


def test_it_refuses_options_that_it_does_not_know(make: Make) -> None:
    for name in PROVIDERS:
        with pytest.raises(InputError, match="no option 'sped'"):
            make(name, sped=1)


def test_an_unknown_provider_is_refused_with_the_names_of_the_known(make: Make) -> None:
    with pytest.raises(InputError, match="synthetic, tape"):
        make("bloomberg")


# --- the synthetic market --------------------------------------------------------------------------------------------


def digest(provider: Provider) -> str:
    rows = ((row.symbol, row.at, row.price, row.size) for row in provider.rows())
    return sha256(repr(list(rows)).encode()).hexdigest()


def test_another_seed_is_another_market(make: Make) -> None:
    assert digest(make("synthetic", ticks=100)) != digest(make("synthetic", ticks=100, seed=8))


def test_a_seed_gives_these_rows_on_every_machine(make: Make) -> None:
    assert digest(make("synthetic", ticks=10_000)) == "964bdd318b90bce1b0e8e7f672eff574775e0509d86cd96a2f6db99f271d53f2"


def test_prices_and_sizes_are_whole_increments(make: Make) -> None:
    provider = make("synthetic", ticks=20_000, start_price="0.02", instruments="AAPL.XNYS,SPY.XNYS")
    increments = {instrument.symbol: instrument for instrument in provider.instruments()}
    for row in provider.rows():
        assert isinstance(row.price, int)
        assert isinstance(row.size, int)
        assert row.price >= increments[row.symbol].price_increment
        assert row.price % increments[row.symbol].price_increment == 0
        assert row.size >= SCALE
        assert row.size % SCALE == 0


def test_it_ticks_only_while_its_venue_is_open(make: Make) -> None:
    provider = make("synthetic", tick_interval_ms=60_000, ticks=2 * 390 + 1)
    (calendar,) = calendars_for(provider.instruments(), *provider.span())
    times = [int(row.at) for row in provider.rows()]
    assert all(calendar.is_open(at) for at in times)
    moments = [datetime.fromtimestamp(at // SCALE, UTC).strftime("%d %H:%M") for at in times]
    assert moments[0] == "02 14:30"
    assert moments[389:391] == ["02 20:59", "03 14:30"]
    assert moments[-1] == "04 14:30"


def test_crypto_ticks_around_the_clock(make: Make) -> None:
    provider = make("synthetic", instruments="BTCUSDT.BINANCE-SPOT", tick_interval_ms=3_600_000, ticks=48)
    assert {int(b.at) - int(a.at) for a, b in pairwise(provider.rows())} == {3600 * SCALE}


def test_a_duration_counts_open_time(make: Make) -> None:
    assert len(list(make("synthetic", duration_seconds=60, tick_interval_ms=500).rows())) == 120


def test_without_a_limit_it_plays_a_year(make: Make) -> None:
    first, last = make("synthetic").span()
    assert 360 * 86_400 * SCALE < last - first < 366 * 86_400 * SCALE


def test_volatility_and_volume_are_higher_at_open_and_close_than_at_midday(make: Make) -> None:
    provider = make("synthetic", instruments="SPY.XNYS", tick_interval_ms=1000, ticks=5 * 23_400)
    moves, sizes = {True: [0, 0], False: [0, 0]}, {True: [0, 0], False: [0, 0]}
    for a, b in pairwise(provider.rows()):
        minute = (int(b.at) // SCALE // 60 - 14 * 60 - 30) % 1440
        edge = minute < 60 or minute >= 330
        if abs(int(b.price) - int(a.price)) < int(a.price) // 500 and (edge or 120 <= minute < 270):
            for totals, value in ((moves, abs(int(b.price) - int(a.price))), (sizes, int(b.size))):
                totals[edge][0] += value
                totals[edge][1] += 1
    for totals in (moves, sizes):
        assert totals[True][0] / totals[True][1] > 1.2 * totals[False][0] / totals[False][1]


def test_a_year_of_daily_moves_has_the_volatility_asked_for(make: Make) -> None:
    provider = make(
        "synthetic", instruments="BTCUSDT.BINANCE-SPOT", tick_interval_ms=60_000, ticks=40_000, volatility="0.6"
    )
    returns = [int(b.price) / int(a.price) - 1 for a, b in pairwise(provider.rows())]
    calm = [r for r in returns if abs(r) < 0.002 * 5]
    deviation = (sum(r * r for r in calm) / len(calm)) ** 0.5
    # The mean square of the intraday shape is 1.072; jumps below the cut add a little.
    assert deviation * (365 * 1440) ** 0.5 == pytest.approx(0.6 * 1.072**0.5, rel=0.05)


def test_there_are_jumps(make: Make) -> None:
    provider = make("synthetic", instruments="SPY.XNYS", tick_interval_ms=1000, ticks=200_000)
    leaps = [abs(int(b.price) / int(a.price) - 1) for a, b in pairwise(provider.rows())]
    assert 1 <= sum(0.0019 < leap < 0.012 for leap in leaps) <= 20


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"instruments": "NOPE.XNYS"}, "NOPE.XNYS"),
        ({"instruments": "AAPL.XNYS,BTCUSDT.BINANCE-SPOT"}, "one calendar"),
        ({"start": "yesterday"}, "yesterday"),
        ({"ticks": 0}, "ticks"),
        ({"ticks": "1.5"}, "ticks"),
        ({"tick_interval_ms": "fast"}, "fast"),
        ({"volatility": -1}, "volatility"),
    ],
)
def test_a_bad_synthetic_option_is_refused_by_name(make: Make, options: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as refused:
        make("synthetic", **options)
    assert told in str(refused.value)


def test_every_instrument_of_a_synthetic_market_ticks(make: Make) -> None:
    provider = make("synthetic", ticks=1000)
    spoken: set[str] = {row.symbol for row in provider.rows()}
    named: tuple[Instrument, ...] = provider.instruments()
    assert spoken == {instrument.symbol for instrument in named}
