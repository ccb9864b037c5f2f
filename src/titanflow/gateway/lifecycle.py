"""The life of a session as one checkpoint: opened once, ended once, each in the same step as its event."""

from typing import Any

from eventstore.ledger import Ledger, Move

SESSION = "session"
"""Name of the checkpoint: 0 not opened, 1 open, 2 ended."""
_OPEN, _ENDED = 1, 2

OPENING = Move(SESSION, 0, _OPEN)
"""Goes with SessionStarted."""
ENDING = Move(SESSION, _OPEN, _ENDED)
"""Goes with SessionEnded."""
WHILE_OPEN = Move(SESSION, _OPEN, _OPEN)
"""Goes with whatever else enters from outside: refused before the start and after the end."""

MIRRORED = "mirrored"
"""Name of the checkpoint that is 1 where the session's events are owed to the legacy channels: a backtest's are not."""
MIRRORING = Move(MIRRORED, 0, 1)
"""Goes with SessionStarted where a mirror is to follow."""


def is_mirrored(ledger: Ledger[Any]) -> bool:
    """Whether a mirror follows the session, or did once."""
    return bool(ledger.checkpoint(MIRRORED) or ledger.checkpoint("mirror"))


def has_ended(ledger: Ledger[Any]) -> bool:
    """Whether SessionEnded is in the ledger."""
    return ledger.checkpoint(SESSION) == _ENDED
