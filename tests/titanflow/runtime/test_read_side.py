"""Tables and mirror that cannot follow: the session trades on, ends in time, says what lags, and it is brought up."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from projections.database import connect
from projections.migrate import migrate
from projections.verify import verify as verify_projections
from support.mirrored_ledger import expected
from support.short_session import settings_of
from support.subscriber import Subscriber
from titanflow.errors import SessionStateError
from titanflow.runtime import session_run
from titanflow.runtime.patience import Patience
from titanflow.runtime.processor import is_over
from titanflow.runtime.reading import what_is_behind
from titanflow.runtime.session_run import SessionRun
from titanflow.runtime.troubles import troubles_of

pytestmark = pytest.mark.e2e

Open = Callable[..., SessionRun]


class Clock:
    """The time by which a run's patience goes: it stands still but for the test."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def run_out_for(self, run: SessionRun, *lagging: str) -> Callable[[], None]:
        """To be called at each look: time passes once all but the lagging services are done."""
        others = [name for name in run.supervisor.services if name not in lagging]

        def look() -> None:
            if run.supervisor.are_done(others):
                self.now += run.settings.runtime.end_seconds

        return look


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(session_run, "Patience", lambda seconds: Patience(seconds, clock=made))
    return made


@pytest.fixture
def open_run(redis_url: str, database: str, tmp_path: Path, brief_tape: Path, clock: Clock) -> Open:
    """Opens a session on the shared servers."""
    migrate(database)

    def open_one(url: str = redis_url) -> SessionRun:
        settings = settings_of(tmp_path, brief_tape, redis_url=url, database_url=database)
        return SessionRun.open(settings, url, database)

    return open_one


def set_read_only(database: str, value: str) -> None:
    with connect(database) as connection:
        connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = {value}")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                           "AND pid <> pg_backend_pid()")  # fmt: skip


def what_befell(run: SessionRun, service: str) -> list[str]:
    return [incident.what for incident in run.incidents.all() if incident.service == service]


def assert_whole(run: SessionRun, database: str) -> None:
    """The session is over, and its tables hold all of it."""
    assert run.problem == ""
    assert is_over(run.ledger)
    report = verify_projections(database, run.ledger)
    assert report.identical
    assert report.seq == run.ledger.last_seq()


def test_tables_that_cannot_be_written_lag_and_a_resume_brings_them_up(
    open_run: Open, redis_url: str, database: str, clock: Clock
) -> None:
    run = open_run()
    set_read_only(database, "on")
    time_passes = clock.run_out_for(run, "projector")
    projector = run.supervisor.services["projector"]
    run.run(lambda: time_passes() if projector.told.trouble or projector.reason else None)
    assert run.problem == ""
    assert is_over(run.ledger)
    assert list(run.behind) == ["tables"]
    assert run.behind["tables"].events == run.ledger.last_seq()
    assert "read-only" in run.behind["tables"].reason
    assert what_befell(run, "projector")[-1] == "behind"
    set_read_only(database, "off")
    again = SessionRun.resume(run.settings, redis_url, database, run.session)
    assert set(again.supervisor.services) == {"projector"}, "the mirror and the deciders have nothing left to do"
    again.run(lambda: None)
    assert again.behind == {}
    assert_whole(again, database)
    assert what_befell(again, "projector")[-1] == "caught up"
    with pytest.raises(SessionStateError, match="has ended"):
        SessionRun.resume(run.settings, redis_url, database, run.session)


def test_tables_catch_up_by_themselves_once_they_can_be_written(open_run: Open, database: str) -> None:
    run = open_run()
    set_read_only(database, "on")
    seen: list[str] = []

    def mend() -> None:
        lagging = [line for line in troubles_of(run) if line.startswith("tables lag, trading goes on")]
        if lagging and not seen:
            seen.extend(lagging)
            set_read_only(database, "off")

    run.run(mend)
    assert "read-only" in seen[0]
    assert run.behind == {}
    assert what_befell(run, "projector")[:1] == ["waits"]
    assert_whole(run, database)


def test_a_database_that_does_not_answer_does_not_hold_the_end(open_run: Open, database: str, clock: Clock) -> None:
    run = open_run()
    with connect(database) as holder, holder.transaction():
        holder.execute("LOCK TABLE titanflow.checkpoints IN ACCESS EXCLUSIVE MODE")
        run.run(clock.run_out_for(run, "projector"))
    assert run.problem == ""
    assert is_over(run.ledger)
    assert run.behind["tables"].events == run.ledger.last_seq()


def test_one_stop_ends_the_wait_for_the_tables(open_run: Open, database: str) -> None:
    run = open_run()
    set_read_only(database, "on")
    asked: list[int] = []

    def stop() -> None:
        if not asked and run.supervisor.are_done(["fused", "mirror"]):
            asked.append(run.observer.last_seq)
            os.kill(os.getpid(), signal.SIGTERM)

    run.run(stop)
    assert asked
    assert list(run.behind) == ["tables"]


@pytest.fixture
def url_without_channels(redis_client: redis.Redis, redis_url: str, session_id: str) -> Iterator[str]:
    """The URL of a user who may do everything but publish, as Redis 7 makes them."""
    rules = ("on", ">secret", "~*", "+@all", "resetchannels")
    redis_client.execute_command("ACL", "SETUSER", f"user-{session_id}", *rules)
    options = redis_client.connection_pool.connection_kwargs
    yield f"redis://user-{session_id}:secret@{options['host']}:{options['port']}/0"
    redis_client.execute_command("ACL", "DELUSER", f"user-{session_id}")


def test_a_mirror_without_rights_is_named_at_the_start_and_loses_nothing(
    open_run: Open, url_without_channels: str, redis_client: redis.Redis, database: str, session_id: str, clock: Clock
) -> None:
    run = open_run(url_without_channels)
    (warning,) = run.warnings
    assert "publish on market_data" in warning
    assert "allchannels" in warning, "it says what to do"
    run.run(clock.run_out_for(run, "mirror"))
    assert run.problem == ""
    assert run.behind["mirror"].events == run.ledger.last_seq() - run.ledger.checkpoint("mirror")
    assert run.ledger.checkpoint("mirror") <= 1, "the session's start alone has no message"
    assert "publish on" in run.behind["mirror"].reason
    assert_whole(run, database)
    redis_client.execute_command("ACL", "SETUSER", f"user-{session_id}", "allchannels")
    with closing(Subscriber(redis_client, run.session)) as subscriber:
        again = SessionRun.resume(run.settings, url_without_channels, database, run.session)
        assert set(again.supervisor.services) == {"mirror"}
        again.run(lambda: None)
        assert subscriber.hear() == expected(run.ledger)
    assert what_is_behind(run.ledger, database) == {}


def test_a_database_that_is_away_counts_as_behind(open_run: Open) -> None:
    run = open_run()
    behind = what_is_behind(run.ledger, "postgresql://ada:secret@127.0.0.1:1/nothing")
    assert behind["tables"].events == 1
    assert "secret" not in behind["tables"].reason


def test_patience_is_spent_only_while_nothing_changes() -> None:
    now = [0.0]
    patience = Patience(10.0, clock=lambda: now[0])
    spent = []
    for at, mark in ((0, "a"), (9, "a"), (12, "b"), (21, "b"), (22, "b")):
        now[0] = float(at)
        spent.append(patience.is_spent(mark))
    assert spent == [False, False, False, False, True]
