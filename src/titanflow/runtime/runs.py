"""How a session was started on this machine: kept beside its logs, so that it can be resumed and its services agree."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from pydantic import ValidationError

from titanflow.errors import SessionStateError
from titanflow.settings import Settings
from titanflow.settings.home import make_home

LOCK = "supervisor.lock"
_PID = "supervisor.pid"
LOCK_PATIENCE_S = 0.5
"""Longer than somebody who only looks holds a lock."""


class RunningSession(NamedTuple):
    """A session that a process of this machine runs."""

    session: str
    pid: int


def run_directory(home: Path, session: str) -> Path:
    """The directory of one session's run file and logs."""
    return home / "sessions" / session


def heartbeat_path(home: Path, session: str, service: str) -> Path:
    """The file by which a supervised service of a session shows that it lives."""
    return run_directory(home, session) / f"{service}.heartbeat"


def save_run(settings: Settings, session: str) -> None:
    """Write the settings of a run, whole or not at all; without the servers' addresses, which may hold passwords."""
    make_home(settings.home)
    directory = run_directory(settings.home, session)
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / "run.json.new"
    text = settings.model_dump_json(indent=2, exclude={"redis_url", "database_url"})
    draft.write_text(text, encoding="utf-8")
    draft.replace(directory / "run.json")


def load_run(home: Path, session: str) -> Settings:
    """The settings that a run was started with. Raises SessionStateError if this machine never ran the session."""
    path = run_directory(home, session) / "run.json"
    try:
        return Settings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise SessionStateError(
            f"session {session!r} was not started from {home}: {path} is missing or damaged ({error})"
        ) from error


@contextmanager
def holding_run(home: Path, session: str) -> Iterator[bool]:
    """Run a session as the only process of this machine; tells whether the one before was cut off.

    Raises SessionStateError where another process runs it.
    """
    directory = run_directory(home, session)
    try:
        held = FileLock(directory / LOCK).acquire(timeout=LOCK_PATIENCE_S)
    except Timeout:
        raise SessionStateError(f"session {session!r} is being run by another process of this machine") from None
    with held:
        pid = directory / _PID
        cut_off = pid.exists()
        pid.write_text(str(os.getpid()))
        try:
            yield cut_off
        finally:
            pid.unlink(missing_ok=True)


def running_sessions(home: Path) -> list[RunningSession]:
    """The sessions that processes of this machine run from `home` at the moment."""
    running = []
    for pid in sorted((home / "sessions").glob(f"*/{_PID}")):
        try:
            found = RunningSession(pid.parent.name, int(pid.read_text()))
            FileLock(pid.with_name(LOCK)).acquire(timeout=0).lock.release()
        except Timeout:
            running.append(found)
        except (OSError, ValueError):
            # It ended between two looks, or was cut off while it wrote.
            continue
    return running
