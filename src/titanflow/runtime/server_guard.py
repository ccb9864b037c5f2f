"""Keeps the embedded servers of a running session alive: one that dies is started again on the same data."""

import threading
from collections.abc import Sequence

import structlog

from titanflow.embedded.server import EmbeddedServer

log = structlog.get_logger()

LOOK_EVERY_S = 0.5


class ServerGuard:
    """A thread that looks at the servers; use as a context manager. `restarts` counts what it mended, by server."""

    def __init__(self, servers: Sequence[EmbeddedServer]) -> None:
        self._servers = servers
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="server-guard", daemon=True)
        self.restarts: dict[str, int] = {}

    def __enter__(self) -> "ServerGuard":
        if self._servers:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._leaving.wait(LOOK_EVERY_S):
            for server in self._servers:
                self._look_at(server)

    def _look_at(self, server: EmbeddedServer) -> None:
        try:
            if server.status().running:
                return
            server.start()
        except Exception as error:  # noqa: BLE001 - whatever a start may raise, the guard goes on
            log.error("server does not come back, trying again", server=server.name, error=str(error))
        else:
            self.restarts[server.name] = self.restarts.get(server.name, 0) + 1
            log.warning("server was down and is back", server=server.name)
