"""Starts a session's services as processes, restarts the fallen with back-off, and stops them in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO

import structlog

from titanflow.runtime.heartbeat import last_beat
from titanflow.runtime.runs import heartbeat_path, run_directory
from titanflow.runtime.stopping import holding_back

log = structlog.get_logger()

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 5.0
STEADY_S = 30.0
"""A service that ran so long has proven itself: its count of restarts begins anew."""
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
    log: IO[bytes] | None = field(default=None, repr=False)


class Supervisor:
    """The processes of one session. Call `watch` often; it never blocks."""

    def __init__(
        self,
        home: Path,
        session: str,
        names: Sequence[str],
        environment: Mapping[str, str],
        *,
        restart_limit: int,
        hang_seconds: float,
    ) -> None:
        """More restarts in a row than `restart_limit` are failure; no sign of life for `hang_seconds` is a hang."""
        self._home = home
        self._session = session
        self._environment = dict(environment)
        self._restart_limit = restart_limit
        self._hang_seconds = hang_seconds
        self.services = {name: Service(name) for name in names}

    def start(self) -> None:
        """Start every service."""
        for service in self.services.values():
            self._launch(service)

    def watch(self) -> list[Service]:
        """Look at every process, restart those whose time has come; returns the services that just fell."""
        fallen = []
        for service in self.services.values():
            if service.health is Health.RUNNING and self._has_fallen(service):
                fallen.append(service)
            elif service.health is Health.WAITING and time.monotonic() >= service.restart_at:
                self._launch(service)
        return fallen

    @property
    def done(self) -> bool:
        """Whether every service has ended by itself, successfully."""
        return all(service.health is Health.DONE for service in self.services.values())

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
            service.process.kill()

    def _has_fallen(self, service: Service) -> bool:
        assert service.process is not None
        service.exit_code = service.process.poll()
        if service.exit_code is None:
            self._end_if_hung(service)
            return False
        if service.exit_code == 0:
            service.health = Health.DONE
            return False
        ran = time.monotonic() - service.started_at
        service.restarts = 1 if ran > STEADY_S else service.restarts + 1
        service.total_restarts += 1
        service.health = Health.FAILED if service.restarts > self._restart_limit else Health.WAITING
        backoff = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (service.restarts - 1))
        service.restart_at = time.monotonic() + backoff
        return True
