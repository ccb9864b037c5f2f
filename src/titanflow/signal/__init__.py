"""From ticks to signals: bars, indicators, features, strategies and the signal decider. Pure: no I/O, no clock."""
