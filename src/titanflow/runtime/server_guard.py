"""Keeps the embedded servers of a running session alive: one that dies is started again on the same data."""

import threading
from collections.abc import Callable, Sequence

import structlog

from titanflow.embedded.server import EmbeddedServer

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
LEAVE_WITHIN_S = 5.0
"""How long the end of a session waits for a server that is just being started."""


class ServerGuard:
    """A thread for each server looks at it; use as a context manager. `restarts` counts what they mended, by server.

    One thread each: a Postgres that does not come back must not keep Redis from being started again.
    """

    def __init__(
        self,
        servers: Sequence[EmbeddedServer],
        on_incident: Callable[[str, str, str], None] = lambda server, what, reason: None,
    ) -> None:
        """`on_incident` hears of every server that was down, and once of one that does not come back."""
        self._leaving = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(server,), name=f"{server.name}-guard", daemon=True)
            for server in servers
        ]
        self._on_incident = on_incident
        self.restarts: dict[str, int] = {}
        self.down: dict[str, str] = {}
        """Server that does not come back -> why."""

    def __enter__(self) -> "ServerGuard":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        for thread in self._threads:
            thread.join(LEAVE_WITHIN_S)

    def _watch(self, server: EmbeddedServer) -> None:
        while not self._leaving.wait(LOOK_EVERY_S):
            self._look_at(server)

    def _look_at(self, server: EmbeddedServer) -> None:
        try:
            if server.status().running:
                return
            server.start()
        except Exception as error:  # noqa: BLE001 - whatever a start may raise, the guard goes on
            log.error("server does not come back, trying again", server=server.name, error=str(error))
            if server.name not in self.down:
                self._on_incident(server.name, "does not come back", str(error))
            self.down[server.name] = str(error)
        else:
            self.restarts[server.name] = self.restarts.get(server.name, 0) + 1
            self.down.pop(server.name, None)
            self._on_incident(server.name, "restarted", "it was down")
            log.warning("server was down and is back", server=server.name)
