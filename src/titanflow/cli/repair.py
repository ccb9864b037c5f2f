"""Puts a repair together: the sound part of a ledger becomes a session of its own, resumable or closed."""

import time
from typing import TYPE_CHECKING, NamedTuple

from titanflow.cli.context import Place, checked_new_name

if TYPE_CHECKING:
    from titanflow.runtime.ledgers import EventLedger


class Repair(NamedTuple):
    """What came of it."""

    session_id: str
    """The new session."""
    repaired: str
    """The damaged one."""
    problem: str
    events: int
    blocks: int
    left_out: int
    """Events that were numbered and are not in the copy."""
    dead_letters: int
    resumable: bool
    """Whether `live --resume` goes on with it: not where it has ended, or where a part of its feed is left out."""


def repair(place: Place, session: str, name: str | None) -> Repair:
    """Copy what is sound. Raises InputError where all is sound, or nothing, SessionStateError for a running session."""
    from replay.repair import copy_sound_part
    from titanflow.errors import InputError, SessionStateError
    from titanflow.gateway.lifecycle import has_ended
    from titanflow.runtime.closing import close_session
    from titanflow.runtime.operator_desk import session_started
    from titanflow.runtime.removal import refuse_if_running, remove_session
    from titanflow.runtime.runs import load_run, save_run
    from titanflow.runtime.session_models import models_of

    home, source = place.settings.home, place.ledger(session)
    refuse_if_running(home, source)
    report = source.check()
    if report.problem is None:
        raise InputError(f"the ledger of session {session!r} is sound: there is nothing to repair")
    if not report.events:
        raise InputError(f"the ledger of session {session!r} has no sound part: {report.problem.detail}")
    models = models_of(place.client, home, session_started(source))
    target = _new_session(place, checked_new_name(name) or f"{session}-repaired")
    try:
        copied = copy_sound_part(source, target, models)
        if copied.left_out:
            close_session(target, "repaired", models)
    except BaseException:
        remove_session(place.client, home, target.session)
        raise
    resumable = not has_ended(target)
    try:
        save_run(load_run(home, session), target.session)
    except SessionStateError:
        resumable = False  # it was started from another home, which alone can go on with it
    return Repair(
        session_id=target.session,
        repaired=session,
        problem=report.problem.detail,
        events=copied.events,
        blocks=copied.blocks,
        left_out=copied.left_out,
        dead_letters=copied.dead_letters,
        resumable=resumable,
    )


def _new_session(place: Place, name: str) -> "EventLedger":
    from eventstore.errors import SessionInUseError
    from eventstore.sessions import Sessions
    from titanflow.errors import SessionStateError
    from titanflow.runtime.ledgers import new_ledger

    ledger = new_ledger(place.client, name)
    try:
        if ledger.last_id() != "0-0":
            raise SessionInUseError(name)
        Sessions(place.client).register(name, time.time_ns())
    except SessionInUseError as error:
        raise SessionStateError(f"session {name!r} exists already: name the copy otherwise, with --as") from error
    return ledger
