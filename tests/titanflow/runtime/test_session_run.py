"""Whole sessions in real processes, killed in every place: the ledger stays whole and replays identical."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from filelock import FileLock

from projections.migrate import migrate
from projections.verify import verify as verify_projections
from replay.verify import verify
from support.elsewhere import ask_elsewhere
from support.legacy_contract import breaches
from support.listener import Listener
from support.mirrored_ledger import expected
from support.short_session import events_of, settings_of
from support.subscriber import CHANNELS, Subscriber
from support.waiting import wait_until
from titanflow.deciders import DECIDERS
from titanflow.domain.events import Print, SessionEnded
from titanflow.domain.types import OperatorAction
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import redis_server
from titanflow.embedded.servers import stop_all
from titanflow.errors import SessionStateError
from titanflow.gateway.lifecycle import has_ended
from titanflow.runtime.feeds import open_feed, open_provider
from titanflow.runtime.ledgers import CODEC, EventLedger, connect, open_ledger
from titanflow.runtime.operator_desk import command, session_started
from titanflow.runtime.processor import is_over
from titanflow.runtime.runs import run_directory
from titanflow.runtime.session_models import models_of, serving_here
from titanflow.runtime.session_run import SessionRun
from titanflow.runtime.supervisor import Health
from titanflow.settings import Settings
from titanflow.signal.model import NO_MODELS, Models

pytestmark = pytest.mark.e2e

SPEED = 2400
KILL, TERM = signal.SIGKILL, signal.SIGTERM
Open = Callable[..., SessionRun]


@pytest.fixture
def open_run(redis_url: str, database: str, tmp_path: Path, tape: Path) -> Open:
    """Opens a session on the shared servers; by default of separate services."""
    migrate(database)

    def open_one(topology: str = "services", speed: Any = SPEED, **changes: Any) -> SessionRun:
        places = {"redis_url": redis_url, "database_url": database, "audit_log_path": tmp_path / "audit.jsonl"}
        settings = settings_of(tmp_path, tape, topology=topology, speed=speed, **places, **changes)
        return SessionRun.open(settings, redis_url, database)

    return open_one


def pid_of(run: SessionRun, name: str) -> int:
    process = run.supervisor.services[name].process
    assert process is not None
    return process.pid


class KillInTurn:
    """Sends one service after another its signal, each as soon as the ledger has grown since the last one."""

    def __init__(self, run: SessionRun, fates: Mapping[str, signal.Signals], *, every: int = 200) -> None:
        self._run = run
        self._fates = list(fates.items())
        self._every = every
        self._mark = every

    def __call__(self) -> None:
        if not self._fates or self._run.observer.last_seq < self._mark:
            return
        name, fate = self._fates[0]
        if self._run.supervisor.services[name].health is Health.RUNNING:
            os.kill(pid_of(self._run, name), fate)
            self._fates.pop(0)
            self._mark = self._run.observer.last_seq + self._every


def tick_seqs(ledger: EventLedger) -> list[int]:
    return [seq for seq, event in enumerate(events_of(ledger), 1) if isinstance(event, Print)]


def outside_of(settings: Settings) -> list[object]:
    """What the feed says from beginning to end."""
    return [event for item in open_feed(settings, open_provider(settings)).items() for event in item.events]


def assert_proven(
    run: SessionRun, ledger: EventLedger, database: str, *, whole_feed: bool = True, models: Models = NO_MODELS
) -> None:
    """The ledger is complete and sound, decides itself again, and its projections are what it says."""
    assert run.problem == ""
    assert is_over(ledger)
    assert ledger.check().problem is None
    events = events_of(ledger)
    assert sum(type(event) is SessionEnded for event in events) == 1
    if whole_feed:
        said = outside_of(run.settings)
        assert [event for event in events if type(event) in set(map(type, said))] == said
    verdict = verify(ledger, CODEC, models=models, serving=serving_here(session_started(ledger)))
    assert verdict.divergence is None
    assert verdict.comparison == "byte for byte"
    assert verdict.digest == ledger.digest()
    report = verify_projections(database, ledger)
    assert report.differences == ()
    assert report.seq == ledger.last_seq()
    assert ledger.checkpoint("mirror") == ledger.last_seq()


def assert_audited_once(path: Path, session: str) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    seqs = [line["seq"] for line in lines if line.get("session_id") == session]
    assert seqs
    assert seqs == sorted(set(seqs))


def test_a_session_of_services_runs_to_its_end_and_replays_identical_elsewhere(
    open_run: Open, redis_url: str, redis_client: redis.Redis, database: str, tmp_path: Path
) -> None:
    run = open_run()
    looks: list[int] = []
    with (
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) as hog,
        closing(Subscriber(redis_client, run.session)) as subscriber,
    ):
        run.run(lambda: looks.append(run.observer.last_seq))
        hog.kill()
        heard = subscriber.hear()
    assert_proven(run, run.ledger, database)
    assert_audited_once(tmp_path / "audit.jsonl", run.session)
    assert heard == expected(run.ledger)
    assert {channel for channel, _ in heard} >= set(CHANNELS) - {"risk_commands"}, "time decides whether any came"
    assert [breach for channel, message in heard for breach in breaches(channel, message)] == []
    assert looks[-1] == run.ledger.last_seq()
    assert all(service.total_restarts == 0 for service in run.supervisor.services.values())
    there = ask_elsewhere(
        "replay", redis_url, run.session, environment={"PYTHONHASHSEED": "99", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    )
    assert there["identical"]
    assert there["digest"] == run.ledger.digest()


def test_ending_every_service_in_turn_loses_and_doubles_nothing(
    open_run: Open, redis_client: redis.Redis, database: str, tmp_path: Path
) -> None:
    run = open_run()
    # All but the gateway, whose stop closes the session, are missed when they are stopped before its end.
    fates = {"risk": KILL, "gateway": KILL, "execution": KILL, "mirror": KILL, "signal": TERM, "projector": KILL}
    fates |= {"leaderboard": TERM}
    with Listener(redis_client, run.session, "market_data") as heard:
        run.run(KillInTurn(run, fates))
        ticks = tick_seqs(run.ledger)
        wait_until(lambda: len(heard.seqs) == len(ticks), message="every tick to be heard")
    services = run.supervisor.services
    assert {name: service.total_restarts for name, service in services.items()} == dict.fromkeys(fates, 1)
    assert_proven(run, run.ledger, database)
    assert_audited_once(tmp_path / "audit.jsonl", run.session)
    assert heard.seqs == Counter(ticks)


def test_a_fused_session_goes_on_where_it_was_killed(open_run: Open, database: str) -> None:
    run = open_run("fused", speed=4800)
    commands: list[int] = []

    def interfere() -> None:
        kill()
        if not commands and run.observer.last_seq > 2_500:
            commands.append(command(run.ledger, OperatorAction.LIQUIDATE, "ada"))

    kill = KillInTurn(run, {"fused": KILL}, every=1_000)
    run.run(interfere)
    assert run.supervisor.services["fused"].total_restarts == 1
    assert commands
    assert_proven(run, run.ledger, database)


def test_a_duration_shorter_than_the_start_up_ends_the_session_in_good_order(open_run: Open, database: str) -> None:
    run = open_run(feed={"duration": 0.01})
    run.run(lambda: None)
    (end,) = [event for event in events_of(run.ledger) if isinstance(event, SessionEnded)]
    assert end.reason == "stopped"
    assert all(service.total_restarts == 0 for service in run.supervisor.services.values())
    assert_proven(run, run.ledger, database, whole_feed=False)


def test_a_stop_while_the_gateway_is_restarting_reaches_the_next_one(open_run: Open, database: str) -> None:
    run = open_run(speed=600)
    kill = KillInTurn(run, {"gateway": KILL})
    once = threading.Event()
    before = signal.getsignal(signal.SIGTERM)

    def stop_once() -> None:
        if not once.is_set() and run.supervisor.services["gateway"].total_restarts:
            once.set()
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            kill()

    run.run(stop_once)
    assert once.is_set()
    (end,) = [event for event in events_of(run.ledger) if isinstance(event, SessionEnded)]
    assert end.reason == "stopped"
    assert signal.getsignal(signal.SIGTERM) is before, "the run kept its signal handlers"
    assert_proven(run, run.ledger, database, whole_feed=False)


def test_a_session_that_breaks_down_stays_open_and_is_resumed(open_run: Open, redis_url: str, database: str) -> None:
    run = open_run(runtime={"restart_limit": 0})
    run.run(KillInTurn(run, {"execution": KILL}))
    assert "execution" in run.problem
    assert "--resume" in run.problem
    assert not has_ended(run.ledger)
    assert verify(run.ledger, CODEC).identical
    again = SessionRun.resume(run.settings, redis_url, database, run.session)
    again.run(lambda: None)
    assert_proven(again, again.ledger, database)


def test_one_session_is_supervised_once(open_run: Open) -> None:
    run = open_run()
    with (
        FileLock(run_directory(run.settings.home, run.session) / "supervisor.lock"),
        pytest.raises(SessionStateError, match="being run by another process"),
    ):
        run.run(lambda: None)
    assert run.ledger.last_seq() == 1


# --- with servers of its own, which are killed -----------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path, which any account may enter."""
    place = Path(tempfile.mkdtemp(prefix="tf-"))
    place.chmod(0o711)
    yield place
    stop_all(place)
    shutil.rmtree(place)


def test_killing_redis_and_postgres_in_mid_session_loses_and_doubles_nothing(home: Path, tape: Path) -> None:
    # Synced at every write: with `everysec` a killed server may lose what it has acknowledged while a sync was slow.
    redis_place, postgres_place = redis_server(home, appendfsync="always"), postgres_server(home)
    redis_url, database = redis_place.start(), postgres_place.start()
    migrate(database)
    run = SessionRun.open(settings_of(home, tape, topology="services", speed=SPEED), redis_url, database)
    killed: list[str] = []

    def crash() -> None:
        for name, server, mark in (("Redis", redis_place, 1_000), ("PostgreSQL", postgres_place, 2_500)):
            pid = server.read_pid()
            if name not in killed and run.observer.last_seq > mark and pid is not None:
                children = psutil.Process(pid).children()
                os.kill(pid, signal.SIGKILL)
                for child in children:
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
                killed.append(name)
                return

    run.run(crash)
    assert killed == ["Redis", "PostgreSQL"]
    assert sum(run.guard.restarts.values()) == 2
    assert_proven(run, open_ledger(connect(redis_url), run.session), database)


def test_a_killed_supervisor_leaves_a_session_that_is_resumed(home: Path, tape: Path, session_id: str) -> None:
    """Of the default contenders, the trained ones among them."""
    redis_url, database = redis_server(home).start(), postgres_server(home).start()
    migrate(database)
    arguments = ["live", "--session", session_id, "--tape", str(tape), "--speed", str(SPEED), "--json"]
    environment = {**os.environ, "TITANFLOW_HOME": str(home)}
    with subprocess.Popen(
        [sys.executable, "-m", "titanflow", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as live:
        client = connect(redis_url)
        counter = f"titanflow:{{{session_id}}}:seq"
        wait_until(lambda: int(client.get(counter) or 0) > 1_000, message="a session under way")  # type: ignore[arg-type]
        services = psutil.Process(live.pid).children()
        live.kill()
    assert len(services) == len(DECIDERS) + 3
    ledger = open_ledger(client, session_id)
    assert not has_ended(ledger)
    settings = settings_of(home, tape, topology="services")
    run = SessionRun.resume(settings, redis_url, database, session_id)
    run.run(lambda: None)
    assert not [service for service in services if service.is_running() and service.status() != psutil.STATUS_ZOMBIE]
    models = models_of(client, home, session_started(ledger))
    assert len(models) == 5
    assert_proven(run, ledger, database, models=models)
