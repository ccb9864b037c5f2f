"""Fixtures of the projections' tests: a database with the tables in it, and ledgers on the real Redis."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import redis

from eventstore.ledger import Ledger
from projections.migrate import migrate
from support.projected_session import OpenLedger, eventful_session, write
from titanflow.domain.events import Event
from titanflow.runtime.ledgers import new_ledger


@pytest.fixture
def tables(database: str) -> str:
    """The URL of a database that has the tables, with no rows."""
    migrate(database)
    return database


@pytest.fixture
def open_ledger(redis_url: str, session_id: str) -> Iterator[OpenLedger]:
    """Opens the test's ledger; each call on a connection of its own."""
    with ExitStack() as stack:

        def opened() -> Ledger[Event]:
            client = stack.enter_context(redis.Redis.from_url(redis_url))
            return stack.enter_context(closing(new_ledger(client, session_id)))

        yield opened


@pytest.fixture
def ledger(open_ledger: OpenLedger) -> Ledger[Event]:
    """The test's ledger, empty."""
    return open_ledger()


@pytest.fixture
def eventful_ledger(ledger: Ledger[Event]) -> Ledger[Event]:
    """The test's ledger with the eventful session in it."""
    write(ledger, eventful_session())
    return ledger
