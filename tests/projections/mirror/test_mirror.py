"""The mirror on a real Redis: what a subscriber hears, once each, in order, and what the hot cache holds."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from eventstore.errors import FencedError
from projections.mirror.mirror import MAX_EVENTS_A_BATCH, Mirror
from projections.mirror.publisher import LATEST_KEY
from support.legacy_contract import breaches
from support.mirrored_ledger import append, expected
from support.mirrored_story import story
from support.recorded_session import recorded_ledger
from support.reply_dropper import ReplyDropper
from support.subscriber import Subscriber
from support.waiting import PATIENCE_S
from titanflow.runtime.ledgers import EventLedger, new_ledger

LAST_WITH_A_MESSAGE = len(story()) - 1
"""Seq of the last event of the story that has one; the session's end has none."""


@pytest.fixture
def mirror(ledger: EventLedger, redis_client: redis.Redis) -> Iterator[Mirror]:
    with closing(Mirror(ledger, redis_client)) as mirror:
        yield mirror


def cache(client: redis.Redis, session: str) -> tuple[dict[str, Any], Any]:
    """(last price by name, leaderboard) of a session."""
    prices = client.hgetall(f"titanflow:{{{session}}}:last_price")
    board = client.get(f"titanflow:{{{session}}}:leaderboard")
    return {name.decode(): json.loads(value) for name, value in prices.items()}, board and json.loads(board)


def latest(client: redis.Redis) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in client.hgetall(LATEST_KEY).items()}


def test_a_subscriber_hears_every_event_of_a_recorded_session_seq_by_seq_as_the_contract_says(
    ledger: EventLedger, mirror: Mirror, subscriber: Subscriber, market_data: Path
) -> None:
    append(ledger, recorded_ledger(market_data, days=1), block=997)
    mirror.catch_up()
    heard = subscriber.hear()
    assert heard == expected(ledger)
    assert len({channel for channel, _ in heard}) >= 6
    assert [breach for channel, body in heard for breach in breaches(channel, body)] == []
    assert mirror.position == ledger.last_seq() == ledger.checkpoint("mirror")


@pytest.mark.parametrize("block", [1, 5, 1000])
def test_how_the_ledger_is_cut_into_blocks_changes_no_message(
    ledger: EventLedger, mirror: Mirror, subscriber: Subscriber, block: int
) -> None:
    append(ledger, story(), block)
    mirror.catch_up()
    assert subscriber.hear() == expected(ledger)


def test_a_block_larger_than_a_batch_is_published_whole(
    ledger: EventLedger, mirror: Mirror, subscriber: Subscriber
) -> None:
    events = [*story(), *(story()[2:3] * (2 * MAX_EVENTS_A_BATCH))]
    append(ledger, events, block=len(events))
    mirror.catch_up()
    assert subscriber.hear() == expected(ledger)


def test_a_message_is_heard_only_once_the_ledger_has_its_event(
    ledger: EventLedger, redis_client: redis.Redis, subscriber: Subscriber, session_id: str
) -> None:
    stopping = threading.Event()
    with closing(new_ledger(redis_client, session_id)) as source, closing(Mirror(source, redis_client)) as mirror:
        running = threading.Thread(target=mirror.run, args=(stopping.is_set,))
        running.start()
        for event in story():
            append(ledger, [event])
        while (seq := subscriber.next()["seq"]) < LAST_WITH_A_MESSAGE:
            assert seq <= ledger.last_seq()
        stopping.set()
        running.join(PATIENCE_S)
        assert not running.is_alive()
        assert mirror.position == len(story())


def test_told_to_stop_it_first_mirrors_what_the_ledger_holds(
    ledger: EventLedger, mirror: Mirror, subscriber: Subscriber
) -> None:
    append(ledger, story())
    mirror.run(lambda: True)
    assert subscriber.hear() == expected(ledger)


def test_a_restarted_mirror_goes_on_with_the_reasons_that_it_knew(
    ledger: EventLedger, redis_client: redis.Redis, subscriber: Subscriber
) -> None:
    # Cut between every two events, so that each message is made by a mirror that learnt all from the ledger.
    for event in story():
        append(ledger, [event])
        with closing(Mirror(ledger, redis_client)) as mirror:
            mirror.catch_up()
    assert subscriber.hear() == expected(ledger)


def test_a_mirror_that_another_has_overtaken_publishes_nothing_more(
    ledger: EventLedger, redis_client: redis.Redis, mirror: Mirror, subscriber: Subscriber
) -> None:
    append(ledger, story()[:10])
    with closing(Mirror(ledger, redis_client)) as other:
        other.catch_up()
    subscriber.hear()
    with pytest.raises(FencedError, match="mirror"):
        mirror.catch_up()
    assert subscriber.hear() == []


def test_a_lost_reply_publishes_nothing_twice(
    ledger: EventLedger, redis_client: redis.Redis, subscriber: Subscriber
) -> None:
    options = redis_client.connection_pool.connection_kwargs
    with (
        ReplyDropper(options["host"], options["port"]) as dropper,
        redis.Redis(port=dropper.port, password=options.get("password")) as faulty,
        closing(Mirror(ledger, faulty)) as mirror,
    ):
        append(ledger, story()[:3])
        mirror.catch_up()
        for start in range(3, len(story()), 5):
            append(ledger, story()[start : start + 5])
            dropper.drop_replies(1)
            mirror.catch_up()
        assert dropper.dropped == 6
    assert subscriber.hear() == expected(ledger)


def test_the_hot_cache_holds_the_last_price_by_symbol_and_by_instrument_and_the_last_leaderboard(
    ledger: EventLedger, redis_client: redis.Redis, mirror: Mirror, session_id: str
) -> None:
    append(ledger, story())
    mirror.catch_up()
    messages = {(channel, body["seq"]): body for channel, body in expected(ledger)}
    prices, board = cache(redis_client, session_id)
    assert prices == {
        "AAPL": messages["market_data", 3],
        "AAPL.XNYS": messages["market_data", 3],
        "BTCUSDT": messages["market_data", 9],
        "BTCUSDT.BINANCE-SPOT": messages["market_data", 2],
        "BTCUSDT.BINANCE-USDM": messages["market_data", 9],
    }
    assert board == messages["paper_portfolio_updates", 12]


def test_readers_that_know_no_session_find_the_one_that_began_last(
    ledger: EventLedger, redis_client: redis.Redis, mirror: Mirror, session_id: str
) -> None:
    append(ledger, story()[:2])
    with closing(new_ledger(redis_client, f"{session_id}-later")) as later:
        append(later, story()[:12])
        with closing(Mirror(later, redis_client)) as later_mirror:
            later_mirror.catch_up()
        append(ledger, story()[2:])
        mirror.catch_up()
        held = latest(redis_client)
        assert held["session"] == later.session
        assert json.loads(held["price:BTCUSDT"])["session_id"] == later.session
        assert json.loads(held["leaderboard"]) == cache(redis_client, later.session)[1]


def test_a_later_session_leaves_nothing_of_the_one_before(
    ledger: EventLedger, redis_client: redis.Redis, mirror: Mirror, session_id: str
) -> None:
    append(ledger, story())
    mirror.catch_up()
    assert latest(redis_client)["session"] == session_id
    with closing(new_ledger(redis_client, f"{session_id}-later")) as later:
        append(later, story()[:2])
        with closing(Mirror(later, redis_client)) as later_mirror:
            later_mirror.catch_up()
        assert latest(redis_client).keys() == {"session", "started", "price:BTCUSDT", "price:BTCUSDT.BINANCE-SPOT"}


def test_a_restart_renews_what_readers_that_know_no_session_see(
    ledger: EventLedger, redis_client: redis.Redis, mirror: Mirror, session_id: str
) -> None:
    append(ledger, story())
    mirror.catch_up()
    whole = latest(redis_client)
    redis_client.hdel(LATEST_KEY, "price:AAPL", "leaderboard")
    with closing(Mirror(ledger, redis_client)):
        assert latest(redis_client) == whole
