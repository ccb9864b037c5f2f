"""How the command line speaks: the answer on standard output, all else on standard error, JSON for programs.

Tables give up their least needed columns on a narrow terminal; what is piped is never cut.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from titanflow.domain.types import Nanos

SERVER_DOWN = 3
"""Exit code where a server cannot be reached, or does not hold what it should."""
PIPE_WIDTH = 10_000
"""Columns of an output that is no terminal: wide enough for every table."""
_FOLDED_MINIMUM = 24
_GAP = 2


class _Console(Console):
    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        if not self.is_terminal:
            self.width = PIPE_WIDTH

    def on_broken_pipe(self) -> NoReturn:
        """The reader of our output (head, less) has left: nobody is left to tell, and nothing went wrong."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


class OutlivesReader:
    """A text stream whose reader may leave: what is said then goes nowhere, and the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write; a reader that is gone is no error."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            self._let_go()
            return len(text)

    def flush(self) -> None:
        """Flush; a reader that is gone is no error."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._let_go()

    def _let_go(self) -> None:
        if self._stream.closed:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


console = _Console()
"""Standard output, for what was asked."""
messages = _Console(stderr=True)
"""Standard error, for everything else, so that piped output stays clean."""


class Column(NamedTuple):
    """A column of a table. Those with the highest `spare` give way first on a narrow terminal; 0 never does."""

    title: str
    spare: int = 0
    right: bool = False
    """Numbers stand at the right."""
    folds: bool = False
    """Long text continues on the next line."""


def say(*parts: str | Text) -> None:
    """One line of the answer, however long; what is piped is never cut."""
    console.print(*parts, soft_wrap=True)


def note(message: str, style: str = "") -> None:
    """One line on standard error."""
    messages.print(Text(message, style=style), soft_wrap=True)


def complain(message: str) -> None:
    """Say on standard error what went wrong."""
    messages.print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output. Decimal numbers are texts, so that no reader rounds them."""
    import msgspec

    write(msgspec.json.format(msgspec.json.encode(_plain(value)), indent=2).decode())


def print_error(message: str, exit_code: int) -> None:
    """Trouble as one JSON document on one line of standard output."""
    import msgspec

    write(msgspec.json.encode({"error": message, "exit_code": exit_code}).decode())


def write(line: str) -> None:
    """One line on standard output, exactly as it is."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        console.on_broken_pipe()


def table(
    title: str, columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], width: int | None = None
) -> Table:
    """A table that fits into `width` (by default the terminal's): what can be spared is left out until it does."""
    kept, cells = list(columns), [list(row) for row in rows]
    while sum(_widths(kept, cells)) + _GAP * (len(kept) - 1) > (width or console.width):
        least = max(range(len(kept)), key=lambda index: kept[index].spare)
        if kept[least].spare == 0:
            break
        del kept[least]
        for row in cells:
            del row[least]
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for column in kept:
        made.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
        )
    for row in cells:
        made.add_row(*row)
    return made


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]]) -> list[int]:
    widths = []
    for index, column in enumerate(columns):
        widest = max(cell_len(str(text)) for text in (column.title, *(row[index] for row in rows)))
        widths.append(min(widest, _FOLDED_MINIMUM) if column.folds else widest)
    return widths


def dollars(amount: Decimal) -> str:
    """Money to the cent, with thousands separated: 100,231.50."""
    return f"{amount:,.2f}"


def signed_dollars(amount: Decimal) -> Text:
    """Money with its sign, green above zero and red below."""
    return Text(f"{amount:+,.2f}", style="green" if amount > 0 else "red" if amount < 0 else "")


def small_dollars(amount: Decimal) -> str:
    """Money that may be a part of a cent, such as a fee, to four decimals, at least two: 0.0035."""
    return price(round(amount, 4))


def price(amount: Decimal) -> str:
    """A price with the decimals that it has, at least two."""
    whole, _, cents = f"{amount:,f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def shares(quantity: Decimal) -> str:
    """A quantity, or any other number, with the decimals that it has."""
    whole, _, part = f"{quantity:,f}".partition(".")
    return f"{whole}.{part.rstrip('0')}".rstrip(".")


def percent(ratio: Decimal) -> str:
    """A ratio as a percentage with two decimals."""
    return f"{ratio * 100:.2f}%"


def number(value: float | None) -> str:
    """A statistic with two decimals, or a dash where it is not known."""
    return "–" if value is None else f"{value:.2f}"


def moment(at: Nanos) -> str:
    """Event time in UTC to the millisecond."""
    if at <= 0:
        return "–"
    return f"{datetime.fromtimestamp(at // 1_000_000 / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def to_second(at: Nanos) -> str:
    """Event time in UTC to the second."""
    return moment(at).partition(".")[0]


def _plain(value: Any) -> Any:
    """The value with every Decimal as plain text: 0.5, never 5E-1; what has named fields as an object."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return shares(value).replace(",", "") if isinstance(value, Decimal) else value
