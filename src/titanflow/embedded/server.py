"""What every embedded server has in common: one per data directory, detached, found again, stopped on request.

A running server is recognised by a file lock that it inherits at launch and that the kernel drops with its last
process; so neither a recycled process id nor a kill leaves a state that lies. What is particular to Redis or Postgres
is not here.
"""

import fcntl
import json
import os
import secrets
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import psutil
from filelock import FileLock, Timeout

from titanflow.errors import ServerError, SettingsError
from titanflow.settings.home import make_home

LOOPBACK = "127.0.0.1"
LAUNCH_ATTEMPTS = 5
# Below the range that systems take outgoing ports from: nothing takes a stopped server's port by chance.
PORTS = range(20_000, 32_000)
PORT_ATTEMPTS = 200
POLL_SECONDS = 0.01
LOG_TAIL_LINES = 15


@dataclass(frozen=True)
class ServerStatus:
    """What is known of one embedded server, without changing anything."""

    name: str
    running: bool
    pid: int | None
    url: str | None
    version: str | None
    directory: Path
    detail: str


class EmbeddedServer(Protocol):
    """A local server that can be started, stopped and looked at."""

    @property
    def name(self) -> str:
        """The server's name, as a person writes it."""
        ...

    def start(self) -> str:
        """Start the server, or find the running one, and return its URL."""
        ...

    def stop(self) -> bool:
        """Stop the server and wait until it is gone; False when none was running."""
        ...

    def status(self) -> ServerStatus:
        """Look, without changing anything."""
        ...


class NotReadyError(Exception):
    """The server does not answer yet; `loading` tells that it is up and busy reading its data."""

    def __init__(self, reason: str, *, loading: bool = False) -> None:
        super().__init__(reason)
        self.loading = loading


class DetachedServer(ABC):
    """A server process in a session of its own, which outlives the command that started it."""

    label: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]
    answer_seconds: float = 30.0
    loading_seconds: float = 900.0
    stop_seconds: float = 30.0

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()

    # What a particular server tells.

    @abstractmethod
    def prepare(self, lock: int) -> None:
        """Make the data directory usable, handing `lock` to whatever runs on it: called while no server runs."""

    @abstractmethod
    def launch(self, port: int, lock: int) -> None:
        """Launch on loopback `port`, handing the descriptor `lock` down; raise ServerError when refused at once."""

    @abstractmethod
    def url(self, port: int) -> str:
        """The URL of the server when it listens on `port`."""

    @abstractmethod
    def probe(self, port: int) -> str:
        """Ask the server for its version; raise NotReadyError when it does not answer."""

    @abstractmethod
    def read_pid(self) -> int | None:
        """The process id that the server wrote for itself."""

    @property
    def working_directory(self) -> Path:
        """The directory that the server's process works in."""
        return self.directory.resolve()

    @abstractmethod
    def after_start(self, port: int) -> None:
        """Bring an answering server, new or found, to what the caller asked for."""

    # What is common.

    @property
    def name(self) -> str:
        """The server's name, as a person writes it."""
        return self.label

    @property
    def log(self) -> Path:
        """The log of the present run; the one before it is kept beside it as `.old`."""
        return self.directory / "server.log"

    def start(self) -> str:
        """Start the server, or find the running one, and return its URL.

        Raises ServerError, with the end of the server's log, when it does not answer in time.
        """
        self._make_directory()
        with self._start_lock():
            port = self._port() if self.is_alive() else None
            if port is None or not self._answers(port):
                port = self._launch_somewhere()
            self.after_start(port)
            return self.url(port)

    def stop(self) -> bool:
        """Stop the server and wait until its last process is gone; False when none was running."""
        if not self.directory.is_dir():
            return False
        with self._start_lock():
            if not self.is_alive():
                return False
            for sent in self.stop_signals:
                self._signal(sent)
                if _wait_until(lambda: not self.is_alive(), self.stop_seconds):
                    return True
        raise ServerError(
            f"{self.name} in {self.directory} (pid {self.read_pid()}) did not stop within {self.stop_seconds:g} s "
            f"of {self.stop_signals[-1].name}: end that process, then try again"
        )

    def status(self) -> ServerStatus:
        """Look, without changing anything."""
        if not self.is_alive():
            return ServerStatus(self.name, False, None, None, None, self.directory, "not running")
        port, pid, version, detail = self._port(), self.read_pid(), None, "answers"
        try:
            version = self.probe(port) if port else None
        except NotReadyError as reason:
            if not self.is_alive():
                return self.status()
            detail = f"runs but does not answer: {reason}"
        return ServerStatus(self.name, True, pid, self.url(port) if port else None, version, self.directory, detail)

    def is_alive(self) -> bool:
        """Whether any process of the server lives: true as soon as it is launched, before it answers."""
        try:
            lock = os.open(self._server_lock, os.O_RDWR)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError as error:
            raise ServerError(f"{self.directory} belongs to another user: choose another home ({error})") from error
        try:
            # A shared probe does not disturb other probes, and is refused exactly while the server holds the lock.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    @property
    def _server_lock(self) -> Path:
        return self.directory / "server.lock"

    @property
    def _state(self) -> Path:
        return self.directory / "state.json"

    def _make_directory(self) -> None:
        try:
            make_home(self.directory.parent)
            self.directory.mkdir(mode=0o700, exist_ok=True)
        except (OSError, SettingsError) as error:
            raise ServerError(f"{self.name} needs to create {self.directory}: {error}; choose another home") from error

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        lock = FileLock(self.directory / "start.lock")
        try:
            lock.acquire(timeout=self.loading_seconds, poll_interval=POLL_SECONDS)
        except (Timeout, OSError) as error:
            raise ServerError(
                f"{self.name} in {self.directory} cannot be locked for a start or stop: {error}"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _launch_somewhere(self) -> int:
        """Launch on the port used before, or on a free one; again on another when somebody takes it meanwhile."""
        for attempt in range(LAUNCH_ATTEMPTS):
            with self._hold_server_lock() as lock:
                self._set_log_aside()
                self.prepare(lock)
                port = usable_port(self._port() if attempt == 0 else None)
                write_private(self._state, json.dumps({"port": port}))
                self.launch(port, lock)
            if self._answers(port):
                return port
            if _is_free(port):
                raise self._start_error("stopped while it was starting")
        raise self._start_error(f"found no free port in {LAUNCH_ATTEMPTS} attempts")

    def _answers(self, port: int) -> bool:
        """Wait for an answer: briefly while the server is silent, long while it loads its data; False when it died."""
        begun = time.monotonic()
        while True:
            try:
                self.probe(port)
            except NotReadyError as reason:
                waited = time.monotonic() - begun
                if not self.is_alive():
                    return False
                if waited > (self.loading_seconds if reason.loading else self.answer_seconds):
                    raise self._start_error(f"does not answer after {waited:.0f} s ({reason})") from reason
                time.sleep(POLL_SECONDS)
            else:
                return True

    def _start_error(self, what: str) -> ServerError:
        return ServerError(
            f"{self.name} in {self.directory} {what}. The end of its log, {self.log}:\n{tail(self.log)}\n"
            "Mend what the log names; `titanflow doctor` examines the rest"
        )

    @contextmanager
    def _hold_server_lock(self) -> Iterator[int]:
        """A descriptor on the held server lock; closed here, it leaves the lock to whom it was handed down."""
        lock = os.open(self._server_lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _wait_until(lambda: self._try_lock(lock), self.answer_seconds):
                raise self._start_error("is locked by a process that is neither starting nor stopping it")
            yield lock
        finally:
            os.close(lock)

    def _try_lock(self, lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise ServerError(f"{self.directory} cannot be locked ({error}): choose a home on a local disk") from error
        return True

    def _signal(self, sent: signal.Signals) -> None:
        _wait_until(lambda: self.read_pid() is not None or not self.is_alive(), self.answer_seconds)
        pid = self.read_pid()
        if pid is not None and works_in(pid, self.working_directory):
            with suppress(ProcessLookupError):
                os.kill(pid, sent)

    def _port(self) -> int | None:
        try:
            port = json.loads(self._state.read_text())["port"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return port if isinstance(port, int) and 0 < port < 65536 else None

    def _set_log_aside(self) -> None:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".old"))


def tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log, or a word that there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(the log is empty)"
    except OSError as error:
        return f"(no log: {error})"


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner may read; no reader finds it half written."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(text)
    draft.replace(path)


def works_in(pid: int, directory: Path) -> bool:
    """Whether a process has that working directory: what tells a server from a stranger with its recycled id."""
    try:
        return Path(psutil.Process(pid).cwd()) == directory
    except (psutil.Error, OSError):
        return False


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False when the deadline passes first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def usable_port(wanted: int | None) -> int:
    """The wanted port when nobody listens there, so that URLs stay the same over restarts; else a free one."""
    if wanted is not None and _is_free(wanted):
        return wanted
    for _ in range(PORT_ATTEMPTS):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        if _is_free(port):
            return port
    raise ServerError(f"no free port found on {LOOPBACK} in {PORTS.start}..{PORTS.stop - 1}: end what takes them")
