"""Both embedded servers together: what `titanflow servers` and every command without URLs of its own use."""

from dataclasses import dataclass
from pathlib import Path

from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import AppendFsync, redis_server
from titanflow.embedded.server import EmbeddedServer, ServerStatus


@dataclass(frozen=True)
class ServerUrls:
    """Where the two servers answer; the first two to any client, the socket to those on this machine, and faster."""

    redis_url: str
    database_url: str
    redis_socket_url: str | None


def start_all(home: Path, *, appendfsync: AppendFsync = "everysec") -> ServerUrls:
    """Start both servers, or find them running. Raises ServerError when one cannot be started."""
    redis = redis_server(home, appendfsync=appendfsync)
    return ServerUrls(redis.start(), postgres_server(home).start(), redis.socket_url)


def stop_all(home: Path) -> tuple[str, ...]:
    """Stop both servers; the names of those that were running."""
    return tuple(server.name for server in _servers(home) if server.stop())


def status_all(home: Path) -> tuple[ServerStatus, ...]:
    """Look at both servers, without changing anything."""
    return tuple(server.status() for server in _servers(home))


def _servers(home: Path) -> tuple[EmbeddedServer, ...]:
    return redis_server(home), postgres_server(home)
