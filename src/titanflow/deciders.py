"""The table of deciders: the whole program at a glance. The runtime and replay both use it, so they cannot drift."""

from collections.abc import Callable, Mapping, Sequence

from titanflow.domain.decider import Decider
from titanflow.domain.events import Event
from titanflow.execution.executor import Executor
from titanflow.risk.guardian import RiskGuardian
from titanflow.risk.leaderboard import LeaderboardKeeper
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import NO_MODELS, Models

DECIDERS: Mapping[str, Callable[[Models], Decider]] = {
    "signal": SignalEngine,
    "risk": lambda models: RiskGuardian(),
    "execution": lambda models: Executor(),
    "leaderboard": lambda models: LeaderboardKeeper(),
}
"""Name -> a new decider in its initial state, in the order in which one event is shown to them.

Trained models are no state: they are code that came with the session, and only the signal decider asks them.
"""


def new_deciders(names: Sequence[str] = tuple(DECIDERS), models: Models = NO_MODELS) -> list[Decider]:
    """Fresh deciders of these names, in the table's order, with the models that the session records."""
    return [make(models) for name, make in DECIDERS.items() if name in names]


def owners() -> dict[type[Event], str]:
    """Which decider emits each decided event type; each type has one owner."""
    table: dict[type[Event], str] = {}
    for decider in new_deciders():
        for event_type in decider.emits:
            if event_type in table:
                raise ValueError(f"{event_type.__name__} is emitted by both {table[event_type]} and {decider.name}")
            table[event_type] = decider.name
    return table
