"""Fixtures of the signal room: the recorded bars and trades as frames of exact integers."""

from pathlib import Path

import pandas as pd
import pytest

from support.signal_worlds import exact_frame


@pytest.fixture(scope="session")
def minute_bars(market_data: Path) -> dict[str, pd.DataFrame]:
    """Symbol -> its one-minute bars, February 2019, prices and volume in 1e-9 units."""
    frame = exact_frame(
        market_data / "minute_2019" / "us_equity_minute_2019-02.csv.gz", ("open", "high", "low", "close", "volume")
    )
    return {str(symbol): rows.reset_index(drop=True) for symbol, rows in frame.groupby("symbol")}


@pytest.fixture(scope="session")
def crypto_trades(market_data: Path) -> dict[str, pd.DataFrame]:
    """Instrument id -> its trades, August 2024, price and size in 1e-9 units."""
    frame = exact_frame(market_data / "crypto" / "binance_trades_20240808.csv.gz", ("price", "size"))
    frame["instrument"] = frame["symbol"] + "." + frame["exchange"]
    return {str(name): rows.reset_index(drop=True) for name, rows in frame.groupby("instrument")}
