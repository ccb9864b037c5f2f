"""What the columns of a tape mean: names, units, venues and sale conditions, from text columns to values.

Numbers are taken exactly: decimal text becomes 1e-9 integers without passing through a float.
"""

from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from titanflow.errors import InputError
from titanflow.gateway.numbers import units_or_text
from titanflow.gateway.providers.options import Options
from titanflow.gateway.providers.tape_files import Column

TRADE_NUMBERS = ("price", "size")
BAR_NUMBERS = ("open", "high", "low", "close", "volume")
QUOTE_NUMBERS = ("bid", "ask")
"""Best bid and offer at the time of a trade; a tape has both columns or none."""
OFF_MARKET_CONDITIONS = 0x2 | 0x4 | 0x8 | 0x200 | 0x400 | 0x800 | 0x2000 | 0x4000 | 0x40000 | 0x100000 | 0x2000000
"""Sale conditions under which a print may lie far from the market: cash, next day, seller, derivatively priced, form T,
sold last, extended hours, out of sequence, stock-option, average price, prior reference price."""
AUCTION_CONDITIONS = 0x40 | 0x80
"""Opening and closing print: trades like any other."""
OFFICIAL_CONDITIONS = 0x1000000 | 0x4000000
"""Official close and official open: they repeat what the auction printed, so they set no price and are no volume."""
DEFAULT_VENUE = "XNYS"

_TIME_DECIMALS = {"ns": 0, "us": 3, "ms": 6, "s": 9}
_OPTIONAL = ("exchange", "conditions", "suspicious", "trade_id")
_DELIMITERS = {"tab": "\t", "\\t": "\t"}


class Numbers(NamedTuple):
    """A column of numbers: integers, and at the rows where there is none the text found (the integer there is 0)."""

    values: NDArray[np.int64]
    odd: dict[int, int | str]
    """Row -> offending text, or a number too large for 64 bits."""
    repeats: NDArray[np.int64] | None = None
    """Of times in a zone: how much later each is if it is the second of its name, in the hour that autumn repeats."""

    def listed(self) -> list[int | str]:
        """The column as a list, offending texts in their places."""
        values: list[int | str] = self.values.tolist()
        for row, value in self.odd.items():
            values[row] = value
        return values


class Layout:
    """How to read one tape: which column of the file holds what, in which unit, and the venue of its rows."""

    def __init__(self, options: Options) -> None:
        """Reads `columns`, `time_*`, `decimals`, `symbol` and `venue`; raises InputError for bad values."""
        self._mapping = options.mapping("columns")
        unknown = set(self._mapping) - {"ts_ns", "symbol", *TRADE_NUMBERS, *BAR_NUMBERS, *QUOTE_NUMBERS, *_OPTIONAL}
        if unknown:
            raise InputError(f"option columns names {sorted(unknown)[0]!r}, which no tape has; see docs/providers.md")
        self._unit = options.choice("time_unit", "ns", (*_TIME_DECIMALS, "iso"))
        self._zone = options.text("time_zone", "UTC")
        self._rounded = options.choice("decimals", "refuse", ("refuse", "round")) == "round"
        self._symbol = options.text("symbol", "")
        self._venue = options.text("venue", "")
        try:
            ZoneInfo(self._zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise InputError(f"option time_zone is {self._zone!r}; expected a name such as America/New_York") from error

    def name(self, column: str) -> str:
        """The name under which a file holds the column."""
        return self._mapping.get(column, column)

    def wanted(self, names: Sequence[str], path: object) -> tuple[tuple[str, ...], bool]:
        """The columns to read of a file with these names, and whether it holds bars.

        Raises InputError naming the file, the columns missing and those found.
        """
        required = ("ts_ns",) if self._symbol else ("ts_ns", "symbol")
        bars = self.name("price") not in names and self.name("open") in names
        needed = (*required, *(BAR_NUMBERS if bars else TRADE_NUMBERS))
        missing = [self.name(column) for column in needed if self.name(column) not in names]
        if missing:
            raise InputError(
                f"tape {path} has no column {', '.join(missing)}; a tape of {'bars' if bars else 'trades'} needs "
                f"{', '.join(self.name(column) for column in needed)}; found: {', '.join(names)}. "
                f"{_other_delimiter(names) or _OTHER_NAMES}"
            )
        quoted = not bars and all(self.name(column) in names for column in QUOTE_NUMBERS)
        optional = (column for column in _OPTIONAL if self.name(column) in names)
        return (*needed, *optional, *(QUOTE_NUMBERS if quoted else ())), bars

    def times(self, column: Column) -> Numbers:
        """Nanoseconds UTC."""
        if pa.types.is_timestamp(column.type):
            return _moments(column, self._zone)
        if self._unit == "iso":
            return _iso_times(column, self._zone)
        return numbers(column, _TIME_DECIMALS[self._unit], rounded=self._rounded)

    def numbers(self, column: Column) -> Numbers:
        """Prices or quantities in units of 1e-9."""
        return numbers(column, rounded=self._rounded)

    def symbols(self, column: Column | None, rows: int) -> list[str]:
        """The symbol of each row."""
        return [self._symbol] * rows if self._symbol or column is None else list(column.to_pylist())

    def venues(self, exchange: Column | None, rows: int, *, consolidated: bool) -> list[str]:
        """The venue of each row: the option, else the exchange column, else New York.

        On a `consolidated` US tape (one with sale conditions) the exchange says where a print happened, not which
        instrument it was: shares are one instrument wherever they trade.
        """
        if self._venue or consolidated or exchange is None:
            return [self._venue or DEFAULT_VENUE] * rows
        return list(exchange.to_pylist())


def delimiter_of(options: Options) -> str:
    """What stands between the fields of a CSV file. Raises InputError for what cannot."""
    given = options.text("delimiter", ",")
    delimiter = _DELIMITERS.get(given, given)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\r\n"' or delimiter.isalnum():
        raise InputError(f"option delimiter is {given!r}; expected one character such as , or ; or |, or tab")
    return delimiter


def numbers(column: Column, decimals: int = 9, *, rounded: bool = False) -> Numbers:
    """Decimal text to units of 10^-decimals, exactly. One with more decimals stays text, unless it is to be `rounded`.

    Half a unit goes to the even one.
    """
    try:
        exact: Column = pc.cast(column, pa.decimal128(38, decimals))
    except pa.ArrowInvalid:
        return _numbers_one_by_one(column, decimals, rounded)
    halves = np.frombuffer(exact.buffers()[1], dtype=np.int64).reshape(-1, 2)[exact.offset : exact.offset + len(exact)]
    low, high = halves[:, 0], halves[:, 1]
    if np.any(high != low >> 63):
        return _numbers_one_by_one(column, decimals, rounded)
    return Numbers(low, {})


def condition_mask(text: str) -> int | None:
    """The flags of a hexadecimal text; empty means regular, None that it is not hexadecimal."""
    try:
        return int(text or "1", 16)
    except ValueError:
        return None


_OTHER_NAMES = "Other names are given by the option columns, such as columns=ts_ns=time"


def _other_delimiter(names: Sequence[str]) -> str:
    """What to do where a header holds one name that looks like several."""
    found = next((sign for sign in ("\t", ";", "|") if len(names) == 1 and sign in names[0]), None)
    return (
        f"Columns seem to be parted by another sign: delimiter={'tab' if found == chr(9) else found}" if found else ""
    )


def repeats_auction(mask: int) -> bool:
    """Whether a print is an official open or close and not the auction itself."""
    return bool(mask & OFFICIAL_CONDITIONS) and not mask & AUCTION_CONDITIONS


def _numbers_one_by_one(column: Column, decimals: int, rounded: bool) -> Numbers:
    values = np.zeros(len(column), dtype=np.int64)
    odd: dict[int, int | str] = {}
    for row, text in enumerate(column.to_pylist()):
        value = units_or_text(text, decimals, rounded=rounded)
        if isinstance(value, int) and abs(value) < 2**63:
            values[row] = value
        else:
            odd[row] = value
    return Numbers(values, odd)


def _moments(column: Column, zone: str) -> Numbers:
    if column.type.tz or zone == "UTC":
        return _nanos(column if column.type.tz else pc.assume_timezone(column, "UTC"))
    first, second = (
        _nanos(pc.assume_timezone(column, zone, ambiguous=which, nonexistent="earliest"))
        for which in ("earliest", "latest")
    )
    return first._replace(repeats=second.values - first.values)


def _nanos(aware: Column) -> Numbers:
    nanos: Column = aware.cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64())
    missing = np.flatnonzero(nanos.is_null().to_numpy(zero_copy_only=False)).tolist()
    return Numbers(nanos.fill_null(0).to_numpy(), dict.fromkeys(missing, ""))


def _iso_times(column: Column, zone: str) -> Numbers:
    for kind in (pa.timestamp("ns", tz="UTC"), pa.timestamp("ns")):
        try:
            return _moments(pc.cast(column, kind), zone)
        except pa.ArrowInvalid:
            continue
    if len(column) == 1:
        return Numbers(np.zeros(1, dtype=np.int64), {0: column[0].as_py()})
    return _joined([_iso_times(column.slice(row, 1), zone) for row in range(len(column))])


def _joined(parts: Sequence[Numbers]) -> Numbers:
    odd = {row: part.odd[0] for row, part in enumerate(parts) if part.odd}
    values = np.array([int(part.values[0]) for part in parts], dtype=np.int64)
    repeats = [0 if part.repeats is None else int(part.repeats[0]) for part in parts]
    return Numbers(values, odd, np.array(repeats, dtype=np.int64))
