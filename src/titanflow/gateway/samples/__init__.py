"""The sample tapes that come with TitanFlow: recorded market data, with their licences beside them."""

from importlib.resources import files
from pathlib import Path

from titanflow.errors import InputError

US_EQUITY = "us_equity_minute_2019-02"
"""One-minute bars of twenty US symbols, 2019-02-11 to 2019-02-14."""
CRYPTO = "binance_trades_20240808"
"""Trades of two crypto pairs on two venues, eleven minutes around midnight UTC of 2024-08-09."""
SAMPLE_TAPES = (US_EQUITY, CRYPTO)


def sample_tape(name: str = US_EQUITY) -> Path:
    """The path of a shipped tape. Raises InputError for a name that is not shipped."""
    if name not in SAMPLE_TAPES:
        raise InputError(f"there is no sample tape {name!r}; shipped are: {', '.join(SAMPLE_TAPES)}")
    return Path(str(files(__name__).joinpath(f"{name}.csv.gz")))
