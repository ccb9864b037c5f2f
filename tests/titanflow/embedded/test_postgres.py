"""What the projections need of their Postgres, and how it runs for root and for others."""

import encodings.idna  # noqa: F401 - or the fork without root's rights would look for it where it cannot read
import os
import pwd
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import create_engine, text

from titanflow.embedded import account, postgres
from titanflow.embedded.account import Account
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.servers import start_all, stop_all
from titanflow.errors import ServerError

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as another account")


def test_sqlalchemy_takes_the_url_and_commits_are_synced(database_url: str) -> None:
    wanted = {"fsync": "on", "synchronous_commit": "on", "timezone": "UTC", "server_encoding": "UTF8"}
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert {name: connection.scalar(text(f"SHOW {name}")) for name in wanted} == wanted
        assert str(connection.scalar(text("SHOW server_version"))).startswith("18.")
    engine.dispose()


def test_the_database_fixture_gives_an_empty_database_of_its_own(database: str, database_url: str) -> None:
    assert database != database_url
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_a_broken_cluster_stops_the_start_with_the_log_s_words(home: Path) -> None:
    server = postgres_server(home)
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("9.1\n")
    with pytest.raises(ServerError, match=r"Postgres in .*(?s:.)*version 9\.1"):
        server.start()
    assert not server.status().running


def test_a_cut_initialisation_is_begun_anew(home: Path) -> None:
    half = home / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with psycopg.connect(postgres_server(home).start().replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not half.exists()


@only_root
def test_root_s_server_runs_as_an_account_that_is_not_root(home: Path) -> None:
    server = postgres_server(home)
    server.start()
    pid = server.status().pid
    assert pid
    assert psutil.Process(pid).username() in account.ACCOUNTS
    assert server.data.stat().st_uid != 0


@pytest.fixture
def system_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="tf-"))
    place.chmod(0o755)
    monkeypatch.setattr(account, "SYSTEM_STATE", place / "titanflow")
    yield place / "titanflow"
    shutil.rmtree(place)


@only_root
def test_a_home_that_the_account_cannot_enter_keeps_its_mode_and_its_data_elsewhere(
    home: Path, system_state: Path
) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    server = postgres_server(closed)
    try:
        url = server.start()
        assert closed.stat().st_mode & 0o777 == 0o700
        assert server.data.resolve().parent == system_state
        assert sorted(path.name for path in system_state.iterdir()) == [server.data.resolve().name]
        server.stop()
        assert server.start() == url
    finally:
        server.stop()
    shutil.rmtree(server.data.resolve())
    with pytest.raises(ServerError, match="leads to nothing"):
        server.start()


@only_root
def test_binaries_that_the_account_cannot_reach_are_copied_once(
    home: Path, system_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    for part in (f"{postgres.PACKAGE}/{postgres.INSTALLATION}", f"{postgres.PACKAGE}.libs"):
        if (postgres.packages() / part).is_dir():
            shutil.copytree(postgres.packages() / part, closed / part, symlinks=True)
    monkeypatch.setattr(postgres, "packages", lambda: closed)
    server = postgres_server(home)
    server.start()
    pid = server.status().pid
    assert pid
    assert system_state in Path(psutil.Process(pid).exe()).parents
    (copy,) = system_state.iterdir()
    made = copy.stat().st_mtime_ns
    server.stop()
    server.start()
    assert (list(system_state.iterdir()), copy.stat().st_mtime_ns) == ([copy], made)


@only_root
def test_a_cluster_stays_with_its_owner_even_one_without_a_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = postgres_server(home)
    url = server.start()
    server.stop()
    nameless = 60_001
    for path in (server.data, *server.data.rglob("*")):
        os.chown(path, nameless, nameless, follow_symlinks=False)
    monkeypatch.setattr(account, "ACCOUNTS", ("daemon",))
    assert server.start() == url
    assert server.runner == Account(str(nameless), nameless, nameless)


@only_root
def test_root_without_any_account_is_told_to_make_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "ACCOUNTS", ("no-such-account",))
    with pytest.raises(ServerError, match="useradd --system titanflow"):
        postgres_server(home).start()


@only_root
def test_both_servers_run_for_a_user_who_is_not_root(home: Path) -> None:
    """A fork drops root's rights: the interpreter itself may lie where others cannot start it from."""
    place = home / "own"
    place.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)

    def start_and_stop() -> None:
        urls = start_all(place)
        assert urls.redis_url.startswith("redis://")
        with psycopg.connect(urls.database_url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert place.joinpath("postgres").stat().st_mode & 0o777 == 0o700
        assert stop_all(place) == ("Redis", "Postgres")

    assert run_as(nobody, start_and_stop) == 0
    assert {path.owner() for path in place.iterdir()} == {"nobody"}


def run_as(user: pwd.struct_passwd, action: Callable[[], None]) -> int:
    """Run an action in a fork that gave root's rights up; its exit code, 0 when the action succeeded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        action()
    except BaseException:  # noqa: BLE001 - whatever happens, the fork must not go on as a second test run
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
