"""The whole fold of one session: every folder, shown the events in ledger order."""

from eventstore.ledger import Block
from projections.fold.audit import AuditFolder
from projections.fold.books import BookFolder
from projections.fold.orders import OrderFolder
from projections.fold.risk import RiskFolder
from projections.fold.rows import Batch, Folder, Handler
from projections.fold.session import SessionFolder
from projections.fold.signals import SignalFolder
from projections.fold.standings import StandingFolder
from projections.fold.verdicts import VerdictFolder
from projections.position import START, Position
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
        self.position = START
        self._folders: tuple[Folder, ...] = tuple(make() for make in FOLDERS)
        self._routes: dict[type[Event], tuple[Handler, ...]] = {}
        for folder in self._folders:
            for event_type, handle in folder.handlers.items():
                self._routes[event_type] = (*self._routes.get(event_type, ()), handle)

    def fold(self, block: Block[Event]) -> None:
        """Take in the block whose first event is the one after `position`."""
        routes = self._routes
        for seq, event in enumerate(block.events, block.first):
            handlers = routes.get(type(event))
            if handlers is not None:
                for handle in handlers:
                    handle(seq, event)
        self.position = Position(block.last, block.recorded_at)

    def drain(self) -> Batch:
        """The rows since the last drain, of the tables that have any."""
        return {table: rows for folder in self._folders for table, rows in folder.drain() if rows}
