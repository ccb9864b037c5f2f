"""What becomes of prints that are no usual trades is counted, said, and told as a story."""

from pathlib import Path

import pytest

from titanflow.cli.story import sentence
from titanflow.domain.events import OfficialPrintReceived, OffMarketPrintReceived
from titanflow.domain.types import SCALE, OffMarketReason, fixed

from .conftest import OPEN, CommandLine

AAPL = "AAPL.XNYS"
SECOND = 1_000_000_000
TAPE = (
    ("171.14", 5000, "4000000"),  # the official open, ahead of the auction that it repeats
    ("171.14", 5000, "40"),
    ("171.10", 100, ""),
    ("17.11", 200, ""),
    ("171.12", 100, ""),
    ("171.90", 300, "100000"),
)


def test_prints_that_set_no_price_are_told_with_the_reason() -> None:
    lone = OffMarketPrintReceived(OPEN, AAPL, fixed("17.11"), 200 * SCALE, OffMarketReason.UNCONFIRMED)
    assert sentence(lone, {}) == (
        "AAPL.XNYS traded (far off the recent range, not confirmed: volume only): 200 at 17.11"
    )
    late = OffMarketPrintReceived(OPEN, AAPL, fixed("171.90"), 300 * SCALE)
    assert sentence(late, {}) == "AAPL.XNYS traded (off the market: volume only): 300 at 171.90"
    official = OfficialPrintReceived(OPEN, AAPL, fixed("171.14"), 5000 * SCALE)
    assert sentence(official, {}) == (
        "AAPL.XNYS: official price of the auction, 5,000 at 171.14 (repeated: neither price nor volume)"
    )


@pytest.mark.e2e
def test_a_backtest_counts_the_prints_that_set_no_price(cli: CommandLine, tmp_path: Path) -> None:
    tape = tmp_path / "conditions.csv"
    lines = (f"{OPEN + n * SECOND},AAPL,{price},{size},Q,{flags}" for n, (price, size, flags) in enumerate(TAPE))
    tape.write_text("\n".join(("ts_ns,symbol,price,size,exchange,conditions", *lines)) + "\n")
    result = cli.json("backtest", tape, "--session", "prints")
    assert (result["ticks"], result["unconfirmed_prints"], result["official_prints"]) == (3, 1, 1)
    assert cli.json("backtest", tape, "--set", "feed.print_band=0")["unconfirmed_prints"] == 0
    told = cli.good("backtest", tape)
    assert "1 far off the market set no price, being volume only: AAPL.XNYS 1" in told
    assert "1 official opens and closes repeat their auction: neither price nor volume" in told
