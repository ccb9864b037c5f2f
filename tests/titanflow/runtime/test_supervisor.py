"""Supervised processes: restarted with back-off up to a limit, stopped politely and then not, never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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

    def make(*names: str, limit: int = 0, hang_seconds: float = 60.0, **more: Any) -> Supervisor:
        limits = {"restart_limit": limit, "hang_seconds": hang_seconds}
        made.append(Supervisor(tmp_path, "unruly", names, {"TITANFLOW_HOME": str(tmp_path)}, **limits, **more))
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


YEAR_S = 365 * 86_400.0
"""Longer than any try has to live to be taken for steady."""


def fall(watched: Supervisor, name: str, clock: Clock) -> None:
    """Let one try of a service live for a year and fall, and start the next, if there is one."""
    service = watched.services[name]
    assert service.process is not None
    service.process.wait()
    clock.now += YEAR_S
    assert watched.watch() == [service]
    clock.now += YEAR_S
    watched.watch()


def test_a_service_that_falls_at_the_same_event_is_given_up_however_long_each_try_lived(
    supervise: Supervise, clock: Clock
) -> None:
    told: list[tuple[str, ...]] = []
    watched = supervise("stuck", limit=2, hang_seconds=1e12, on_incident=lambda *words: told.append(words))
    watched.start()
    for _ in range(3):
        fall(watched, "stuck", clock)
    assert [service.name for service in watched.failed] == ["stuck"]
    assert [what for _, what, _ in told] == ["crashed"] * 3 + ["given up"]
    assert all("at seq 7" in reason for _, what, reason in told if what == "crashed")


def test_a_service_that_comes_further_with_each_try_is_started_again_without_end(
    supervise: Supervise, clock: Clock
) -> None:
    watched = supervise("advances", limit=1, hang_seconds=1e12)
    watched.start()
    for _ in range(5):
        fall(watched, "advances", clock)
    assert watched.failed == []
    assert watched.services["advances"].total_restarts == 5


def test_progress_is_what_the_ledger_says_where_it_says_anything(supervise: Supervise, clock: Clock) -> None:
    checkpoints = iter((10, 20, 20, 20))
    watched = supervise("falls", limit=1, hang_seconds=1e12, progress_of=lambda name: next(checkpoints))
    watched.start()
    for _ in range(3):
        fall(watched, "falls", clock)
    assert [service.name for service in watched.failed] == ["falls"]


def test_a_lasting_service_is_never_given_up(supervise: Supervise, clock: Clock) -> None:
    watched = supervise("falls", limit=1, hang_seconds=1e12, lasting={"falls"})
    watched.start()
    for _ in range(5):
        fall(watched, "falls", clock)
    assert watched.failed == []
    assert watched.services["falls"].health is Health.RUNNING


def test_a_service_that_would_be_refused_again_is_not_started_again(supervise: Supervise) -> None:
    watched = supervise("refuses", limit=9)
    watched.start()
    watched_until(watched, lambda: watched.failed)
    (failed,) = watched.failed
    assert failed.total_restarts == 1
    assert failed.reason == "the feed is not the one"


@pytest.mark.parametrize(
    ("name", "what", "reason"),
    [
        ("speaks", "fenced", "checkpoint 'risk' was moved by another"),
        ("raises", "crashed", "ValueError: a rule divides by zero"),
        ("falls", "crashed", "exit code 1"),
    ],
)
def test_the_reason_of_a_fall_is_kept(supervise: Supervise, name: str, what: str, reason: str) -> None:
    told: list[tuple[str, ...]] = []
    watched = supervise(name, limit=0, on_incident=lambda *words: told.append(words))
    watched.start()
    watched_until(watched, lambda: watched.failed)
    assert watched.services[name].reason == reason
    assert told[0][:2] == (name, what)
    assert told[0][2].startswith(reason)


def test_kills_and_hangs_are_told_apart(supervise: Supervise, clock: Clock) -> None:
    told: list[tuple[str, ...]] = []
    watched = supervise("waits", limit=9, on_incident=lambda *words: told.append(words))
    watched.start()
    watched_until(watched, lambda: says(watched, "waits", "waits"))
    os.kill(pid_of(watched, "waits"), signal.SIGKILL)
    watched_until(watched, lambda: len(told) == 1)
    assert told[0][:2] == ("waits", "killed")
    assert "memory" in told[0][2], "the system kills like that when memory runs out"
    clock.now += FIRST_BACKOFF_S
    watched_until(watched, lambda: watched.log_path("waits").read_text().count("waits") == 2)
    os.kill(pid_of(watched, "waits"), signal.SIGSTOP)
    clock.now = max(clock.now, time.monotonic()) + 60.1
    watched_until(watched, lambda: len(told) == 2)
    assert told[1][:2] == ("waits", "hung")


def test_a_service_that_hangs_at_the_same_event_is_given_up_however_long_each_try_lived(
    supervise: Supervise, clock: Clock
) -> None:
    watched = supervise("waits", limit=1)
    watched.start()
    service = watched.services["waits"]
    for tries in (1, 2):
        watched_until(watched, lambda tries=tries: watched.log_path("waits").read_text().count("waits") == tries)
        os.kill(pid_of(watched, "waits"), signal.SIGSTOP)
        clock.now = max(clock.now, time.monotonic()) + YEAR_S
        watched_until(watched, lambda tries=tries: service.total_restarts == tries)
        clock.now += LONGEST_BACKOFF_S
    assert watched.failed == [service]
    assert "no sign of life" in service.reason


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
