"""One played session for all tests of this folder: what they prove or tamper with."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis

from support.short_session import events_of, play_fused, write_session, write_tape
from titanflow.domain.events import Event
from titanflow.runtime.ledgers import EventLedger

Write = Callable[..., EventLedger]
"""Writes events into a ledger of their own; see `write_session`."""


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("tape") / "short.csv")


@pytest.fixture(scope="session")
def played(redis_url: str, tmp_path_factory: pytest.TempPathFactory, tape: Path) -> EventLedger:
    return play_fused(redis_url, tmp_path_factory.mktemp("home"), tape)


@pytest.fixture(scope="session")
def history(played: EventLedger) -> tuple[Event, ...]:
    """Every event of the played session; the one at index n has seq n + 1."""
    return tuple(events_of(played))


@pytest.fixture
def write(redis_client: redis.Redis, session_id: str) -> Write:
    def write_one(events: Sequence[Event], **options: object) -> EventLedger:
        return write_session(redis_client, session_id, events, **options)  # type: ignore[arg-type]

    return write_one
