"""A start that fails leaves no dead name; one that was killed leaves one that a later start takes over."""

import time
from pathlib import Path

import pytest
import redis

from eventstore.ledger import Move
from eventstore.sessions import Sessions
from support.short_session import open_fused
from titanflow.errors import ModelError, SessionStateError
from titanflow.gateway.lifecycle import OPENING
from titanflow.runtime import session_run
from titanflow.runtime.ledgers import new_ledger
from titanflow.runtime.opening import OPENS_WITHIN_NANOS
from titanflow.runtime.runs import run_directory


@pytest.mark.parametrize("failure", [ModelError("changed"), OSError("disk full"), KeyboardInterrupt()])
def test_whatever_fails_before_the_first_event_takes_the_name_back(
    redis_url: str,
    redis_client: redis.Redis,
    tmp_path: Path,
    brief_tape: Path,
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
) -> None:
    def fail(*_: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(session_run, "deposit_models", fail)
        with pytest.raises(type(failure)):
            open_fused(redis_url, tmp_path, brief_tape, session_id)
    assert not Sessions(redis_client).exists(session_id)
    assert not run_directory(tmp_path, session_id).exists()
    assert open_fused(redis_url, tmp_path, brief_tape, session_id).ledger.last_seq() == 1


def test_a_name_that_a_killed_start_left_behind_is_taken_over_and_a_young_one_is_not(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, brief_tape: Path, session_id: str
) -> None:
    young, old = session_id, f"{session_id}-old"
    Sessions(redis_client).register(young, time.time_ns())
    Sessions(redis_client).register(old, time.time_ns() - OPENS_WITHIN_NANOS - 1)
    with pytest.raises(SessionStateError, match="exists already"):
        open_fused(redis_url, tmp_path, brief_tape, young)
    assert Sessions(redis_client).exists(young)
    assert open_fused(redis_url, tmp_path, brief_tape, old).ledger.last_seq() == 1


def test_a_session_that_was_opened_is_never_taken_over(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, brief_tape: Path, session_id: str
) -> None:
    Sessions(redis_client).register(session_id, 1)
    new_ledger(redis_client, session_id).append([], [OPENING])
    with pytest.raises(SessionStateError, match="exists already"):
        open_fused(redis_url, tmp_path, brief_tape, session_id)
    assert Sessions(redis_client).exists(session_id)


def test_two_that_take_over_at_once_open_it_once(
    redis_url: str,
    redis_client: redis.Redis,
    tmp_path: Path,
    brief_tape: Path,
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Sessions(redis_client).register(session_id, 1)

    def overtaken(*_: object) -> None:
        new_ledger(redis_client, session_id).append([], [OPENING, Move("other", 0, 1)])

    monkeypatch.setattr(session_run, "deposit_models", overtaken)
    with pytest.raises(SessionStateError, match="exists already"):
        open_fused(redis_url, tmp_path, brief_tape, session_id)
    assert Sessions(redis_client).exists(session_id)
