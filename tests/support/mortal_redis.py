"""A real redis-server of a test's own, with AOF on, to be killed and started again on the same port."""

import socket
import subprocess
from pathlib import Path

import redis

from support.waiting import wait_until
from titanflow.embedded.redis import find_redis_server


class MortalRedis:
    """A server in a directory; `kill` is SIGKILL, `start` finds the data again.

    It syncs at every write: with `everysec` Redis holds writes back for up to two seconds while a slow sync runs, and a
    kill then loses what it has acknowledged.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Launch it and wait until it listens; it may still be loading."""
        binary, _ = find_redis_server()
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--save", "", *options]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(self._listens, message="redis-server to listen")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
