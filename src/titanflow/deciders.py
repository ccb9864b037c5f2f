"""The table of deciders: the whole program at a glance. The runtime and replay both use it, so they cannot drift."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from titanflow.domain.decider import Decider
from titanflow.domain.events import ContenderTimedOut, Event
from titanflow.domain.types import ContenderId
from titanflow.execution.executor import Executor
from titanflow.risk.guardian import RiskGuardian
from titanflow.risk.leaderboard import LeaderboardKeeper
from titanflow.signal.asking import NOBODY_TIMED_OUT, TimedOut
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import NO_MODELS, Models

DECIDERS: Mapping[str, Callable[[Models, TimedOut], Decider]] = {
    "signal": SignalEngine,
    "risk": lambda models, timed_out: RiskGuardian(),
    "execution": lambda models, timed_out: Executor(),
    "leaderboard": lambda models, timed_out: LeaderboardKeeper(),
}
"""Name -> a new decider in its initial state, in the order in which one event is shown to them.

Trained models are no state: they are code that came with the session, and only the signal decider asks them. It alone
looks ahead, too: for the calls that were stopped.
"""


def new_deciders(
    names: Sequence[str] = tuple(DECIDERS), models: Models = NO_MODELS, timed_out: TimedOut = NOBODY_TIMED_OUT
) -> list[Decider]:
    """Fresh deciders of these names, in the table's order, with the models that the session records.

    `timed_out` is what `timed_out_in` finds in the whole ledger that they are to read.
    """
    return [make(models, timed_out) for name, make in DECIDERS.items() if name in names]


def timed_out_in(events: Iterable[Event]) -> dict[ContenderId, int]:
    """Contender -> seq of the event from which on it is not asked, of all whose calls were stopped for their time."""
    found: dict[ContenderId, int] = {}
    for event in events:
        if type(event) is ContenderTimedOut:
            found[event.contender] = min(event.seq, found.get(event.contender, event.seq))
    return found


def owners() -> dict[type[Event], str]:
    """Which decider emits each decided event type; each type has one owner."""
    table: dict[type[Event], str] = {}
    for decider in new_deciders():
        for event_type in decider.emits:
            if event_type in table:
                raise ValueError(f"{event_type.__name__} is emitted by both {table[event_type]} and {decider.name}")
            table[event_type] = decider.name
    return table
