"""What a person should know of a running session's services and servers at the moment: one line each."""

from typing import TYPE_CHECKING

from titanflow.runtime.reading import READERS
from titanflow.runtime.supervisor import Health, Service

if TYPE_CHECKING:
    from titanflow.runtime.session_run import SessionRun


def troubles_of(run: "SessionRun") -> list[str]:
    """Servers that are away, services that recover or are started again, and what lags on the read side."""
    told = [*run.warnings]
    if run.away:
        told.append(f"Redis does not answer, the services wait: {run.away}")
    told += [f"{server} does not come back: {why}" for server, why in run.guard.down.items()]
    return told + [line for service in run.supervisor.services.values() for line in _of(service)]


def _of(service: Service) -> list[str]:
    said, lines = service.told, []
    if said.of:
        lines.append(f"{service.name} is recovering, {said.recovering:,} of {said.of:,}")
    reason = said.trouble or (service.reason if service.health is Health.WAITING else "")
    if reason and service.name in READERS:
        lags = "tables lag" if service.name == "projector" else f"{service.name} lags"
        lines.append(f"{lags}, trading goes on: {reason}")
    elif reason:
        lines.append(f"{service.name} is started again: {reason}")
    return lines
