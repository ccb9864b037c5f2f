"""From settings to what a session is fed with: the provider and its feed."""

from titanflow.domain.events import SessionStarted
from titanflow.gateway.catalogue import load_catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers.base import Provider
from titanflow.gateway.providers.registry import make_provider
from titanflow.gateway.samples import sample_tape
from titanflow.settings import Settings

DEFAULT_TAPE = "us_equity_minute_2019-02"


def open_provider(settings: Settings) -> Provider:
    """The provider that the settings name; the tape provider without tapes plays the shipped sample."""
    tapes = settings.feed.tapes
    if settings.feed.provider == "tape" and not tapes:
        tapes = (sample_tape(DEFAULT_TAPE),)
    return make_provider(
        settings.feed.provider,
        tapes=tapes,
        seed=settings.seed,
        options=settings.feed.options,
        catalogue=load_catalogue(settings.feed.catalogue),
    )


def open_feed(settings: Settings, provider: Provider, started: SessionStarted | None = None) -> Feed:
    """The feed of a provider, with the limits of the settings.

    A session that `started` already has recorded its calendars; to ask the library again takes a second of imports.
    """
    return Feed(
        provider,
        calendars=started.calendars if started else None,
        silence_seconds=settings.feed.silence_seconds,
        max_gap_seconds=settings.feed.max_gap_seconds,
    )
