"""From settings to what a session is fed with: the provider, its feed, the contenders."""

from importlib.resources import files

from titanflow.domain.events import SessionStarted
from titanflow.domain.session_settings import ContenderSpec
from titanflow.errors import InputError, SettingsError
from titanflow.gateway.catalogue import load_catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers.base import Provider
from titanflow.gateway.providers.registry import make_provider
from titanflow.gateway.samples import sample_tape
from titanflow.settings import Settings
from titanflow.signal.contenders import parse_contenders

DEFAULT_TAPE = "us_equity_minute_2019-02"
SHIPPED_CONTENDERS = "default_contenders.toml"


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


def open_contenders(settings: Settings, provider: Provider) -> tuple[ContenderSpec, ...]:
    """The contenders of the file that the settings name, else the shipped ones.

    Raises InputError for a file that cannot be used, SettingsError for more contenders than allowed.
    """
    path = settings.contenders
    try:
        text = (path or files("titanflow.signal").joinpath(SHIPPED_CONTENDERS)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"contenders file {path}: cannot be read ({error})") from error
    contenders = parse_contenders(text, provider.instruments(), str(path or SHIPPED_CONTENDERS))
    if len(contenders) > settings.max_contenders:
        raise SettingsError(
            f"max_contenders = {settings.max_contenders}: the contenders file has {len(contenders)}; "
            "raise the setting or remove some"
        )
    return contenders
