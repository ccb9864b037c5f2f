"""Fixtures of the mirror's tests: a ledger on the real Redis, and a plain subscriber to the seven channels."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from support.subscriber import Subscriber
from titanflow.runtime.ledgers import EventLedger, new_ledger


@pytest.fixture
def ledger(redis_client: redis.Redis, session_id: str) -> Iterator[EventLedger]:
    with closing(new_ledger(redis_client, session_id)) as ledger:
        yield ledger


@pytest.fixture
def subscriber(redis_client: redis.Redis, session_id: str) -> Iterator[Subscriber]:
    with closing(Subscriber(redis_client, session_id)) as subscriber:
        yield subscriber
