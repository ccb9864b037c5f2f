import gc
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError
from redis.retry import Retry

from eventstore.errors import LedgerUnavailableError
from eventstore.ledger import Ledger, Move
from eventstore.sessions import Sessions
from support.ledger_kit import AnyLedger, codec, everything, fill, prices
from support.mortal_redis import MortalRedis
from support.reply_dropper import ReplyDropper
from support.waiting import PATIENCE_S, wait_until


@pytest.fixture
def dropper(redis_client: redis.Redis) -> Iterator[ReplyDropper]:
    options = redis_client.connection_pool.connection_kwargs
    with ReplyDropper(options["host"], options["port"]) as proxy:
        yield proxy


@pytest.fixture
def through_dropper(dropper: ReplyDropper, redis_client: redis.Redis) -> Iterator[redis.Redis]:
    options = redis_client.connection_pool.connection_kwargs
    with redis.Redis(port=dropper.port, password=options.get("password")) as client:
        yield client


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[MortalRedis]:
    server = MortalRedis(tmp_path)
    server.start()
    yield server
    server.kill()


def test_an_append_whose_reply_was_lost_is_not_written_twice(
    dropper: ReplyDropper, through_dropper: redis.Redis, ledger: AnyLedger, session_id: str
) -> None:
    with closing(Ledger(through_dropper, session_id, codec())) as writer:
        assert writer.append(prices(1), [Move("a", 0, 1)]) == range(1, 2)
        for at in range(1, 6):
            dropper.drop_replies(2)
            assert writer.append(prices(at), [Move("a", at, at + 1)]) == range(at + 1, at + 2)
    assert dropper.dropped == 10
    assert everything(ledger) == prices(1, 1, 2, 3, 4, 5)


def test_a_tail_and_a_read_survive_lost_replies(
    dropper: ReplyDropper, through_dropper: redis.Redis, ledger: AnyLedger, session_id: str
) -> None:
    written = fill(ledger, [1, 2], [3])
    with closing(Ledger(through_dropper, session_id, codec())) as reader:
        dropper.drop_replies(2)
        assert everything(reader) == written
        dropper.drop_replies(2)
        assert [event for block in reader.tail(0, 1.0) for event in block.events] == written
    assert dropper.dropped == 4


def test_a_registration_whose_reply_was_lost_is_not_refused(
    dropper: ReplyDropper, through_dropper: redis.Redis, session_id: str
) -> None:
    sessions = Sessions(through_dropper)
    dropper.drop_replies(1)
    sessions.register(session_id, started_at=1)
    assert dropper.dropped == 1
    assert sessions.exists(session_id)


def wait_for_seq(ledger: AnyLedger, seq: int) -> None:
    wait_until(lambda: ledger.last_seq() >= seq, message=f"the writer to reach seq {seq}")


def restart_until_seen_loading(server: MortalRedis) -> None:
    """Restart it slowly until a client without patience was told LOADING."""
    with redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as impatient:
        for _ in range(5):
            server.kill()
            # A debugging option of Redis: so many microseconds for each command of the append-only file.
            server.start("--key-load-delay", "100")
            try:
                impatient.get("x")
            except BusyLoadingError:
                return
    raise AssertionError("the server was never seen loading")


def test_a_server_killed_while_a_writer_appends_loses_and_doubles_nothing(mortal: MortalRedis) -> None:
    def write(count: int) -> list[int]:
        with mortal.client() as client, closing(Ledger(client, "s", codec())) as writer:
            return [writer.append(prices(at), [Move("a", at, at + 1)]).start for at in range(count)]

    with (
        ThreadPoolExecutor(1) as pool,
        mortal.client() as client,
        closing(Ledger(client, "s", codec())) as reader,
    ):
        writing = pool.submit(write, 1500)
        for reached in (150, 600, 1050):
            wait_for_seq(reader, reached)
            mortal.kill()
            mortal.start()
        assert writing.result(timeout=PATIENCE_S) == list(range(1, 1501))
        assert everything(reader) == prices(*range(1500))
        assert reader.checkpoint("a") == 1500


def test_a_server_that_is_still_loading_is_waited_for(mortal: MortalRedis) -> None:
    with mortal.client() as client, closing(Ledger(client, "s", codec())) as ledger:
        fill(ledger, *[[n] for n in range(1500)])
        restart_until_seen_loading(mortal)
        assert ledger.append(prices(7), [Move("filler", 1500, 1501)]) == range(1501, 1502)
        assert ledger.check().events == 1501


def test_a_follower_goes_on_behind_a_restarted_server(mortal: MortalRedis) -> None:
    with mortal.client() as client, closing(Ledger(client, "s", codec())) as ledger:
        fill(ledger, [1])
        with mortal.client() as other, closing(Ledger(other, "s", codec())) as reader, ThreadPoolExecutor(1) as pool:
            assert reader.tail(0, 0)[-1].last == 1
            waiting = pool.submit(reader.tail, 1, 60.0)
            wait_until(lambda: client.info("clients")["blocked_clients"], message="the reader to wait at the server")
            mortal.kill()
            mortal.start()
            fill(ledger, [2])
            assert [block.events for block in waiting.result(timeout=PATIENCE_S)] == [prices(2)]


def test_patience_ends_where_nobody_listens(session_id: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ledger: AnyLedger = Ledger(redis.Redis(port=port), session_id, codec(), patience=0.05)
    with pytest.raises(LedgerUnavailableError, match=r"did not answer for 0\.05 s: .*refused"):
        ledger.append(prices(1), [Move("a", 0, 1)])


def test_a_wrong_password_is_told_at_once(redis_client: redis.Redis, session_id: str) -> None:
    options = redis_client.connection_pool.connection_kwargs
    stranger = redis.Redis(host=options["host"], port=options["port"], password="wrong")
    ledger: AnyLedger = Ledger(stranger, session_id, codec(), patience=60.0)
    with pytest.raises(AuthenticationError):
        ledger.last_seq()


class Interruption(Exception):
    """What a test's signal handler raises."""


@pytest.fixture
def interrupt_soon() -> Iterator[Callable[[], None]]:
    """Arms a signal whose handler raises in the main thread, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interruption

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05) and None
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_interrupted_call_leaves_no_reply_behind_for_the_next(
    ledger: AnyLedger, interrupt_soon: Callable[[], None]
) -> None:
    fill(ledger, [1])
    ledger.tail(0, timeout=0)
    interrupt_soon()
    with pytest.raises(Interruption):
        ledger.tail(1, timeout=30)
    fill(ledger, [2, 3])
    assert ledger.last_seq() == 3
    assert [block.events for block in ledger.tail(1, timeout=0)] == [prices(2, 3)]


def test_an_interrupt_between_sending_and_reading_leaves_no_reply_behind(
    ledger: AnyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise Interruption

    fill(ledger, [1, 2])
    with monkeypatch.context() as patch:
        patch.setattr(ledger._wire._connection, "read_response", interrupt)
        with pytest.raises(Interruption):
            ledger.checkpoint("filler")
    assert ledger.last_seq() == 2


@pytest.mark.parametrize("options", [{"decode_responses": True}, {"protocol": 3}, {"socket_timeout": 0.05}])
def test_the_options_of_the_client_do_not_matter(
    redis_url: str, session_id: str, options: dict[str, bool | int | float]
) -> None:
    with redis.Redis.from_url(redis_url, **options) as client, closing(Ledger(client, session_id, codec())) as ledger:
        assert fill(ledger, [1], [2]) == everything(ledger)
        assert ledger.tail(2, timeout=0.2) == []
        assert ledger.dead_letters.add("feed", "bad", "", b"\xff") == ledger.dead_letters.list()[0].id


def test_a_ledger_dropped_without_closing_lets_go_of_its_connection(redis_client: redis.Redis, session_id: str) -> None:
    ledger = Ledger(redis_client, session_id, codec())
    assert ledger.last_seq() == 0
    connection = ledger._wire._connection
    assert connection.is_connected
    del ledger
    gc.collect()
    assert not connection.is_connected
