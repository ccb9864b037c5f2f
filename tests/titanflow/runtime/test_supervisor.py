"""Supervised processes: restarted with back-off up to a limit, stopped politely and then not, never left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support.waiting import wait_until
from titanflow.runtime import supervisor as supervisor_module
from titanflow.runtime.supervisor import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, Health, Supervisor

SUPPORT = Path(__file__).resolve().parents[2] / "support"

Supervise = Callable[..., Supervisor]


@pytest.fixture
def supervise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervise]:
    """Makes a supervisor of unruly services, which ends with the test."""
    monkeypatch.setattr(supervisor_module, "_COMMAND", (sys.executable, str(SUPPORT / "unruly_service.py")))
    made: list[Supervisor] = []

    def make(*names: str, limit: int = 0, hang_seconds: float = 60.0) -> Supervisor:
        environment = {"TITANFLOW_HOME": str(tmp_path)}
        made.append(Supervisor(tmp_path, "unruly", names, environment, restart_limit=limit, hang_seconds=hang_seconds))
        return made[-1]

    yield make
    for each in made:
        each.stop(grace_s=0.0)


def watched_until(watched: Supervisor, condition: Callable[[], object]) -> None:
    wait_until(lambda: [watched.watch(), condition()][1])


def says(watched: Supervisor, name: str, word: str) -> bool:
    return word in watched.log_path(name).read_text().split()


def pid_of(watched: Supervisor, name: str) -> int:
    process = watched.services[name].process
    assert process is not None
    return process.pid


def test_a_service_that_ends_well_is_done_and_not_started_again(supervise: Supervise) -> None:
    watched = supervise("done")
    watched.start()
    watched_until(watched, lambda: watched.done)
    assert watched.services["done"].total_restarts == 0
    assert watched.failed == []


class Clock:
    """The supervisor's monotonic time, which stands still but for the test."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(supervisor_module, "time", made)
    return made


def test_a_service_without_a_sign_of_life_is_killed_and_started_again(supervise: Supervise, clock: Clock) -> None:
    watched = supervise("waits", limit=1, hang_seconds=60.0)
    watched.start()
    watched_until(watched, lambda: says(watched, "waits", "waits"))
    os.kill(pid_of(watched, "waits"), signal.SIGSTOP)
    clock.now += 60.1
    watched_until(watched, lambda: watched.services["waits"].total_restarts == 1)
    assert watched.services["waits"].exit_code == -signal.SIGKILL
    clock.now += FIRST_BACKOFF_S
    watched_until(watched, lambda: watched.log_path("waits").read_text().count("waits") == 2)


def test_a_service_that_shows_it_lives_is_left_alone_however_long_it_takes(supervise: Supervise, clock: Clock) -> None:
    watched = supervise("waits", hang_seconds=60.0)
    watched.start()
    pid, sign = pid_of(watched, "waits"), watched.heartbeat_path("waits")
    for _ in range(10):
        sign.touch()
        os.utime(sign, (clock.now, clock.now))
        clock.now += 59.0
        watched.watch()
    assert pid_of(watched, "waits") == pid
    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    assert watched.services["waits"].total_restarts == 0


def test_a_service_that_falls_is_started_again_until_it_ends_well(supervise: Supervise) -> None:
    watched = supervise("recovers", limit=5)
    watched.start()
    watched_until(watched, lambda: watched.done)
    assert watched.services["recovers"].total_restarts == 2


def test_each_fall_doubles_the_wait_before_the_next_start(supervise: Supervise, clock: Clock) -> None:
    watched = supervise("falls", limit=50)
    waits = []
    watched.start()
    service = watched.services["falls"]
    for _ in range(7):
        assert service.process is not None
        service.process.wait()
        assert watched.watch() == [service]
        assert service.health is Health.WAITING
        waits.append(service.restart_at - clock.now)
        assert watched.watch() == []
        assert service.health is Health.WAITING, "it was started before its time"
        clock.now = service.restart_at
        watched.watch()
        assert service.health is Health.RUNNING
    assert waits == pytest.approx([FIRST_BACKOFF_S * 2**n for n in range(5)] + [LONGEST_BACKOFF_S] * 2)


def test_a_service_that_falls_more_often_than_the_limit_is_given_up(supervise: Supervise) -> None:
    watched = supervise("falls", limit=1)
    watched.start()
    watched_until(watched, lambda: watched.failed)
    (failed,) = watched.failed
    assert failed.total_restarts == 2
    assert failed.exit_code == 1
    assert not watched.done


def test_a_killed_service_is_started_again_as_another_process(supervise: Supervise) -> None:
    watched = supervise("waits", limit=3)
    watched.start()
    first = pid_of(watched, "waits")
    os.kill(first, signal.SIGKILL)
    watched_until(watched, lambda: pid_of(watched, "waits") != first)
    assert watched.services["waits"].exit_code == -signal.SIGKILL


def test_a_stop_is_heard_and_answered(supervise: Supervise) -> None:
    watched = supervise("waits")
    watched.start()
    wait_until(lambda: says(watched, "waits", "waits"))
    watched.stop()
    assert says(watched, "waits", "heard")


def test_a_stop_during_start_up_is_heard_once_the_service_can_hear(supervise: Supervise) -> None:
    watched = supervise("late")
    watched.start()
    watched.signal_service("late")
    watched_until(watched, lambda: watched.services["late"].health is not Health.RUNNING)
    assert watched.services["late"].exit_code == 0
    assert says(watched, "late", "heard")


def test_a_service_that_does_not_hear_is_killed_after_the_grace(supervise: Supervise) -> None:
    watched = supervise("deaf", "waits")
    watched.start()
    wait_until(lambda: says(watched, "deaf", "waits") and says(watched, "waits", "waits"))
    pids = [pid_of(watched, name) for name in ("deaf", "waits")]
    watched.stop(grace_s=0.3)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert says(watched, "waits", "heard")


def test_signalling_a_service_that_has_ended_does_nothing(supervise: Supervise) -> None:
    watched = supervise("done")
    watched.start()
    watched_until(watched, lambda: watched.done)
    watched.signal_service("done")
    watched.stop()


def test_the_supervisor_itself_hears_stops_again_after_a_launch(supervise: Supervise) -> None:
    supervise("done").start()
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_services_do_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(SUPPORT / "run_supervisor.py"), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        orphan = psutil.Process(int(killed.stdout.readline()))
        killed.kill()
    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    log = (tmp_path / "sessions" / "orphans" / "waits.log").read_text()
    assert "heard" not in log.split(), "it ended in good order, as if it had been asked to"
