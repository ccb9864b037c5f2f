"""Which services a topology has, what they are told, and which servers are started for them."""

from titanflow.deciders import DECIDERS
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import redis_server
from titanflow.embedded.server import EmbeddedServer
from titanflow.settings import PREFIX, Settings

TOPOLOGIES: dict[str, tuple[str, ...]] = {
    "services": ("gateway", *DECIDERS, "projector", "mirror"),
    "fused": ("fused", "projector", "mirror"),
}
"""Topology -> its services; the first is the one that closes the session when it is asked to stop."""


def service_environment(settings: Settings, redis_url: str, database_url: str) -> dict[str, str]:
    """What services are told beside the run file: where things are on this machine."""
    places = {"HOME": settings.home, "REDIS_URL": redis_url, "DATABASE_URL": database_url}
    if settings.runtime.other_code:
        places["RUNTIME__OTHER_CODE"] = "true"
    if settings.audit_log_path:
        places["AUDIT_LOG_PATH"] = settings.audit_log_path
    return {f"{PREFIX}{name}": str(place) for name, place in places.items()}


def embedded_servers(settings: Settings) -> list[EmbeddedServer]:
    """The servers of our own that a session needs: those that the settings do not name."""
    servers: list[EmbeddedServer] = []
    if settings.redis_url is None:
        servers.append(redis_server(settings.home))
    if settings.database_url is None:
        servers.append(postgres_server(settings.home))
    return servers
