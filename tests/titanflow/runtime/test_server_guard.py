"""Embedded servers are started again, each by itself: one that does not come back keeps no other from it."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.waiting import wait_until
from titanflow.errors import ServerError
from titanflow.runtime import server_guard
from titanflow.runtime.server_guard import ServerGuard


class Fake:
    """A server that is down; to start it takes until it is let, or fails."""

    def __init__(self, name: str, *, blocked: bool = False) -> None:
        self.name = name
        self.running = False
        self.let = threading.Event()
        if not blocked:
            self.let.set()
        self.fault = ""

    def status(self) -> Any:
        return SimpleNamespace(running=self.running, directory=Path("/"))

    def start(self) -> str:
        self.let.wait()
        if self.fault:
            raise ServerError(self.fault)
        self.running = True
        return ""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_guard, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(server_guard, "LEAVE_WITHIN_S", 0.001)


def test_a_server_that_does_not_come_back_holds_up_neither_the_other_nor_the_end() -> None:
    told: list[tuple[str, ...]] = []
    stuck, well = Fake("Postgres", blocked=True), Fake("Redis")
    with ServerGuard([stuck, well], lambda *words: told.append(words)) as guard:  # type: ignore[list-item]
        wait_until(lambda: guard.restarts.get("Redis"), message="Redis to be started again")
    assert told == [("Redis", "restarted", "it was down")]
    stuck.let.set()


def test_a_start_that_fails_is_told_once_and_tried_again() -> None:
    told: list[tuple[str, ...]] = []
    server = Fake("Postgres")
    server.fault = "no space left"
    with ServerGuard([server], lambda *words: told.append(words)) as guard:  # type: ignore[list-item]
        wait_until(lambda: guard.down, message="the failure")
        server.fault = ""
        wait_until(lambda: guard.restarts, message="the start")
        assert guard.down == {}
    assert told == [("Postgres", "does not come back", "no space left"), ("Postgres", "restarted", "it was down")]
