"""Why a session came to what it came to, folded from its ledger: refusals by code, and what contenders had to go by."""

from collections import Counter

from titanflow.domain.events import (
    BarClosed,
    BarPointReceived,
    Event,
    OfficialPrintReceived,
    OffMarketPrintReceived,
    OrderCancelled,
    OrderDenied,
    OrderRejected,
    SignalGenerated,
    TickReceived,
)

LOOKED_AT = frozenset(
    {
        TickReceived,
        BarPointReceived,
        OffMarketPrintReceived,
        OfficialPrintReceived,
        BarClosed,
        SignalGenerated,
        OrderDenied,
        OrderRejected,
        OrderCancelled,
    }
)


class Causes:
    """Show it every event of these types in order; read its attributes at any time."""

    def __init__(self) -> None:
        self.denials: Counter[str] = Counter()
        """Code -> signals and held orders that risk denied for it."""
        self.rejections: Counter[str] = Counter()
        """Code -> orders that the executor's last gate refused."""
        self.cancellations: Counter[str] = Counter()
        """Code -> orders whose rest was taken back."""
        self.rows = 0
        """Rows of the feed that were taken in."""
        self.priced: set[str] = set()
        """Instruments that had a price."""
        self.bars: Counter[tuple[str, int]] = Counter()
        """(instrument, seconds) -> bars of that length that closed."""
        self.signals: Counter[str] = Counter()
        """Contender -> signals."""

    def look(self, event: Event) -> None:
        """Fold one event."""
        match event:
            case TickReceived():
                self.rows += 1
                self.priced.add(event.instrument)
            case BarPointReceived():
                self.rows += event.last
                self.priced.add(event.instrument)
            case OffMarketPrintReceived() | OfficialPrintReceived():
                self.rows += 1
            case BarClosed():
                self.bars[event.instrument, event.seconds] += 1
            case SignalGenerated():
                self.signals[event.contender] += 1
            case OrderDenied():
                self.denials[event.code] += 1
            case OrderRejected():
                self.rejections[event.code] += 1
            case OrderCancelled():
                self.cancellations[event.code] += 1
