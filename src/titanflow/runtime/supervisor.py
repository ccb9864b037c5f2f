"""Starts a session's services as processes, restarts the fallen with back-off, and stops them in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO

import structlog

from titanflow.runtime.heartbeat import Told, last_beat, told
from titanflow.runtime.runs import heartbeat_path, run_directory
from titanflow.runtime.stopping import STOPPED_EXIT_CODE, holding_back

log = structlog.get_logger()

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 5.0
LASTING_BACKOFF_S = 20.0
"""Between two tries of a service that is never given up, once it has had all its tries."""
REFUSALS = (2, 5, 6)
"""Exit codes of a service that would be refused again: a bad input, a session in the wrong state, a missing model."""
_LOG_TAIL_BYTES = 4096
_COMMAND = (sys.executable, "-m", "titanflow", "service")


class Health(StrEnum):
    """State of one supervised service."""

    RUNNING = "running"
    WAITING = "restarting"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Service:
    """One supervised process."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    health: Health = Health.WAITING
    started_at: float = 0.0
    restart_at: float = 0.0
    restarts: int = 0
    total_restarts: int = 0
    exit_code: int | None = None
    reached: int = 0
    """How far its work was kept when it fell last."""
    reason: str = ""
    """Why it fell last; empty once it has come further."""
    told: Told = field(default_factory=Told)
    """What it last said of itself."""
    hung: bool = False
    log_begins: int = 0
    """Where in its log the output of the present process begins."""
    log: IO[bytes] | None = field(default=None, repr=False)


OnIncident = Callable[[str, str, str], None]
"""Hears the service, what befell it in a word or two, and the reason."""


class Supervisor:
    """The processes of one session. Call `watch` often; it never blocks.

    A service that falls is started again, with back-off. It is given up when it has fallen more often than the limit
    without its work having come further in between, however long each try lived. Those of `lasting` are never given
    up: after so many falls they are tried at longer intervals.
    """

    def __init__(
        self,
        home: Path,
        session: str,
        names: Sequence[str],
        environment: Mapping[str, str],
        *,
        restart_limit: int,
        hang_seconds: float,
        lasting: Container[str] = (),
        progress_of: Callable[[str], int | None] = lambda name: None,
        on_incident: OnIncident = lambda service, what, reason: None,
    ) -> None:
        """No sign of life for `hang_seconds` is a hang.

        `progress_of` says how far a service's work is kept, None where that is not known: then its own word counts.
        """
        self._home = home
        self._session = session
        self._environment = dict(environment)
        self._restart_limit = restart_limit
        self._hang_seconds = hang_seconds
        self._lasting = lasting
        self._progress_of = progress_of
        self._on_incident = on_incident
        self.services = {name: Service(name) for name in names}

    def start(self) -> None:
        """Start every service."""
        for service in self.services.values():
            self._launch(service)

    def watch(self) -> list[Service]:
        """Look at every process, restart those whose time has come; returns the services that just fell."""
        fallen = []
        for service in self.services.values():
            service.told = told(self.heartbeat_path(service.name))
            if service.health is Health.RUNNING and self._has_fallen(service):
                fallen.append(service)
            elif service.health is Health.WAITING and time.monotonic() >= service.restart_at:
                self._launch(service)
        return fallen

    @property
    def done(self) -> bool:
        """Whether every service has ended by itself, successfully."""
        return self.are_done(self.services)

    def are_done(self, names: Iterable[str]) -> bool:
        """Whether these services have ended by themselves, successfully; those that are not ours count as done."""
        chosen = (self.services[name] for name in names if name in self.services)
        return all(service.health is Health.DONE for service in chosen)

    @property
    def failed(self) -> list[Service]:
        """Services that fell more often than the limit allows."""
        return [service for service in self.services.values() if service.health is Health.FAILED]

    def signal_service(self, name: str, signum: int = signal.SIGTERM) -> None:
        """Ask one service to stop."""
        process = self.services[name].process
        if process is not None and process.poll() is None:
            process.send_signal(signum)

    def stop(self, grace_s: float = 10.0) -> None:
        """End every process that still runs: first by SIGTERM, after `grace_s` seconds by SIGKILL."""
        running = [s for s in self.services.values() if s.process is not None and s.process.poll() is None]
        for service in running:
            self.signal_service(service.name)
        deadline = time.monotonic() + grace_s
        for service in running:
            assert service.process is not None
            try:
                service.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
            service.health = Health.DONE
        for service in self.services.values():
            if service.log is not None:
                service.log.close()

    def log_path(self, name: str) -> Path:
        """The file that receives what a service prints."""
        return run_directory(self._home, self._session) / f"{name}.log"

    def heartbeat_path(self, name: str) -> Path:
        """The file whose modification time is a service's last sign of life."""
        return heartbeat_path(self._home, self._session, name)

    def _launch(self, service: Service) -> None:
        path = self.log_path(service.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if service.log is None:
            service.log = path.open("ab")
        service.log_begins = path.stat().st_size
        service.hung = False
        self.heartbeat_path(service.name).unlink(missing_ok=True)
        command = [*_COMMAND, service.name, "--session", self._session, "--supervisor-pid", str(os.getpid())]
        with holding_back(signal.SIGTERM):
            # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops the services.
            service.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=service.log,
                stderr=service.log,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        service.health = Health.RUNNING
        service.started_at = time.monotonic()

    def _end_if_hung(self, service: Service) -> None:
        """Kill a service that gives no sign of life: it has fallen by the next look, and is started again."""
        alive_at = max(service.started_at, last_beat(self.heartbeat_path(service.name)))
        if service.process is not None and time.monotonic() - alive_at > self._hang_seconds:
            log.warning("service gives no sign of life", service=service.name, seconds=self._hang_seconds)
            service.hung = True
            service.process.kill()

    def _has_fallen(self, service: Service) -> bool:
        assert service.process is not None
        service.exit_code = service.process.poll()
        if service.exit_code is None:
            self._end_if_hung(service)
            return False
        service.told = told(self.heartbeat_path(service.name))
        if service.exit_code == 0:
            service.health = Health.DONE
            service.reason = ""
            return False
        self._judge(service)
        return True

    def _judge(self, service: Service) -> None:
        """Take note of why a service fell, and whether it is to be started again, and when."""
        reached = self._progress_of(service.name)
        reached = service.told.seq if reached is None else reached
        service.restarts = 1 if reached > service.reached else service.restarts + 1
        service.reached = max(reached, service.reached)
        service.total_restarts += 1
        what, service.reason = self._end_of(service)
        self._on_incident(service.name, what, f"{service.reason} (at seq {service.reached:,})")
        lasting = service.name in self._lasting
        spent = service.restarts > self._restart_limit
        if not lasting and (spent or service.exit_code in REFUSALS):
            service.health = Health.FAILED
            self._on_incident(service.name, "given up", f"after {service.restarts} tries at the same place")
            return
        service.health = Health.WAITING
        backoff = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(service.restarts - 1, 10))
        service.restart_at = time.monotonic() + (LASTING_BACKOFF_S if spent else backoff)

    def _end_of(self, service: Service) -> tuple[str, str]:
        """How a process ended, in a word or two, and why."""
        code = service.exit_code
        if service.hung:
            return "hung", f"no sign of life for {self._hang_seconds:g} s, so it was killed"
        if service.told.end:
            return service.told.end, service.told.reason
        if code == STOPPED_EXIT_CODE:
            return "stopped early", "it was asked to stop before its session was over"
        if code == -signal.SIGKILL:
            return "killed", "by SIGKILL: a person did it, or the system, whose memory ran out (`dmesg` tells)"
        if code is not None and code < 0:
            return "killed", f"by {signal.Signals(-code).name}"
        return "crashed", self._last_line(service) or f"exit code {code}"

    def _last_line(self, service: Service) -> str:
        """The last line that a process wrote by itself, not as a log record: what a bug or the system says."""
        path = self.log_path(service.name)
        try:
            with path.open("rb") as file:
                file.seek(max(service.log_begins, path.stat().st_size - _LOG_TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip() and not line.startswith("{")]
        return said[-1].removeprefix("error: ") if said else ""
