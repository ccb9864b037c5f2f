"""Removes a session: what it is here, and whether it may go."""

import shutil
import time
from pathlib import Path
from typing import NamedTuple

import redis
from filelock import FileLock, Timeout

from eventstore.errors import LedgerError
from eventstore.sessions import Sessions
from titanflow.domain.events import SessionStarted
from titanflow.errors import SessionStateError
from titanflow.gateway.lifecycle import has_ended
from titanflow.runtime.ledgers import EventLedger, new_ledger
from titanflow.runtime.operator_desk import session_started
from titanflow.runtime.runs import run_directory
from titanflow.runtime.session_models import forget_models

QUIET_NANOS = 60_000_000_000
"""An open session into which something was appended within this time may be running elsewhere."""


class Removed(NamedTuple):
    """What was taken away."""

    keys: int
    models: int
    """Uploaded ones that no other session names."""
    folder: bool


def refuse_if_running(home: Path, ledger: EventLedger) -> None:
    """Raises SessionStateError for a session that a process of this machine runs, or perhaps one of another."""
    session, lock = ledger.session, run_directory(home, ledger.session) / "supervisor.lock"
    if lock.exists():
        try:
            FileLock(lock).acquire(timeout=0).lock.release()
        except Timeout:
            raise SessionStateError(f"session {session!r} is being run by another process of this machine") from None
        return
    if has_ended(ledger):
        return
    quiet = time.time_ns() - _last_recorded_at(ledger)
    if quiet < QUIET_NANOS:
        raise SessionStateError(
            f"session {session!r} has not ended, and its last event came {quiet / 1e9:.0f} s ago: it may be running "
            f"elsewhere; end it, or wait until it has been quiet for {QUIET_NANOS / 1e9:.0f} s"
        )


def remove_session(client: redis.Redis, home: Path, session: str) -> Removed:
    """Remove its uploaded models, its folder under `home`, its keys and its name, in this order; may be repeated."""
    models = 0
    started = _opening(new_ledger(client, session))
    if started is not None:
        models = forget_models(client, started, session)
    folder = run_directory(home, session)
    had_folder = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    return Removed(Sessions(client).remove(session), models, had_folder)


def _opening(ledger: EventLedger) -> SessionStarted | None:
    try:
        return session_started(ledger)
    except (LedgerError, SessionStateError):
        return None  # broken or never opened: then nobody knows of its models


def _last_recorded_at(ledger: EventLedger) -> int:
    last = ledger.last_seq()
    try:
        return next((block.recorded_at for block in ledger.read(last, last)), 0) if last else 0
    except LedgerError:
        return 0
