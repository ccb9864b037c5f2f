"""What a person wants to know of a running session, folded from its ledger: counts, positions, standings."""

from collections import Counter

from eventstore.ledger import Block
from titanflow.domain.corporate_actions import split_quantity
from titanflow.domain.events import (
    BarPointReceived,
    ContenderSetAside,
    CorporateActionApplied,
    Event,
    FeatureDriftMeasured,
    KillSwitchTripped,
    LeaderboardPublished,
    OffMarketPrintReceived,
    OrderApproved,
    OrderDenied,
    OrderFilled,
    OrderHeld,
    SessionEnded,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
    tag_of,
)
from titanflow.domain.types import CorporateActionKind, Nanos, OffMarketReason
from titanflow.runtime import halts
from titanflow.runtime.causes import LOOKED_AT, Causes
from titanflow.runtime.halts import Halts
from titanflow.runtime.overnight import Overnight


class Observer:
    """Feed it every block in order; read its attributes at any time."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.at: Nanos = 0
        self.first_at: Nanos = 0
        self.started: SessionStarted | None = None
        self.leaderboard: LeaderboardPublished | None = None
        self.positions: dict[tuple[str, str], int] = {}
        """(contender, instrument) -> signed quantity; flat ones are left out."""
        self.held: dict[str, OrderHeld] = {}
        """Orders that wait for a person, by id, oldest first."""
        self.tripped: list[KillSwitchTripped] = []
        self.halts = Halts()
        """Who may not trade freely, why and until when."""
        self.faults: dict[str, str] = {}
        """Contender -> why its model could not be loaded."""
        self.set_aside: dict[str, ContenderSetAside] = {}
        """Contender -> why it is not asked any more."""
        self.drift: dict[str, FeatureDriftMeasured] = {}
        """Contender -> the newest measure of its features."""
        self.withheld: Counter[str] = Counter()
        """Contender -> signals that its own guards withheld."""
        self.silent: dict[str, SignalWithheld] = {}
        """Contender -> what it withheld last, until it speaks."""
        self.unconfirmed: Counter[str] = Counter()
        """Instrument -> prints far off the market that no second one confirmed: they set no price."""
        self.causes = Causes()
        """Why: refusals by code, and what contenders had to go by."""
        self.overnight = Overnight()
        """Leaps of prices over a closure that look like splits."""
        self.ended = False
        self._counts: Counter[type[Event]] = Counter()

    def feed(self, block: Block[Event]) -> None:
        """Fold one block."""
        self._counts.update(map(type, block.events))
        for event in block.events:
            kind = type(event)
            if kind is TickReceived or kind is BarPointReceived:
                self.overnight.see(event)  # type: ignore[arg-type]
            elif kind in _LOOKED_AT:
                self._look(event)
            if type(event) in LOOKED_AT:
                self.causes.look(event)
            if type(event) in halts.LOOKED_AT:
                self.halts.look(event)
        self.last_seq = block.last
        self.at = max(self.at, getattr(block.events[-1], "at", 0))

    def count(self, *event_types: type[Event]) -> int:
        """Events of these types so far."""
        return sum(self._counts[event_type] for event_type in event_types)

    def counts(self) -> dict[str, int]:
        """Events by tag, most frequent first."""
        return {tag_of(event_type): n for event_type, n in self._counts.most_common()}

    def _look(self, event: Event) -> None:
        match event:
            case OrderFilled():
                key = (event.contender, event.instrument)
                quantity = self.positions.pop(key, 0) + event.side.sign * event.quantity
                if quantity:
                    self.positions[key] = quantity
            case OrderHeld():
                self.held[event.order_id] = event
            case OrderApproved() | OrderDenied():
                self.held.pop(event.order_id, None)
            case LeaderboardPublished():
                self.leaderboard = event
            case SessionStarted():
                self.started, self.first_at = event, event.at
                self.overnight = Overnight(event)
                self.faults = {spec.id: spec.fault for spec in event.contenders if spec.fault}
            case SignalWithheld():
                self.withheld[event.contender] += 1
                self.silent[event.contender] = event
            case SignalGenerated():
                self.silent.pop(event.contender, None)
            case ContenderSetAside():
                self.set_aside[event.contender] = event
            case FeatureDriftMeasured():
                self.drift[event.contender] = event
            case KillSwitchTripped():
                self.tripped.append(event)
            case OffMarketPrintReceived():
                self.unconfirmed[event.instrument] += event.reason is OffMarketReason.UNCONFIRMED
            case CorporateActionApplied():
                self._act(event)
            case SessionEnded():
                self.ended = True

    def _act(self, action: CorporateActionApplied) -> None:
        self.overnight.act(action)
        if action.kind is not CorporateActionKind.SPLIT or self.started is None:
            return
        increments = {each.id: each.quantity_increment for each in self.started.instruments}
        for key, quantity in tuple(self.positions.items()):
            if key[1] == action.instrument:
                whole = split_quantity(abs(quantity), action, increments[action.instrument], up=False)
                self.positions[key] = whole if quantity > 0 else -whole
                if not whole:
                    del self.positions[key]


_LOOKED_AT = frozenset(
    {
        OrderFilled,
        OrderHeld,
        OrderApproved,
        OrderDenied,
        LeaderboardPublished,
        SessionStarted,
        KillSwitchTripped,
        SignalGenerated,
        SignalWithheld,
        FeatureDriftMeasured,
        OffMarketPrintReceived,
        ContenderSetAside,
        CorporateActionApplied,
        SessionEnded,
    }
)
