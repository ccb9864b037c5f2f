"""The one place that binds the generic ledger to TitanFlow's events and opens connections to Redis."""

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from eventstore.codec import Codec
from eventstore.ledger import Ledger
from eventstore.sessions import Sessions
from eventstore.wire import PATIENCE_S
from titanflow.domain.events import AnyEvent, Event
from titanflow.domain.upcasters import UPCASTERS
from titanflow.errors import ServerError, SessionNotFoundError
from titanflow.settings import safe_url

EventLedger = Ledger[Event]

CODEC: Codec[Event] = Codec(AnyEvent, UPCASTERS)
"""Encodes and decodes every event of the vocabulary."""


def connect(redis_url: str) -> redis.Redis:
    """A client of the server at `redis_url`. Raises ServerError if it does not answer or the URL is malformed."""
    try:
        client = redis.Redis.from_url(redis_url, retry=Retry(ExponentialBackoff(cap=1, base=0.05), 5))
        client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise ServerError(
            f"Redis at {safe_url(redis_url)}: {error}; is the server up? `titanflow doctor` looks"
        ) from error
    return client


def open_ledger(client: redis.Redis, session: str) -> EventLedger:
    """The ledger of a session that exists. Raises SessionNotFoundError otherwise."""
    try:
        known = Sessions(client).exists(session)
    except ValueError as error:
        raise SessionNotFoundError(str(error)) from error
    if not known:
        raise SessionNotFoundError(f"no session {session!r} in this Redis; `titanflow sessions` lists those that are")
    return new_ledger(client, session)


def new_ledger(client: redis.Redis, session: str, patience: float = PATIENCE_S) -> EventLedger:
    """The ledger under this session id, whether it holds anything yet or not; see `Ledger` for `patience`."""
    return Ledger(client, session, CODEC, patience=patience)
