"""The reason of a breakdown in words: of an error, and of what the ledger's server shows of its own state."""

from typing import NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from eventstore.errors import FencedError
from eventstore.wire import is_out_of_memory
from titanflow.errors import InputError, ModelError, SessionStateError, SettingsError

LOOK_SECONDS = 2.0
NEARLY_FULL = 0.9
"""Part of its limit from which on a server's memory is worth a word."""
_REFUSED = (InputError, ModelError, SessionStateError, SettingsError)


class LastWords(NamedTuple):
    """How a service ended, in one word, and why."""

    end: str
    reason: str


def last_words(error: BaseException, said: str = "") -> LastWords:
    """What an error means in a session's log; `said` is what a person is told of it, where it was expected."""
    reason = said or f"{type(error).__name__}: {error}"
    if isinstance(error, FencedError):
        return LastWords("fenced", reason)
    if is_out_of_memory(error):
        return LastWords("crashed", f"Redis is out of memory: {error}")
    if isinstance(error, MemoryError):
        return LastWords("crashed", "this machine is out of memory")
    return LastWords("refused" if isinstance(error, _REFUSED) else "crashed", reason)


def state_of_server(redis_url: str) -> list[str]:
    """What is remarkable about the ledger's server and may be the reason of trouble; it is asked once, and briefly."""
    once = Retry(NoBackoff(), 0)
    try:
        with redis.Redis.from_url(
            redis_url, socket_timeout=LOOK_SECONDS, socket_connect_timeout=LOOK_SECONDS, retry=once
        ) as client:
            info = client.info()
    except (redis.RedisError, OSError, ValueError) as error:
        return [f"its server does not answer ({' '.join(str(error).split())})"]
    return remarks(info)


def remarks(info: dict[str, object]) -> list[str]:
    """What of a server's INFO explains a loss or a refusal."""

    def number(name: str) -> int:
        return int(str(info.get(name) or 0))

    found = []
    if evicted := number("evicted_keys"):
        found.append(f"it has evicted {evicted:,} keys (maxmemory-policy {info.get('maxmemory_policy')})")
    limit, used = number("maxmemory"), number("used_memory")
    if limit and used >= NEARLY_FULL * limit:
        found.append(f"it uses {used / 1024**2:,.0f} MiB of memory, its limit is {limit / 1024**2:,.0f} MiB")
    for name, what in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "snapshot")):
        if info.get(name, "ok") != "ok":
            found.append(f"its last write of the {what} failed (is its disk full?)")
    found.append(f"it was started {number('uptime_in_seconds'):,} s ago")
    return found
