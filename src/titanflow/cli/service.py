"""`titanflow service NAME…`: runs one or more of a session's services, beside its others, here or elsewhere."""

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from titanflow.cli.context import ConfigOption, Place, SessionOption, SetOption, arrive
from titanflow.cli.output import note

if TYPE_CHECKING:
    from titanflow.runtime.heartbeat import Heartbeat

Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME", help="gateway, signal, risk, execution, leaderboard, projector, mirror or fused."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("service")(service)


def service(
    names: Names,
    session: SessionOption = None,
    supervisor_pid: Annotated[int | None, typer.Option(hidden=True)] = None,
    assignments: SetOption = None,
    config: ConfigOption = None,
) -> None:
    """Run services of an open session until it has ended. Several names: a supervised process each.

    A second instance of a service that runs already is fenced: it ends with an error and doubles nothing.
    """
    from titanflow.runtime.services import SERVICES

    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: no such service; known are {', '.join(SERVICES)}")
    place = arrive(assignments=assignments, config=config)
    if len(names) > 1:
        _supervise(place, session, names)
    else:
        _run(place, session, names[0], supervisor_pid)


def _run(place: Place, session: str | None, name: str, supervisor_pid: int | None) -> None:
    from eventstore.signs import SILENT
    from titanflow.runtime.heartbeat import Heartbeat
    from titanflow.runtime.logs import configure_logging
    from titanflow.runtime.runs import heartbeat_path
    from titanflow.runtime.services import SERVICES, Job
    from titanflow.runtime.stopping import die_with, leaving_within, stop_on_signals

    heartbeat = None
    if supervisor_pid is not None and session is not None:
        heartbeat = Heartbeat(heartbeat_path(place.settings.home, session, name))
        die_with(supervisor_pid)
    stop = stop_on_signals(heartbeat)
    configure_logging(name)
    leaving_within(place.settings.runtime.end_seconds, stop)
    try:
        ledger = place.ledger(session)
        database_url = _database_url(place, [name])
        SERVICES[name](Job(place.settings, place.redis_url, database_url, ledger, stop, heartbeat or SILENT))
    except Exception as error:
        _say_why(place, session, name, heartbeat, error)
        raise
    finally:
        if heartbeat:
            heartbeat.write()


def _say_why(place: Place, session: str | None, name: str, heartbeat: "Heartbeat | None", error: Exception) -> None:
    """Leave the reason to whoever supervises, else in the session's own log of incidents."""
    from titanflow.cli.trouble import trouble_of
    from titanflow.runtime.breakdown import last_words
    from titanflow.runtime.incidents import Incidents
    from titanflow.runtime.runs import run_directory

    trouble = trouble_of(error)
    end, reason = last_words(error, trouble.message if trouble else "")
    if heartbeat:
        heartbeat.ended(end, reason)
    elif session is not None and run_directory(place.settings.home, session).is_dir():
        Incidents(place.settings.home, session).add(name, end, reason)


def _supervise(place: Place, session: str | None, names: list[str]) -> None:
    from titanflow.errors import SessionStateError
    from titanflow.runtime.incidents import Incidents
    from titanflow.runtime.reading import READERS, progress_of
    from titanflow.runtime.stopping import stop_on_signals
    from titanflow.runtime.supervisor import Supervisor
    from titanflow.runtime.topologies import service_environment

    ledger = place.ledger(session)
    environment = service_environment(place.settings, place.redis_url, _database_url(place, names))
    runtime = place.settings.runtime
    supervisor = Supervisor(
        place.settings.home,
        ledger.session,
        names,
        environment,
        restart_limit=runtime.restart_limit,
        hang_seconds=runtime.hang_seconds,
        lasting=READERS if set(names) - set(READERS) else (),
        progress_of=progress_of(place.redis_url, ledger.session),
        on_incident=Incidents(place.settings.home, ledger.session).add,
    )
    stop: threading.Event = stop_on_signals()
    supervisor.start()
    try:
        while not supervisor.done and not supervisor.failed and not stop.wait(0.1):
            for fallen in supervisor.watch():
                note(f"service {fallen.name}: {fallen.reason}; restarting")
    finally:
        supervisor.stop()
    if supervisor.failed:
        failed = supervisor.failed[0]
        raise SessionStateError(
            f"service {failed.name} was given up after {failed.restarts} tries: {failed.reason}; "
            f"see {supervisor.log_path(failed.name)}"
        )


def _database_url(place: Place, names: list[str]) -> str:
    """The database of those services that need one; empty for the others, so that no server is started for nothing."""
    return place.database_url if "projector" in names else ""
