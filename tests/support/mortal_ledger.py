"""A ledger whose process dies at a chosen append: just before it is written, or just after, with the reply lost."""

from collections.abc import Sequence
from typing import Any

from eventstore.ledger import Move
from titanflow.domain.events import Event
from titanflow.runtime.ledgers import EventLedger


class KilledError(Exception):
    """Stands for the end of a process."""


class MortalLedger:
    """Passes everything on; the append number `fatal` (from 0) kills, `written` or not."""

    def __init__(self, ledger: EventLedger, fatal: int, *, written: bool) -> None:
        self._ledger = ledger
        self._left = fatal
        self._written = written

    def append(self, events: Sequence[Event], moves: Sequence[Move]) -> range:
        self._left -= 1
        if self._left >= 0:
            return self._ledger.append(events, moves)
        if self._written:
            self._ledger.append(events, moves)
        raise KilledError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)
