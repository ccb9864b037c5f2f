"""Execution: the last gate before the market, and the simulated market that fills paper orders in event time."""
