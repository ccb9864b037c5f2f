"""What a summary says of the tape itself: rows told twice, who decides on longer bars, where a refused row stands."""

from pathlib import Path

import pytest

from .conftest import OPEN, CommandLine

MINUTE = 60_000_000_000
CONTENDERS = """
[[contender]]
id = "hasty"
strategy = "SMACrossover"
instruments = "*"
bar_seconds = 10
"""


@pytest.mark.e2e
def test_a_backtest_says_what_is_odd_about_its_tape(cli: CommandLine, tmp_path: Path) -> None:
    tape, contenders = tmp_path / "bars.csv", tmp_path / "hasty.toml"
    rows = [f"{OPEN + number * MINUTE},AAPL,10,12,9,11,8" for number in (0, 1, 1, 2)]
    rows += [f"{OPEN + 2 * MINUTE},AAPL,10,12,9,11,9", f"{OPEN + 3 * MINUTE},AAPL,10,12,9,11,0.0000000123"]
    tape.write_text("\n".join(("ts_ns,symbol,open,high,low,close,volume", *rows)) + "\n")
    contenders.write_text(CONTENDERS)
    told = cli.good("backtest", tape, "--contenders", contenders)
    assert "1 bar that only repeats another was dropped" in told
    assert "hasty decides on the tape's bars of 60 s, not of 10 s" in told
    result = cli.json("backtest", tape, "--contenders", contenders)
    assert result["notes"] == ["1 bar that only repeats another was dropped"]
    assert {reason: said["example"] for reason, said in result["dead_letter_reasons"].items()} == {
        "DUPLICATE": "bars.csv, line 6: another bar of this instrument and time is bars.csv, line 5",
        "TOO_PRECISE": "bars.csv, line 7: volume is 0.0000000123, of more than nine decimals",
    }
