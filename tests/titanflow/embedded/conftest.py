"""A private home for one test's servers, ended with the test whatever happens in it."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from support.waiting import wait_until
from titanflow.embedded.server import ServerStatus
from titanflow.embedded.servers import status_all


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path that any account may enter."""
    place = Path(tempfile.mkdtemp(prefix="tf-"))
    place.chmod(0o711)
    yield place
    for status in status_all(place):
        kill(status)
    wait_until(lambda: not any(status.running for status in status_all(place)), message="the end of the servers")
    shutil.rmtree(place)


def kill(server: ServerStatus) -> None:
    """End a server and its children as a crash would."""
    if not server.running or server.pid is None:
        return
    children = psutil.Process(server.pid).children()
    for pid in (server.pid, *(child.pid for child in children)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def crash() -> Callable[[ServerStatus], None]:
    """The function that ends a server as a crash would; the kernel may need a moment more to take it away."""
    return kill
