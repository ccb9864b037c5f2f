"""Durability is stated, not assumed: what the ledger's server promises, asked of the server itself."""

import redis
import structlog

from titanflow.errors import ServerError
from titanflow.runtime.ledgers import connect

log = structlog.get_logger()


def connect_for_session(redis_url: str) -> redis.Redis:
    """A client of the server that a session is trusted to; warns of what it does not promise.

    Raises ServerError where it does not answer, or would lose events in silence.
    """
    client = connect(redis_url)
    if warning := durability_warning(client):
        log.warning("the ledger is not durable", reason=warning)
    return client


def durability_warning(client: redis.Redis) -> str:
    """What an operator should know about this server before trusting a session to it; empty where all is well.

    Raises ServerError for a server that drops keys when its memory is full: a ledger must not lose events in silence.
    """
    memory, persistence = client.info("memory"), client.info("persistence")
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and int(memory.get("maxmemory", 0)) > 0:
        raise ServerError(
            f"this Redis has maxmemory-policy {policy}: when its memory is full it drops events of the ledger; "
            "set maxmemory-policy noeviction"
        )
    if not persistence.get("aof_enabled"):
        return "this Redis keeps no append-only file: if it crashes the session is lost (set appendonly yes)"
    return ""
