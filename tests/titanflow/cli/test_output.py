"""Tables on narrow and wide terminals, and numbers as people and programs read them."""

import json
from decimal import Decimal

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from titanflow.cli.output import (
    Column,
    dollars,
    moment,
    number,
    percent,
    price,
    print_json,
    shares,
    signed_dollars,
    small_dollars,
    table,
)
from titanflow.cli.standings import absence_notes, record_of, standings_table
from titanflow.domain.events import Standing
from titanflow.domain.types import SCALE, TradingStatus


def standing(contender: str) -> Standing:
    return Standing(
        contender=contender, status=TradingStatus.MANUAL_APPROVAL, cash=1_234_567 * SCALE, equity=1_234_567 * SCALE,
        realized_pnl=-12_345 * SCALE, unrealized_pnl=5 * SCALE // 2, fees=SCALE, gross_exposure=0, open_positions=3,
        fills=1234, trades=617, wins=300, traded_notional=0, total_return=-SCALE // 100, max_drawdown=SCALE // 8,
        profit_factor=0.9, sharpe=-1.5, sortino=None, calmar=-0.2, exposure=SCALE // 2, turnover=3 * SCALE,
    )  # fmt: skip


def printed(made: Table, width: int) -> list[str]:
    console = Console(width=width, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(made)
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", [70, 80, 100, 132, 200])
def test_the_leaderboard_fits_a_terminal_without_cutting_what_it_shows(width: int) -> None:
    rows = [record_of(standing(name)) for name in ("sma-fast-eurusd", "rsi")]
    lines = printed(standings_table(rows, {"rsi": "Reversion RSI 14, minutes"}, width), width)
    assert len(lines) == 4, "a title, a header and one line a contender"
    assert max(map(cell_len, lines)) <= width
    assert "…" not in "".join(lines)
    assert all(word in lines[1] for word in ("contender", "equity", "P&L", "status"))
    assert "1,234,567.00" in lines[2]
    assert "-12,343.50" in lines[2], "realized and unrealized, less fees"


def test_dividends_are_money_of_the_leaderboard_and_part_of_its_profit() -> None:
    row = record_of(msgspec.structs.replace(standing("rsi"), dividends=15 * SCALE, receivable=SCALE // 2))
    assert (row["dividends"], row["receivable"]) == (15, Decimal("0.5"))
    assert "-12,328.50" in printed(standings_table([row], {}, 400), 400)[2], (
        "realized, unrealized, dividends, less fees"
    )


def test_a_wide_leaderboard_has_every_column() -> None:
    (_, header, line) = printed(standings_table([record_of(standing("rsi"))], {"rsi": "Reversion"}, 400), 400)
    assert header.split("  ")[0] == "#"
    assert all(word in header for word in ("model", "win rate", "Sortino", "Calmar", "exposure", "turnover"))
    assert all(cell in line for cell in ("Reversion", "49%", "-1.00%", "12.50%", "300.00%", "manual approval"))


def test_a_sharpe_ratio_stands_beside_its_interval_and_a_win_rate_of_few_trips_is_a_dash() -> None:
    proven = msgspec.structs.replace(
        standing("rsi"), sharpe=0.684, sharpe_low=-0.59, sharpe_high=1.958, sessions=600, returns=600
    )
    few = msgspec.structs.replace(standing("sma"), trades=9, wins=9, sharpe=None, sessions=2, returns=2)
    lines = printed(standings_table([record_of(proven), record_of(few)], {}, 400), 400)
    assert "Sharpe ±95%" in lines[1]
    assert "0.68 ±1.3" in lines[2]
    assert "49%" in lines[2]
    assert "100%" not in lines[3]


def test_a_dash_is_explained_once_for_all_whom_it_concerns() -> None:
    rows = [
        msgspec.structs.replace(standing(name), sharpe=None, calmar=None, sessions=2, returns=2, trades=trades)
        for name, trades in (("a", 20), ("b", 20), ("c", 4))
    ]
    records = [record_of(row) for row in rows]
    assert absence_notes(records) == [
        "– Sharpe, Sortino, Calmar of all: Fewer than three trading days, or returns, lie behind it.",
        "– win rate of c: Fewer than ten round trips lie behind it.",
    ]
    assert records[2]["absent"] == {
        "sharpe": "NEEDS_3_SESSIONS", "sortino": "NEEDS_3_SESSIONS", "calmar": "NEEDS_3_SESSIONS",
        "win_rate": "NEEDS_10_TRIPS",
    }  # fmt: skip


def test_a_table_gives_up_the_columns_that_can_be_spared_most_first() -> None:
    columns = (Column("a"), Column("bbbb", 1), Column("cccc", 2), Column("dd"))
    rows = [("1", "2", "3", "4")]
    assert printed(table("", columns, rows, 17), 80)[0].split() == ["a", "bbbb", "cccc", "dd"]
    assert printed(table("", columns, rows, 16), 80)[0].split() == ["a", "bbbb", "dd"]
    assert printed(table("", columns, rows, 3), 80)[0].split() == ["a", "dd"]


def test_long_text_folds_instead_of_being_cut() -> None:
    lines = printed(table("", (Column("id"), Column("detail", folds=True)), [("7", "word " * 20)], 40), 40)
    assert sum(line.count("word") for line in lines) == 20


def test_numbers_are_written_as_people_write_them() -> None:
    assert dollars(Decimal("1234567.891")) == "1,234,567.89"
    assert (signed_dollars(Decimal(3)).plain, str(signed_dollars(Decimal("-3.5")).style)) == ("+3.00", "red")
    assert [price(Decimal(text)) for text in ("24.7983", "5", "1000.10")] == ["24.7983", "5.00", "1,000.10"]
    assert [small_dollars(Decimal(text)) for text in ("0.003480", "0.16")] == ["0.0035", "0.16"]
    assert [shares(Decimal(text)) for text in ("1500.000000000", "0.050000000", "0E-9")] == ["1,500", "0.05", "0"]
    assert percent(Decimal("0.0123")) == "1.23%"
    assert (number(None), number(1.239)) == ("–", "1.24")
    assert (moment(0), moment(1_549_895_400_123_999_999)) == ("–", "2019-02-11 14:30:00.123")


def test_json_keeps_every_decimal_as_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": Decimal("0E-9"), "b": [Decimal("1234567.500000000")], "c": ({"d": Decimal("1E+3")},), "e": None})
    assert json.loads(capsys.readouterr().out) == {"a": "0", "b": ["1234567.5"], "c": [{"d": "1000"}], "e": None}
