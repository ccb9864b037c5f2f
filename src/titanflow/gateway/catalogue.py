"""The one catalogue of instruments: the shipped catalogue.toml and, on top of it, a file of the user."""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import msgspec

from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.types import InstrumentId, fixed
from titanflow.errors import InputError
from titanflow.gateway.calendars import calendars_for

__all__ = ["Catalogue", "calendars_for", "load_catalogue"]

SHIPPED = "catalogue.toml"


class _Fees(msgspec.Struct, forbid_unknown_fields=True):
    notional_ratio: str = "0"
    per_unit: str = "0"
    minimum: str = "0"


class _Group(msgspec.Struct, forbid_unknown_fields=True):
    """Symbols that share everything else, as a catalogue file writes them."""

    kind: InstrumentKind
    venue: str
    calendar: str
    currency: str
    price_increment: str
    quantity_increment: str
    symbols: list[str]
    multiplier: str = "1"
    fees: _Fees = msgspec.field(default_factory=_Fees)

    def instruments(self) -> list[Instrument]:
        fees = FeeSchedule(fixed(self.fees.notional_ratio), fixed(self.fees.per_unit), fixed(self.fees.minimum))
        price, quantity = (
            _above_zero("increment", self.price_increment),
            _above_zero("increment", self.quantity_increment),
        )
        multiplier = _above_zero("multiplier", self.multiplier)
        return [
            Instrument(
                id=f"{symbol}.{self.venue}",
                symbol=symbol,
                venue=self.venue,
                kind=self.kind,
                price_increment=price,
                quantity_increment=quantity,
                calendar=self.calendar,
                currency=self.currency,
                fees=fees,
                multiplier=multiplier,
            )
            for symbol in self.symbols
        ]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    group: list[_Group]


class Catalogue:
    """Instruments by id, and by symbol and venue. Later ones replace earlier ones of the same id."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        """`instruments` in order of precedence, the strongest last."""
        self._by_id = {instrument.id: instrument for instrument in instruments}

    def instrument(self, instrument_id: InstrumentId) -> Instrument:
        """The instrument of this id. Raises InputError where there is none."""
        found = self._by_id.get(instrument_id)
        if found is None:
            raise InputError(
                f"instrument {instrument_id!r} is not in the catalogue (symbol and venue, as in 'AAPL.XNYS'); "
                "add it in a TOML file of your own: see docs/providers.md"
            )
        return found

    def find(self, symbol: str, venue: str) -> Instrument | None:
        """The instrument of this symbol on this venue, if the catalogue has it."""
        return self._by_id.get(f"{symbol}.{venue}")

    def all(self) -> tuple[Instrument, ...]:
        """Every instrument, sorted by id."""
        return tuple(self._by_id[key] for key in sorted(self._by_id))


def load_catalogue(extra: Path | None = None) -> Catalogue:
    """The shipped instruments and those of `extra`, whose own win.

    Raises InputError naming file, field and what was expected.
    """
    shipped = files("titanflow.gateway").joinpath(SHIPPED).read_text(encoding="utf-8")
    instruments = _parse(shipped, SHIPPED)
    if extra is not None:
        instruments += _parse(_read(extra), str(extra))
    return Catalogue(instruments)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"catalogue {path}: cannot be read as UTF-8 text ({error})") from error


def _parse(text: str, name: str) -> list[Instrument]:
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
        return [instrument for group in file.group for instrument in group.instruments()]
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise InputError(f"catalogue {name}: {error}; see docs/providers.md for its form") from error


def _above_zero(what: str, text: str) -> int:
    units = fixed(text)
    if units <= 0:
        raise ValueError(f"{what} {text!r} is not above zero")
    return units
