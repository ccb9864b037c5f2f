"""A server that refuses what the mirror asks: nothing moves before it is published, nothing is lost or doubled."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from eventstore.signs import Signs
from projections.mirror.mirror import HinderedError, Mirror
from projections.mirror.rights import missing_rights
from support.mirrored_ledger import append, expected
from support.mirrored_story import story
from support.mortal_redis import MortalRedis
from support.subscriber import CHANNELS, Subscriber
from support.waiting import wait_until
from titanflow.runtime.ledgers import EventLedger, new_ledger

Restricted = Callable[..., redis.Redis]


@pytest.fixture
def restricted(redis_client: redis.Redis, session_id: str) -> Iterator[Restricted]:
    """Clients of a user who may do everything but publish: what Redis 7 gives by default; `rights` come on top."""
    user = f"user-{session_id}"

    def made(*rights: str) -> redis.Redis:
        redis_client.execute_command(
            "ACL", "SETUSER", user, "reset", "on", ">secret", "~*", "+@all", "resetchannels", *rights
        )
        options = redis_client.connection_pool.connection_kwargs
        return redis.Redis(host=options["host"], port=options["port"], username=user, password="secret")

    yield made
    redis_client.execute_command("ACL", "DELUSER", user)


class Told(Signs):
    """Notes what is told of trouble."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def trouble(self, reason: str) -> None:
        self._told.append(reason)


def grant(client: redis.Redis, session_id: str, *rights: str) -> None:
    client.execute_command("ACL", "SETUSER", f"user-{session_id}", *rights)


def cache_keys(client: redis.Redis, session: str) -> int:
    """How many keys of the session's hot cache there are."""
    return int(client.exists(*(f"titanflow:{{{session}}}:{part}" for part in ("last_price", "leaderboard"))))


def test_without_the_right_to_publish_nothing_moves_and_nothing_is_lost(
    ledger: EventLedger, redis_client: redis.Redis, session_id: str, subscriber: Subscriber, restricted: Restricted
) -> None:
    append(ledger, story())
    with restricted() as client:
        with closing(Mirror(ledger, client)) as mirror, pytest.raises(HinderedError, match=r"publish.*market_data"):
            mirror.catch_up()
        assert ledger.checkpoint("mirror") == 0
        assert cache_keys(redis_client, session_id) == 0
        assert subscriber.hear() == []
        grant(redis_client, session_id, "allchannels")
        with closing(Mirror(ledger, client)) as mirror:
            mirror.catch_up()
    assert subscriber.hear() == expected(ledger)


def test_a_right_that_lacks_in_the_middle_of_a_batch_doubles_nothing(
    ledger: EventLedger, redis_client: redis.Redis, session_id: str, subscriber: Subscriber, restricted: Restricted
) -> None:
    append(ledger, story())
    with restricted("&market_data") as client, closing(Mirror(ledger, client)) as mirror:
        for _ in range(3):
            with pytest.raises(HinderedError, match="trade_signals"):
                mirror.catch_up()
        assert ledger.checkpoint("mirror") == 0
        grant(redis_client, session_id, "allchannels")
        mirror.catch_up()
    assert subscriber.hear() == expected(ledger)
    assert ledger.checkpoint("mirror") == len(story())


def test_a_mirror_that_runs_says_what_hinders_it_and_goes_on_by_itself(
    ledger: EventLedger, redis_client: redis.Redis, session_id: str, subscriber: Subscriber, restricted: Restricted
) -> None:
    told: list[str] = []
    stopping = threading.Event()
    append(ledger, story())
    with (
        restricted() as client,
        closing(new_ledger(redis_client, session_id)) as source,
        closing(Mirror(source, client, signs=Told(told))) as mirror,
    ):
        running = threading.Thread(target=mirror.run, args=(stopping.is_set,))
        running.start()
        wait_until(lambda: told, message="the mirror to say what hinders it")
        assert "market_data" in told[0]
        grant(redis_client, session_id, "allchannels")
        wait_until(lambda: ledger.checkpoint("mirror") == len(story()), message="the mirror to catch up")
        stopping.set()
        running.join(timeout=20)
        assert not running.is_alive()
    assert told[-1] == "", "it says that nothing hinders it any more"
    assert subscriber.hear() == expected(ledger)


def test_a_server_out_of_memory_hears_nothing_twice(tmp_path: Path, session_id: str) -> None:
    server = MortalRedis(tmp_path)
    server.start()
    try:
        with server.client() as client, closing(new_ledger(client, session_id)) as ledger:
            append(ledger, story())
            with closing(Subscriber(client, session_id)) as subscriber, closing(Mirror(ledger, client)) as mirror:
                client.config_set("maxmemory", 1)
                for _ in range(3):
                    with pytest.raises(HinderedError, match="out of memory"):
                        mirror.catch_up()
                assert subscriber.hear() == []
                client.config_set("maxmemory", 0)
                mirror.catch_up()
                assert subscriber.hear() == expected(ledger)
    finally:
        server.kill()


def test_missing_rights_are_named_and_the_test_of_them_leaves_nothing_behind(
    redis_client: redis.Redis, session_id: str, subscriber: Subscriber, restricted: Restricted
) -> None:
    with restricted() as client:
        assert missing_rights(client, session_id) == tuple(f"publish on {channel}" for channel in sorted(CHANNELS))
    with restricted("&market_data", "&audit_events") as client:
        assert "publish on market_data" not in missing_rights(client, session_id)
        assert "publish on trade_signals" in missing_rights(client, session_id)
    with restricted("allchannels", "-evalsha", "resetkeys", f"~titanflow:{{{session_id}}}:*") as client:
        assert missing_rights(client, session_id) == (
            "run EVALSHA",
            "write titanflow:latest",
            "read titanflow:latest",
        )
    with restricted("allchannels") as client:
        assert missing_rights(client, session_id) == ()
    assert missing_rights(redis_client, session_id) == ()
    assert redis_client.keys(f"titanflow:{{{session_id}}}:*") == []
    assert subscriber.hear() == []
