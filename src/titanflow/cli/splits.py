"""Prices that leapt over a closure as at a split that nobody announced, as warnings of a session."""

from collections.abc import Iterator
from decimal import Decimal

from titanflow.cli.output import to_second
from titanflow.domain.types import decimal_of
from titanflow.gateway.providers.tape_actions import actions_name
from titanflow.runtime.observer import Observer

MOST_TOLD = 10


def split_warnings(seen: Observer) -> Iterator[str]:
    """What looks like a split, and where to put it; the first ten."""
    source = seen.started.feed.source if seen.started and seen.started.feed.provider == "tape" else ""
    file = actions_name(source.partition(", ")[0]) if source else "the provider's actions"
    leaps = seen.overnight.leaps
    for leap in leaps[:MOST_TOLD]:
        day, part = to_second(leap.at).partition(" ")[0], decimal_of(leap.part).quantize(Decimal("0.001"))
        yield (
            f"{leap.instrument} opened at {part} of its close on {day}: a split of {leap.new}:{leap.old}? "
            f"Then put it into {file}; without that it counts as a gain or a loss"
        )
    if (more := len(leaps) - MOST_TOLD) > 0:
        yield f"and {more} more openings that look like splits"
