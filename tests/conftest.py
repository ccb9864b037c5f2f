"""Fixtures shared by all tests: real servers on a private directory, fresh databases, the recorded market data."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import redis_server
from titanflow.gateway.samples import sample_tape

REPOSITORY = Path(__file__).resolve().parents[1]

_UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("ci", derandomize=True, database=None, **_UNHURRIED)
"""The same examples in every run; what once failed stands in the test as `@example`."""
settings.register_profile("soak", derandomize=False, print_blob=True, **_UNHURRIED)
"""Other examples in every run: `make soak`."""
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    """A short path, which any account may enter: PostgreSQL does not run as root."""
    home = Path(tempfile.mkdtemp(prefix="tf-"))
    home.chmod(0o711)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def redis_url(servers_home: Path) -> Iterator[str]:
    """A real Redis with AOF on; one for all tests of a worker, so that tests keep apart by `session_id`."""
    server = redis_server(servers_home)
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def database_url(servers_home: Path) -> Iterator[str]:
    """A real PostgreSQL; one for all tests of a worker. Tests that write take `database`."""
    server = postgres_server(servers_home)
    yield server.start()
    server.stop()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator["redis.Redis"]:
    """A client of the shared Redis."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def session_id() -> str:
    """A name that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def database(database_url: str) -> Iterator[str]:
    """The URL of an empty database of its own, dropped after the test."""
    server = make_url(database_url)
    name = f"test_{uuid.uuid4().hex[:12]}"
    conninfo = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def market_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded market data in folders by kind: the directory beside the repository, else the shipped sample tapes."""
    place = REPOSITORY.parent / "shared" / "data"
    if place.is_dir():
        return place
    made = tmp_path_factory.mktemp("market_data")
    for folder, name in (("minute_2019", "us_equity_minute_2019-02"), ("crypto", "binance_trades_20240808")):
        tape = sample_tape(name)
        (made / folder).mkdir()
        (made / folder / tape.name).symlink_to(tape)
    return made


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of recorded market data beside the repository, which holds more than is shipped."""
    place = REPOSITORY.parent / "shared" / "data"
    if not place.is_dir():
        pytest.skip(f"no recorded market data at {place}")
    return place
