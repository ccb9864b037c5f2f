"""How the command line speaks: tables and messages by rich, JSON for programs. Numbers are shown exactly."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from titanflow.domain.types import Nanos

console = Console(highlight=False)
"""Standard output, for what was asked."""
messages = Console(stderr=True, highlight=False)
"""Standard error, for everything else, so that piped output stays clean."""


def complain(message: str) -> None:
    """Say on standard error what went wrong."""
    messages.print(Text("error: ", style="bold red") + Text(message))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2).decode() + "\n")
    sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, left: int = 1) -> Table:
    """A table whose first `left` columns are names and whose other columns are numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        made.add_column(column, justify="left" if index < left else "right", no_wrap=index < left)
    for row in rows:
        made.add_row(*row)
    return made


def dollars(amount: Decimal) -> str:
    """Money to the cent, with thousands separated: 100,231.50."""
    return f"{amount:,.2f}"


def signed_dollars(amount: Decimal) -> Text:
    """Money with its sign, green above zero and red below."""
    return Text(f"{amount:+,.2f}", style="green" if amount > 0 else "red" if amount < 0 else "")


def price(amount: Decimal) -> str:
    """A price with the decimals that it has, at least two."""
    whole, _, cents = f"{amount:,f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def shares(quantity: Decimal) -> str:
    """A quantity with the decimals that it has."""
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


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot show {type(value).__name__} as JSON")
