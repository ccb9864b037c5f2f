"""The table of providers: name -> class; and how one is made from it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from titanflow.domain.instruments import TradingCalendar
from titanflow.errors import InputError
from titanflow.gateway.catalogue import Catalogue
from titanflow.gateway.providers.base import Provider, ProviderRequest
from titanflow.gateway.providers.synthetic_provider import SyntheticDataProvider
from titanflow.gateway.providers.tape_provider import TapeDataProvider

PROVIDERS: Mapping[str, type[Provider]] = {
    "synthetic": SyntheticDataProvider,
    "tape": TapeDataProvider,
}
"""Name -> provider, built from a ProviderRequest; one line each. The first line of its docstring describes it."""


def make_provider(
    name: str,
    *,
    tapes: Sequence[Path],
    seed: int,
    options: Mapping[str, object],
    catalogue: Catalogue,
    calendars: Sequence[TradingCalendar] = (),
) -> Provider:
    """The provider of this name; `calendars` are those that are known already.

    Raises InputError for an unknown name, a bad option or input that cannot be used.
    """
    if name not in PROVIDERS:
        raise InputError(f"provider {name!r} is unknown; choose one of: {', '.join(PROVIDERS)}")
    return PROVIDERS[name](ProviderRequest(tuple(tapes), seed, options, catalogue, tuple(calendars)))
