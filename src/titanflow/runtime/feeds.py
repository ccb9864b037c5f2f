"""From settings to what a session is fed with: the provider and its feed."""

from titanflow.domain.events import SessionStarted
from titanflow.domain.types import fixed
from titanflow.errors import SessionStateError
from titanflow.gateway.catalogue import load_catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers.base import Provider
from titanflow.gateway.providers.registry import make_provider
from titanflow.gateway.samples import sample_tape
from titanflow.settings import Settings

DEFAULT_TAPE = "us_equity_minute_2019-02"


def open_provider(settings: Settings, started: SessionStarted | None = None) -> Provider:
    """The provider that the settings name; the tape provider without tapes plays the shipped sample.

    A session that `started` already has recorded its calendars; to ask the library again takes a second of imports.
    """
    tapes = settings.feed.tapes
    if settings.feed.provider == "tape" and not tapes:
        tapes = (sample_tape(DEFAULT_TAPE),)
    return make_provider(
        settings.feed.provider,
        tapes=tapes,
        seed=settings.seed,
        options=settings.feed.options,
        catalogue=load_catalogue(settings.feed.catalogue),
        calendars=started.calendars if started else (),
    )


def open_feed(settings: Settings, provider: Provider, started: SessionStarted | None = None) -> Feed:
    """The feed of a provider, with the limits of the settings.

    Raises SessionStateError where the provider no longer gives what that session started with.
    """
    if started:
        check_feed(provider, started)
    return Feed(
        provider,
        calendars=started.calendars if started else None,
        silence_seconds=settings.feed.silence_seconds,
        max_gap_seconds=settings.feed.max_gap_seconds,
        print_band=fixed(settings.feed.print_band),
    )


def check_feed(provider: Provider, started: SessionStarted) -> None:
    """Raise SessionStateError unless the provider gives the very feed that the session started with.

    A position in another feed means another row: going on there would double some and leave out others.
    """
    here, recorded = provider.feed(), started.feed
    if (here.provider, here.sha256) != (recorded.provider, recorded.sha256):
        raise SessionStateError(
            f"the feed is not the one that the session started with: {here.provider} {here.source} has "
            f"digest {here.sha256 or 'none'}, recorded was {recorded.provider} {recorded.source} with digest "
            f"{recorded.sha256 or 'none'}; bring those bytes back and go on with `titanflow live --resume`, or start a "
            "new session"
        )
