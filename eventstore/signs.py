"""What a long-running reader or writer of a ledger tells of itself while it works. Who listens is not known here."""


class Signs:
    """Signs of life, told to nobody; whoever supervises a process gives it others. Calls are cheap and never raise."""

    def recovering(self, done: int, of: int) -> None:
        """It folds again what was there before it started: up to seq `done` of `of`."""

    def reached(self, seq: int) -> None:
        """Its work up to `seq` is kept: it would go on from there."""

    def trouble(self, reason: str) -> None:
        """It waits for this; an empty text: for nothing any more."""


SILENT = Signs()
"""Tells nobody."""
