"""The simulated market: latency, slippage, fees and matching. Pure functions of the ledger and the session's seed."""
