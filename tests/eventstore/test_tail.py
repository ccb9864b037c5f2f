import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from eventstore.errors import LedgerGapError, LedgerLostError
from support.ledger_kit import AnyLedger, Event, OpenLedger, fill, prices
from support.waiting import PATIENCE_S, wait_until


def forget(client: redis.Redis, session: str) -> None:
    """What FLUSHALL does to this session."""
    client.delete(*client.keys(f"titanflow:{{{session}}}:*"))


def is_blocked(client: redis.Redis) -> bool:
    """Whether some reader waits at the server."""
    return bool(client.info("clients")["blocked_clients"])


def test_a_reader_that_follows_sees_every_block_once(ledger: AnyLedger, open_ledger: OpenLedger) -> None:
    reader, seen, after = open_ledger(), list[Event](), 0
    written = list[Event]()
    for size in (1, 3, 2, 1, 7):
        written += fill(ledger, range(size), range(size))
        while blocks := reader.tail(after, timeout=0):
            seen += [event for block in blocks for event in block.events]
            after = blocks[-1].last
    assert seen == written


def test_a_reader_waits_for_the_next_block(
    ledger: AnyLedger, open_ledger: OpenLedger, redis_client: redis.Redis
) -> None:
    fill(ledger, [1])
    reader = open_ledger()
    assert reader.tail(0, timeout=0)[-1].last == 1
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.tail, 1, 30.0)
        wait_until(lambda: is_blocked(redis_client), message="the reader to wait at the server")
        fill(ledger, [2, 3])
        assert [block.events for block in waiting.result(timeout=PATIENCE_S)] == [prices(2, 3)]


@pytest.mark.parametrize("timeout", [0.0, 0.05])
def test_a_reader_comes_back_empty_when_its_time_is_over(ledger: AnyLedger, timeout: float) -> None:
    fill(ledger, [1])
    started = time.monotonic()
    assert ledger.tail(1, timeout) == []
    assert time.monotonic() - started >= timeout


def test_no_more_blocks_than_the_limit_are_returned(ledger: AnyLedger) -> None:
    fill(ledger, [1, 2], [3], [4])
    assert [block.last for block in ledger.tail(0, 0, limit=2)] == [2, 3]
    assert [block.last for block in ledger.tail(3, 0, limit=2)] == [4]


def test_a_reader_inside_a_block_gets_the_rest_of_it_first(ledger: AnyLedger) -> None:
    fill(ledger, [1, 2, 3, 4], [5])
    (rest,) = ledger.tail(2, timeout=0)
    assert (rest.first, rest.last, rest.events) == (3, 4, prices(3, 4))
    assert [block.events for block in ledger.tail(4, timeout=0)] == [prices(5)]


@pytest.mark.parametrize("removed", ["2-0", "3-0"])
def test_a_missing_block_is_a_gap_for_a_reader_that_follows(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str, removed: str
) -> None:
    fill(ledger, [1], [2], [3])
    redis_client.xdel(ledger_key, removed)
    after = ledger.tail(0, timeout=0)[-1].last
    with pytest.raises(LedgerGapError, match=f"seq {removed[0]}"):
        ledger.tail(after, timeout=0)


def test_an_entry_that_overlaps_what_was_read_is_found(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str
) -> None:
    fill(ledger, [1, 2, 3])
    assert ledger.tail(0, timeout=0)[-1].last == 3
    redis_client.xadd(ledger_key, {"h": b"", "p": b""}, id="2-0")
    with pytest.raises(LedgerGapError, match="expected seq 4, found 2"):
        ledger.tail(3, timeout=0)


def test_a_position_whose_block_is_missing_is_a_gap(
    ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str
) -> None:
    fill(ledger, [1], [2], [3])
    redis_client.xdel(ledger_key, "2-0")
    with pytest.raises(LedgerGapError, match="seq 2"):
        ledger.tail(2, timeout=0)


def test_a_position_beyond_the_end_is_a_lost_ledger(ledger: AnyLedger) -> None:
    fill(ledger, [1])
    with pytest.raises(LedgerLostError, match="seq 2 was read before, but the server's ledger now ends at 1"):
        ledger.tail(2, timeout=0)


def test_a_reader_notices_that_the_server_was_emptied(
    ledger: AnyLedger, redis_client: redis.Redis, session_id: str
) -> None:
    fill(ledger, [1], [2])
    assert ledger.tail(0, timeout=0)[-1].last == 2
    forget(redis_client, session_id)
    with pytest.raises(LedgerLostError):
        ledger.tail(2, timeout=0)


def test_a_reader_that_waits_notices_that_the_server_was_emptied(
    ledger: AnyLedger, open_ledger: OpenLedger, redis_client: redis.Redis, session_id: str
) -> None:
    fill(ledger, [1])
    reader = open_ledger()
    reader.tail(0, timeout=0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.tail, 1, 60.0)
        wait_until(lambda: is_blocked(redis_client), message="the reader to wait at the server")
        forget(redis_client, session_id)
        assert isinstance(waiting.exception(timeout=PATIENCE_S), LedgerLostError)


def test_a_server_that_comes_back_with_another_past_is_noticed(
    ledger: AnyLedger, open_ledger: OpenLedger, redis_client: redis.Redis, session_id: str
) -> None:
    reader = open_ledger()
    fill(ledger, [1], [2])
    assert reader.tail(0, timeout=0)[-1].last == 2
    forget(redis_client, session_id)
    fill(ledger, [1], [99], [3])
    redis_client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(LedgerLostError, match="came back with other events up to seq 2"):
        reader.tail(2, timeout=0)


def test_a_cut_connection_does_not_disturb_a_reader(
    ledger: AnyLedger, open_ledger: OpenLedger, redis_client: redis.Redis
) -> None:
    fill(ledger, [1])
    reader = open_ledger()
    reader.tail(0, timeout=0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.tail, 1, 30.0)
        wait_until(lambda: is_blocked(redis_client), message="the reader to wait at the server")
        redis_client.client_kill_filter(_type="normal", skipme=True)
        fill(ledger, [2])
        assert [block.events for block in waiting.result(timeout=PATIENCE_S)] == [prices(2)]


def test_many_readers_follow_one_writer(ledger: AnyLedger, open_ledger: OpenLedger) -> None:
    def follow(reader: AnyLedger) -> list[Event]:
        seen, after = list[Event](), 0
        while after < 60:
            for block in reader.tail(after, timeout=30):
                seen += block.events
                after = block.last
        return seen

    readers = [open_ledger() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        following = [pool.submit(follow, reader) for reader in readers]
        written = fill(ledger, *[range(n % 4 + 1) for n in range(24)])
        assert [each.result(timeout=PATIENCE_S) for each in following] == [written] * 3
