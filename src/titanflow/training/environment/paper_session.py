"""One contender's session in one instrument without a ledger: risk sizes what it wants, the paper market fills it.

The very deciders of a session, fed in the order of a session; only signals come from outside.
"""

from collections.abc import Iterable

import msgspec

from titanflow.domain.decider import Handler
from titanflow.domain.events import Event, Explanation, Print, SessionStarted, SignalGenerated
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.portfolio import Portfolio
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import SCALE, GateMode, Money, Nanos, OrderType, Price, Side
from titanflow.execution.executor import Executor
from titanflow.risk.guardian import RiskGuardian

AGENT = "agent"
_EXPLANATION = Explanation(method="none", base_value=0.0, score=0.0, contributions=())


def without_breakers(settings: SessionSettings) -> SessionSettings:
    """The same costs, sizes and stops, but nothing that waits for a person to go on: nobody answers while learning."""
    risk = msgspec.structs.replace(
        settings.risk,
        max_daily_loss=SCALE,
        total_max_daily_loss=SCALE,
        max_drawdown=SCALE,
        total_max_drawdown=SCALE,
        gates=GateMode.REPORT,
    )
    return msgspec.structs.replace(settings, risk=risk)


class PaperSession:
    """A fresh account that is told ticks and wishes, in order of time, and can be valued at any moment."""

    def __init__(
        self, instrument: Instrument, settings: SessionSettings, seed: int, at: Nanos, bar_seconds: int
    ) -> None:
        """`seed` draws latency and slippage. The venue counts as open: whoever trades here ends its own days.

        `bar_seconds` is the length of the bars whose points will be played.
        """
        self.instrument = instrument
        self._guardian = RiskGuardian()
        tables = [decider.handlers for decider in (self._guardian, Executor())]
        kinds = {kind for table in tables for kind in table}
        self._routes: dict[type[Event], tuple[Handler, ...]] = {
            kind: tuple(table[kind] for table in tables if kind in table) for kind in kinds
        }
        self._seq = 0
        self._tell(_opening(instrument, settings, seed, at, bar_seconds))

    @property
    def portfolio(self) -> Portfolio:
        """The books, as risk keeps them."""
        return self._guardian.house.books[AGENT].portfolio

    @property
    def equity(self) -> Money:
        """Cash and what the position is worth at the last price."""
        return self.portfolio.equity(self._guardian.house.marks)

    def play(self, prints: Iterable[Print]) -> None:
        """Let the price move; orders fill on the way."""
        for each in prints:
            self._tell(each)

    def wish(self, at: Nanos, side: Side, atr: Price) -> None:
        """Want to be long (BUY) or flat (SELL) from now on; `atr` sets the stop of an entry."""
        signal = SignalGenerated(
            cause=self._seq,
            at=at,
            contender=AGENT,
            instrument=self.instrument.id,
            side=side,
            confidence=1.0,
            price=self._guardian.house.marks.get(self.instrument.id, 0),
            atr=atr,
            order_type=OrderType.MARKET,
            order_price=0,
            features=(),
            explanation=_EXPLANATION,
            model_hash="",
        )
        self._tell(signal)

    def _tell(self, event: Event) -> None:
        """Show an event to both deciders, and what they decide on it, first come first served, until quiet."""
        queue = [event]
        for each in queue:
            self._seq += 1
            for handle in self._routes.get(type(each), ()):
                decided = handle(self._seq, each)
                if decided:
                    queue.extend(decided)


def _opening(
    instrument: Instrument, settings: SessionSettings, seed: int, at: Nanos, bar_seconds: int
) -> SessionStarted:
    return SessionStarted(
        at=at,
        identity=AGENT,
        seed=seed,
        settings=settings,
        instruments=(instrument,),
        calendars=(TradingCalendar(instrument.calendar, always_open=True, sessions=()),),
        contenders=(ContenderSpec(AGENT, AGENT, "agent", (), (instrument.id,), 0, ""),),
        feed=FeedSpec("", "", "", ((instrument.id, bar_seconds),)),
        code_version="",
    )
