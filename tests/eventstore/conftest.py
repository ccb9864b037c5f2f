"""Ledgers of small events on the shared real Redis, each test's in a session of its own."""

from collections.abc import Iterator

import pytest
import redis

from eventstore.ledger import Ledger
from support.ledger_kit import AnyLedger, OpenLedger, codec


@pytest.fixture
def open_ledger(redis_client: redis.Redis, session_id: str) -> Iterator[OpenLedger]:
    """Opens another instance on the test's session, as another process would; `writer=` names it."""
    opened: list[AnyLedger] = []

    def open_one(writer: str | None = None) -> AnyLedger:
        opened.append(Ledger(redis_client, session_id, codec(), writer=writer))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def ledger(open_ledger: OpenLedger) -> AnyLedger:
    return open_ledger()


@pytest.fixture
def ledger_key(session_id: str) -> str:
    """Written out, not asked for: the names of the keys are a contract."""
    return f"titanflow:{{{session_id}}}:ledger"
