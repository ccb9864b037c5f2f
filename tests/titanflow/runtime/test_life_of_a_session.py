"""Opening, resuming and refusing: no state that a kill can leave behind hurts what comes after."""

from pathlib import Path

import pytest
import redis

from eventstore.errors import FencedError
from eventstore.ledger import Move
from eventstore.sessions import Sessions
from projections.migrate import migrate
from support.short_session import events_of, open_fused, play_fused, settings_of
from support.waiting import wait_until
from titanflow.deciders import DECIDERS
from titanflow.domain.events import OperatorCommanded, SessionEnded, SessionStarted
from titanflow.domain.types import OperatorAction
from titanflow.errors import InputError, SessionNotFoundError, SessionStateError, SettingsError
from titanflow.gateway.lifecycle import ENDING, has_ended
from titanflow.runtime import session_run
from titanflow.runtime.ledgers import EventLedger, connect, new_ledger
from titanflow.runtime.operator_desk import command
from titanflow.runtime.reading import catch_up_tables
from titanflow.runtime.retry import retry_dead_letters
from titanflow.runtime.runs import load_run, run_directory
from titanflow.runtime.session_run import SessionRun, open_run
from titanflow.runtime.sessions import describe

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/none"


def resume(home: Path, tape: Path, url: str, session: str) -> SessionRun:
    return SessionRun.resume(settings_of(home, tape), url, NOWHERE, session)


def test_an_opened_session_has_its_first_event_and_its_run_file(redis_url: str, tmp_path: Path, tape: Path) -> None:
    opened = open_fused(redis_url, tmp_path, tape, seed=11)
    (started,) = events_of(opened.ledger)
    assert isinstance(started, SessionStarted)
    assert load_run(tmp_path, opened.ledger.session).seed == started.seed == 11


def test_a_name_is_taken_once(redis_url: str, tmp_path: Path, tape: Path, session_id: str) -> None:
    open_fused(redis_url, tmp_path, tape, session_id, seed=1)
    with pytest.raises(SessionStateError, match="exists already"):
        open_fused(redis_url, tmp_path, tape, session_id, seed=2)
    assert load_run(tmp_path, session_id).seed == 1, "the run file of the first was overwritten"


def test_interrupted_before_its_first_event_a_session_leaves_no_name_and_nothing_to_resume(
    redis_url: str, tmp_path: Path, tape: Path, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(session_run, "save_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_fused(redis_url, tmp_path, tape, session_id)
    assert describe(new_ledger(connect(redis_url), session_id), 0).state == "empty"
    with pytest.raises(SessionNotFoundError):
        resume(tmp_path, tape, redis_url, session_id)
    assert open_fused(redis_url, tmp_path, tape, session_id).ledger.session == session_id


def test_a_session_without_its_run_file_cannot_be_resumed_and_says_which_is_missing(
    redis_url: str, tmp_path: Path, tape: Path
) -> None:
    session = open_fused(redis_url, tmp_path, tape).ledger.session
    path = run_directory(tmp_path, session) / "run.json"
    path.unlink()
    with pytest.raises(SessionStateError, match=r"run\.json is missing or damaged"):
        resume(tmp_path, tape, redis_url, session)
    path.write_text('{"seed": "of doubt"}')
    with pytest.raises(SessionStateError, match=r"run\.json is missing or damaged"):
        resume(tmp_path, tape, redis_url, session)


def test_a_session_that_nobody_knows_cannot_be_resumed(redis_url: str, tmp_path: Path, tape: Path) -> None:
    with pytest.raises(SessionNotFoundError):
        resume(tmp_path, tape, redis_url, "nobody-knows-it")


def test_a_session_is_resumed_with_its_own_settings_on_the_servers_of_today(
    redis_url: str, tmp_path: Path, tape: Path
) -> None:
    session = open_fused(redis_url, tmp_path, tape, seed=11).ledger.session
    moved = settings_of(tmp_path, tape, seed=12, redis_url=redis_url)
    run = SessionRun.resume(moved, redis_url, NOWHERE, session)
    assert run.settings.seed == 11
    assert run.settings.redis_url == redis_url


def test_a_session_is_complete_once_tables_and_mirror_hold_all_of_it(
    redis_url: str, tmp_path: Path, tape: Path, database: str
) -> None:
    migrate(database)
    ledger = play_fused(redis_url, tmp_path, tape)
    SessionRun.resume(settings_of(tmp_path, tape), redis_url, database, ledger.session)  # the tables hold nothing of it
    catch_up_tables(database, ledger)
    with pytest.raises(SessionStateError, match="has ended"):
        SessionRun.resume(settings_of(tmp_path, tape), redis_url, database, ledger.session)
    last = ledger.last_seq()
    ledger.append([], [Move("mirror", 0, last - 1)])
    SessionRun.resume(settings_of(tmp_path, tape), redis_url, database, ledger.session)  # the mirror lacks its last
    ledger.append([], [Move("mirror", last - 1, last)])
    with pytest.raises(SessionStateError, match="has ended"):
        SessionRun.resume(settings_of(tmp_path, tape), redis_url, database, ledger.session)


def test_a_server_that_came_back_with_less_is_observed_anew(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, tape: Path
) -> None:
    whole = events_of(play_fused(redis_url, tmp_path, tape))
    opened = open_fused(redis_url, tmp_path, tape)
    run = resume(tmp_path, tape, redis_url, opened.ledger.session)
    opened.ledger.append(whole[1:2_000], [Move("gateway", 0, 1)])
    run.observe()
    assert run.observer.last_seq == 2_000
    keys = redis_client.keys(f"titanflow:{{{run.session}}}:*")
    redis_client.delete(*keys)  # type: ignore[misc]
    opened.ledger.append(whole[:500], [Move("gateway", 0, 1)])
    wait_until(lambda: [run.observe(), run.observer.last_seq][1] == 500)
    assert run.observer.count(SessionStarted) == 1


def test_an_ended_session_whose_deciders_owe_decisions_is_ending_and_may_be_resumed(
    redis_url: str, tmp_path: Path, tape: Path
) -> None:
    opened = open_fused(redis_url, tmp_path, tape)
    started = events_of(opened.ledger)[0]
    opened.ledger.append([SessionEnded(started.at, "stopped")], [ENDING])  # type: ignore[attr-defined]
    assert describe(opened.ledger, 0).state == "ending"
    resume(tmp_path, tape, redis_url, opened.ledger.session)
    for name in (*DECIDERS, "mirror"):
        opened.ledger.append([], [Move(name, 0, 2)])
    assert describe(opened.ledger, 0).state == "ended"


def test_a_tape_at_full_speed_is_refused_to_separate_services(redis_url: str, tmp_path: Path, tape: Path) -> None:
    with pytest.raises(SettingsError, match="fused"):
        SessionRun.open(settings_of(tmp_path, tape, topology="services"), redis_url, NOWHERE)


# --- what comes from outside beside the feed -------------------------------------------------------------------------


@pytest.fixture
def ledger(redis_url: str, tmp_path: Path, tape: Path) -> EventLedger:
    return open_fused(redis_url, tmp_path, tape).ledger


def test_an_operators_command_enters_with_the_time_of_the_last_event(ledger: EventLedger) -> None:
    (started,) = events_of(ledger)
    seq = command(ledger, OperatorAction.KILL, "ada", reason="lunch")
    assert seq == 2
    assert events_of(ledger)[1] == OperatorCommanded(
        started.at,  # type: ignore[attr-defined]
        OperatorAction.KILL,
        "ada",
        "",
        "",
        "lunch",
    )


def test_a_contender_that_is_not_there_cannot_be_commanded(ledger: EventLedger) -> None:
    with pytest.raises(InputError, match="nobody"):
        command(ledger, OperatorAction.KILL, "ada", contender="nobody")
    assert ledger.last_seq() == 1


def test_a_session_that_was_never_opened_takes_no_commands(redis_client: redis.Redis, session_id: str) -> None:
    Sessions(redis_client).register(session_id, 0)
    ledger = new_ledger(redis_client, session_id)
    with pytest.raises(SessionStateError, match="never opened"):
        command(ledger, OperatorAction.KILL, "ada")
    assert ledger.last_seq() == 0


class EndsMeanwhile:
    """A ledger in which the session ends just before the next event enters."""

    def __init__(self, ledger: EventLedger) -> None:
        self._ledger = ledger

    def append(self, events: list[OperatorCommanded], moves: list[Move]) -> range:
        at = events[0].at
        self._ledger.append([SessionEnded(at, "end of feed")], [ENDING])
        return self._ledger.append(events, moves)

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)


def test_a_command_at_the_very_end_enters_before_it_or_not_at_all(ledger: EventLedger) -> None:
    with pytest.raises(SessionStateError, match="nothing left to kill"):
        command(EndsMeanwhile(ledger), OperatorAction.KILL, "ada")  # type: ignore[arg-type]
    assert has_ended(ledger)
    assert type(events_of(ledger)[-1]) is SessionEnded
    with pytest.raises(SessionStateError, match="nothing left to resume"):
        command(ledger, OperatorAction.RESUME, "ada")


def test_a_dead_letter_is_not_retried_into_an_ended_session(ledger: EventLedger) -> None:
    started = events_of(ledger)[0]
    ledger.append([SessionEnded(started.at, "end of feed")], [ENDING])  # type: ignore[attr-defined]
    with pytest.raises(SessionStateError, match="nothing left to retry"):
        retry_dead_letters(ledger)


def test_two_processes_cannot_both_end_a_session(ledger: EventLedger, redis_client: redis.Redis) -> None:
    started = events_of(ledger)[0]
    end = SessionEnded(started.at, "stopped")  # type: ignore[attr-defined]
    ledger.append([end], [ENDING])
    with pytest.raises(FencedError, match="session"):
        new_ledger(redis_client, ledger.session).append([end], [ENDING])


def test_opening_under_a_new_name_makes_one_up(redis_url: str, tmp_path: Path, tape: Path) -> None:
    names = {open_run(settings_of(tmp_path, tape), redis_url, None).ledger.session for _ in range(2)}
    assert len(names) == 2
