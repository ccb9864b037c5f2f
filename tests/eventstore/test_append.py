import time

import pytest
import redis
from redis.crc import key_slot

from eventstore.append import LAST_SEQ
from eventstore.errors import FencedError
from eventstore.ledger import MAX_EVENTS_A_BLOCK, Ledger, Move
from support.ledger_kit import AnyLedger, Note, OpenLedger, codec, entries, everything, fill, prices


def test_seqs_are_dense_from_one_whatever_the_blocks(ledger: AnyLedger) -> None:
    assert ledger.append(prices(1), [Move("a", 0, 1)]) == range(1, 2)
    assert ledger.append(prices(2, 3, 4), [Move("a", 1, 2)]) == range(2, 5)
    assert ledger.append(prices(5), [Move("b", 0, 10)]) == range(5, 6)
    assert ledger.last_seq() == 5
    assert everything(ledger) == prices(1, 2, 3, 4, 5)


def test_an_empty_ledger_stands_at_zero(ledger: AnyLedger) -> None:
    assert ledger.last_seq() == 0
    assert ledger.checkpoint("a") == 0
    assert ledger.checkpoints() == {}
    assert everything(ledger) == []


def test_checkpoints_move_with_the_append(ledger: AnyLedger) -> None:
    ledger.append(prices(1), [Move("signal", 0, 7), Move("risk", 0, 5)])
    assert (ledger.checkpoint("signal"), ledger.checkpoint("risk")) == (7, 5)
    assert ledger.checkpoints() == {"risk": 5, "signal": 7}


def test_an_append_of_no_events_only_moves_checkpoints(ledger: AnyLedger) -> None:
    fill(ledger, [1, 2])
    assert ledger.append([], [Move("risk", 0, 2)]) == range(3, 3)
    assert (ledger.last_seq(), ledger.checkpoint("risk")) == (2, 2)


def test_a_stale_move_is_fenced_and_nothing_at_all_is_written(ledger: AnyLedger) -> None:
    fill(ledger, [1], name="risk")
    with pytest.raises(FencedError, match="'risk' stands at 1, not at 0") as refused:
        ledger.append(prices(2), [Move("signal", 0, 1), Move("risk", 0, 1)])
    assert (refused.value.name, refused.value.expected, refused.value.found) == ("risk", 0, 1)
    assert ledger.checkpoints() == {"risk": 1}
    assert everything(ledger) == prices(1)


def test_a_move_from_beyond_the_checkpoint_is_fenced_as_perhaps_a_loss(ledger: AnyLedger) -> None:
    with pytest.raises(FencedError, match="'risk' stands at 0, not at 5: it never stood there, or the server lost"):
        ledger.append(prices(1), [Move("risk", 5, 6)])


def test_a_second_instance_with_the_same_stale_moves_is_refused(open_ledger: OpenLedger) -> None:
    moves = [Move("risk", 0, 1)]
    open_ledger().append(prices(1), moves)
    with pytest.raises(FencedError):
        open_ledger().append(prices(1), moves)


def test_a_retry_returns_the_same_seqs_and_writes_nothing_twice(ledger: AnyLedger) -> None:
    fill(ledger, [1])
    moves = [Move("guard", 0, 0), Move("risk", 0, 4), Move("signal", 0, 2)]
    assert ledger.append(prices(2, 3), moves) == range(2, 4)
    fill(ledger, [4])
    assert ledger.append(prices(2, 3), moves) == range(2, 4)
    assert everything(ledger) == prices(1, 2, 3, 4)


def test_a_retry_by_the_same_writer_in_another_process_is_recognised(open_ledger: OpenLedger) -> None:
    moves = [Move("risk", 0, 1)]
    assert open_ledger(writer="one").append(prices(1), moves) == range(1, 2)
    assert open_ledger(writer="one").append(prices(1), moves) == range(1, 2)


def test_a_retry_of_an_append_of_no_events_is_recognised(ledger: AnyLedger) -> None:
    assert ledger.append([], [Move("risk", 0, 3)]) == range(1, 1)
    fill(ledger, [1])
    assert ledger.append([], [Move("risk", 0, 3)]) == range(1, 1)


def test_other_events_under_the_same_moves_are_no_retry(ledger: AnyLedger) -> None:
    ledger.append(prices(1), [Move("risk", 0, 1)])
    with pytest.raises(FencedError):
        ledger.append(prices(2), [Move("risk", 0, 1)])


def test_a_retry_after_a_successor_moved_on_is_refused(ledger: AnyLedger, open_ledger: OpenLedger) -> None:
    ledger.append(prices(1), [Move("risk", 0, 1)])
    open_ledger().append(prices(2), [Move("risk", 1, 2)])
    with pytest.raises(FencedError):
        ledger.append(prices(1), [Move("risk", 0, 1)])


def test_a_move_that_stays_put_fences_without_moving(ledger: AnyLedger) -> None:
    ledger.append(prices(1), [Move("leader", 0, 0), Move("risk", 0, 1)])
    assert ledger.checkpoints() == {"risk": 1}
    fill(ledger, [2], name="leader")
    with pytest.raises(FencedError, match="'leader'"):
        ledger.append(prices(3), [Move("leader", 0, 0), Move("risk", 1, 2)])


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ([], "at least one checkpoint"),
        ([Move("risk", 3, 3)], "at least one checkpoint"),
        ([Move("risk", 3, 2)], "never back"),
        ([Move("risk", -1, 2)], "never back"),
        ([Move("risk", 0, 1), Move("risk", 0, 2)], "moved twice"),
        ([Move("", 0, 1)], "checkpoint name ''"),
        ([Move("two words", 0, 1)], "checkpoint name 'two words'"),
    ],
)
def test_moves_that_would_not_fence_are_refused(ledger: AnyLedger, moves: list[Move], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ledger.append(prices(1), moves)
    assert ledger.last_seq() == 0


def test_a_block_has_a_limit(ledger: AnyLedger) -> None:
    with pytest.raises(ValueError, match="too many for one block"):
        ledger.append([Note("")] * (MAX_EVENTS_A_BLOCK + 1), [Move("a", 0, 1)])
    assert ledger.append([Note("")] * MAX_EVENTS_A_BLOCK, [Move("a", 0, 1)]) == range(1, MAX_EVENTS_A_BLOCK + 1)


def test_a_retry_across_a_server_that_forgot_the_script_is_recognised(
    ledger: AnyLedger, redis_client: redis.Redis
) -> None:
    ledger.append(prices(1), [Move("risk", 0, 1)])
    redis_client.script_flush()
    assert ledger.append(prices(1), [Move("risk", 0, 1)]) == range(1, 2)
    redis_client.script_flush()
    assert ledger.append(prices(2), [Move("risk", 1, 2)]) == range(2, 3)


def test_the_time_of_the_append_is_kept_with_the_block(ledger: AnyLedger) -> None:
    before = time.time_ns()
    fill(ledger, [1])
    (block,) = ledger.read()
    assert before <= block.recorded_at <= time.time_ns()


def test_an_entry_is_stored_as_documented(ledger: AnyLedger, redis_client: redis.Redis, ledger_key: str) -> None:
    ledger.append([Note("x")], [Move("a", 0, 1)])
    ((identifier, fields),) = entries(redis_client, ledger_key)
    assert identifier == b"1-0"
    assert fields[b"p"] == b"\x91\x93\xa4note\xa1x\xc4\x00"
    assert fields[b"h"][:4] == b"\x01\x00\x00\x00"
    assert len(fields[b"h"]) == 16


def test_all_keys_of_a_session_share_one_cluster_slot(
    ledger: AnyLedger, redis_client: redis.Redis, session_id: str
) -> None:
    fill(ledger, [1])
    ledger.dead_letters.add("feed", "bad", "", b"", key="k")
    keys = list(redis_client.scan_iter(match=f"*{session_id}*"))
    assert len(keys) == 7
    assert {key_slot(key) for key in keys} == {key_slot(session_id.encode())}


def test_sessions_do_not_touch_each_other(ledger: AnyLedger, redis_client: redis.Redis, session_id: str) -> None:
    fill(ledger, [1, 2])
    other: AnyLedger = Ledger(redis_client, f"{session_id}-other", codec())
    assert fill(other, [3]) == everything(other)
    assert everything(ledger) == prices(1, 2)


@pytest.mark.parametrize("session", ["", "two words", "a{b}", "a" * 65, "a/b", "naïve", "line\n"])
def test_a_session_id_that_could_break_a_key_is_refused(redis_client: redis.Redis, session: str) -> None:
    with pytest.raises(ValueError, match="session id"):
        Ledger(redis_client, session, codec())


def test_an_append_that_fences_the_last_seq_is_refused_once_somebody_else_appended(open_ledger: OpenLedger) -> None:
    ledger, other = open_ledger(), open_ledger()
    ledger.append(prices(1), [Move("a", 0, 1), Move(LAST_SEQ, 0, 0)])
    other.append(prices(2), [Move("b", 0, 1)])
    with pytest.raises(FencedError) as fenced:
        ledger.append(prices(3), [Move("a", 1, 2), Move(LAST_SEQ, 1, 1)])
    assert (fenced.value.name, fenced.value.found) == (LAST_SEQ, 2)
    assert ledger.last_seq() == 2


def test_the_last_seq_cannot_be_moved_as_a_checkpoint_can(open_ledger: OpenLedger) -> None:
    with pytest.raises(ValueError, match="can be fenced, not moved"):
        open_ledger().append(prices(1), [Move(LAST_SEQ, 0, 1)])
