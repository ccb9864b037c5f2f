"""`titanflow service NAME…`: runs one or more of a session's services, beside its others, here or elsewhere."""

import threading
from typing import Annotated

import typer

from titanflow.cli.context import ConfigOption, Place, SessionOption, SetOption, arrive
from titanflow.cli.output import note

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
    from titanflow.runtime.heartbeat import Heartbeat
    from titanflow.runtime.logs import configure_logging
    from titanflow.runtime.runs import heartbeat_path
    from titanflow.runtime.services import SERVICES, Job
    from titanflow.runtime.stopping import die_with, stop_on_signals

    if supervisor_pid is None or session is None:
        stop = stop_on_signals()
    else:
        stop = stop_on_signals(Heartbeat(heartbeat_path(place.settings.home, session, name)))
        die_with(supervisor_pid)
    configure_logging(name)
    database_url = _database_url(place, [name])
    SERVICES[name](Job(place.settings, place.redis_url, database_url, place.ledger(session), stop))


def _supervise(place: Place, session: str | None, names: list[str]) -> None:
    from titanflow.errors import SessionStateError
    from titanflow.runtime.session_run import service_environment
    from titanflow.runtime.stopping import stop_on_signals
    from titanflow.runtime.supervisor import Supervisor

    chosen = place.ledger(session).session
    environment = service_environment(place.settings, place.redis_url, _database_url(place, names))
    runtime = place.settings.runtime
    supervisor = Supervisor(
        place.settings.home,
        chosen,
        names,
        environment,
        restart_limit=runtime.restart_limit,
        hang_seconds=runtime.hang_seconds,
    )
    stop: threading.Event = stop_on_signals()
    supervisor.start()
    try:
        while not supervisor.done and not supervisor.failed and not stop.wait(0.1):
            for fallen in supervisor.watch():
                note(f"service {fallen.name} fell (exit code {fallen.exit_code}): restarting")
    finally:
        supervisor.stop()
    if supervisor.failed:
        raise SessionStateError(
            f"service {supervisor.failed[0].name} keeps falling; see {supervisor.log_path(supervisor.failed[0].name)}"
        )


def _database_url(place: Place, names: list[str]) -> str:
    """The database of those services that need one; empty for the others, so that no server is started for nothing."""
    return place.database_url if "projector" in names else ""
