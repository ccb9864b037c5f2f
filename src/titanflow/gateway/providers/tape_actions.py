"""The file of splits and dividends beside a tape: which it is, and what its rows say."""

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple, NoReturn

from titanflow.domain.instruments import Instrument
from titanflow.domain.types import CorporateActionKind, Price
from titanflow.errors import InputError
from titanflow.gateway.corporate_actions import CorporateAction
from titanflow.gateway.numbers import units_or_text

SUFFIX = ".actions.csv"
COLUMNS = ("symbol", "kind", "ex_date")
"""What every file has; `exchange`, `ratio`, `amount` and `pay_date` where its rows need them."""
KINDS = {kind.value: kind for kind in (CorporateActionKind.SPLIT, CorporateActionKind.DIVIDEND)}
MOST_SHARES = 1_000_000
_RATIO = re.compile(r"([0-9]{1,7})[:/]([0-9]{1,7})")


def action_files(tapes: Iterable[Path], named: str) -> tuple[Path, ...]:
    """The file that the option names, else those that stand beside the tapes: `a.actions.csv` for `a.csv.gz`."""
    if named:
        return (Path(named).expanduser().absolute(),)
    beside = dict.fromkeys(tape.with_name(actions_name(tape.name)) for tape in tapes)
    return tuple(path for path in beside if path.is_file())


def read_actions(paths: Iterable[Path], instruments: Sequence[Instrument]) -> tuple[CorporateAction, ...]:
    """The actions of these instruments, in the order of the files; rows of others are passed over.

    Raises InputError naming file, line, column, value and what was expected.
    """
    actions: list[CorporateAction] = []
    for path in paths:
        for row in _rows(path):
            instrument = row.instrument(instruments)
            if instrument is not None:
                action = row.action(instrument)
                if any(
                    (a.instrument, a.kind, a.ex_date) == (action.instrument, action.kind, action.ex_date)
                    for a in actions
                ):
                    row.refuse("ex_date", f"one {action.kind.value} of {instrument.id} a day: this one is there twice")
                actions.append(action)
    return tuple(actions)


def actions_name(tape: str) -> str:
    """The name of the file of actions beside a tape of this name."""
    return Path(tape.removesuffix(".gz")).stem + SUFFIX


def _rows(path: Path) -> list["_Row"]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"actions {path}: cannot be read as UTF-8 text ({error})") from error
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    names = reader.fieldnames or ()
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise InputError(
            f"actions {path} has no column {', '.join(missing)}; expected symbol, exchange (optional), kind, ex_date, "
            f"ratio, amount, pay_date; found: {', '.join(names) or 'nothing'}"
        )
    return [_Row(path, reader.line_num, {k: (v or "").strip() for k, v in row.items() if k}) for row in reader]


class _Row(NamedTuple):
    """One line of a file of actions while it is read."""

    path: Path
    line: int
    fields: dict[str, str]

    def instrument(self, instruments: Sequence[Instrument]) -> Instrument | None:
        """Whose it is; None where the tapes do not speak of it."""
        symbol, exchange = self._given("symbol"), self.fields.get("exchange", "")
        found = [i for i in instruments if i.symbol == symbol and exchange in ("", i.venue)]
        if len(found) > 1:
            self.refuse("exchange", f"one of {', '.join(i.venue for i in found)}: {symbol} trades on all of them")
        return found[0] if found else None

    def action(self, instrument: Instrument) -> CorporateAction:
        """What it says."""
        kind = KINDS.get(self._given("kind").lower())
        if kind is None:
            self.refuse("kind", f"one of {', '.join(KINDS)}")
        ex_date = self._date("ex_date")
        if kind is CorporateActionKind.SPLIT:
            new, old = self._ratio()
            return CorporateAction(instrument.id, kind, ex_date, new, old)
        pay_date = self._date("pay_date") if self.fields.get("pay_date") else None
        if pay_date is not None and pay_date < ex_date:
            self.refuse("pay_date", f"a date from the ex date {ex_date} on")
        return CorporateAction(instrument.id, kind, ex_date, amount=self._amount(), pay_date=pay_date)

    def refuse(self, column: str, expected: str) -> NoReturn:
        """Say where it is wrong and what was expected."""
        value = self.fields.get(column, "")
        raise InputError(f"actions {self.path} line {self.line}: {column} is {value!r}; expected {expected}")

    def _given(self, column: str) -> str:
        return self.fields.get(column) or self.refuse(column, "a value")

    def _date(self, column: str) -> date:
        text = self.fields.get(column, "")
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.refuse(column, "a date such as 2014-06-09")

    def _ratio(self) -> tuple[int, int]:
        match = _RATIO.fullmatch(self.fields.get("ratio", "").replace(" ", ""))
        new, old = (int(part) for part in match.groups()) if match else (0, 0)
        if not (0 < new <= MOST_SHARES and 0 < old <= MOST_SHARES and new != old):
            self.refuse("ratio", "new to old shares, such as 2:1, 3:2, or 1:10 where ten become one")
        return new, old

    def _amount(self) -> Price:
        units = units_or_text(self.fields.get("amount", ""))
        if not isinstance(units, int) or units <= 0:
            self.refuse("amount", "money a share, above 0, such as 0.47")
        return units
