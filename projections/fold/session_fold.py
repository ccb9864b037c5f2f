"""The whole fold of one session: every folder, shown the events in ledger order."""

from collections.abc import Sequence

from eventstore.ledger import Ledger
from projections.errors import ProjectionError
from projections.fold.audit import AuditFolder
from projections.fold.books import BookFolder
from projections.fold.orders import OrderFolder
from projections.fold.risk import RiskFolder
from projections.fold.rows import Batch, Folder, Handler
from projections.fold.session import SessionFolder
from projections.fold.signals import SignalFolder
from projections.fold.standings import StandingFolder
from projections.fold.verdicts import VerdictFolder
from titanflow.domain.events import Event

FOLDERS = (
    SessionFolder,
    SignalFolder,
    VerdictFolder,
    OrderFolder,
    BookFolder,
    StandingFolder,
    RiskFolder,
    AuditFolder,
)
"""Who owns which tables; a new projection is one more line."""


class SessionFold:
    """State of all folders after the events up to `position`. Rows wait inside until they are drained."""

    def __init__(self) -> None:
        self.position = 0
        self._folders: tuple[Folder, ...] = tuple(make() for make in FOLDERS)
        self._routes: dict[type[Event], tuple[Handler, ...]] = {}
        for folder in self._folders:
            for event_type, handle in folder.handlers.items():
                self._routes[event_type] = (*self._routes.get(event_type, ()), handle)

    def fold(self, first: int, events: Sequence[Event]) -> None:
        """Take in the events whose first has seq `first`, the one after `position`."""
        routes = self._routes
        for seq, event in enumerate(events, first):
            handlers = routes.get(type(event))
            if handlers is not None:
                for handle in handlers:
                    handle(seq, event)
        self.position = first + len(events) - 1

    def drain(self) -> Batch:
        """The rows since the last drain, of the tables that have any."""
        return {table: rows for folder in self._folders for table, rows in folder.drain() if rows}


def folded_to(ledger: Ledger[Event], seq: int) -> SessionFold:
    """The fold's state after the events up to `seq`, without their rows.

    Raises ProjectionError if the ledger ends before: the tables then hold what the ledger has lost.
    """
    fold = SessionFold()
    for block in ledger.read(1, seq) if seq else ():
        fold.fold(block.first, block.events)
        fold.drain()
    if fold.position < seq:
        raise ProjectionError(
            f"session {ledger.session!r}: the tables hold events up to seq {seq}, the ledger only up to "
            f"{fold.position}: it was emptied or restored from an older state; rebuild the projections"
        )
    return fold
