"""The log of a session's incidents outlives whoever writes it, and whatever tears it."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

from titanflow.errors import SessionStateError
from titanflow.runtime.incidents import Incident, Incidents, in_brief
from titanflow.runtime.runs import holding_run, run_directory, running_sessions


def test_what_one_process_wrote_another_reads_in_order(tmp_path: Path) -> None:
    Incidents(tmp_path, "s").add("risk", "killed", "by SIGKILL")
    Incidents(tmp_path, "s").add("Redis", "restarted", "it was\ndown")
    assert [one[:1] for one in map(_plain, Incidents(tmp_path, "s").all())] == [("risk",), ("Redis",)]
    assert Incidents(tmp_path, "s").all()[1].reason == "it was down"
    assert Incidents(tmp_path, "other").all() == []


def _plain(incident: Incident) -> tuple[str, str, str]:
    return incident.service, incident.what, incident.reason


def test_a_line_that_a_crash_tore_is_left_out(tmp_path: Path) -> None:
    incidents = Incidents(tmp_path, "s")
    incidents.add("risk", "killed", "by SIGKILL")
    with incidents.path.open("ab") as file:
        file.write(b'{"service":"mirr')
    assert [one.service for one in incidents.all()] == ["risk"]


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("a file where a folder should be")
    Incidents(tmp_path, "s").add("risk", "killed", "by SIGKILL")


def test_the_same_again_is_told_once_with_how_often_and_the_last_reason() -> None:
    told = in_brief(
        [
            Incident("risk", "2026-01-01T00:00:00.000+00:00", "killed", "first"),
            Incident("mirror", "2026-01-01T00:00:01.000+00:00", "waits", "rights"),
            Incident("risk", "2026-01-01T00:00:02.000+00:00", "killed", "last"),
        ]
    )
    assert told == ["risk killed ×2, 2026-01-01T00:00:02: last", "mirror waits, 2026-01-01T00:00:01: rights"]


def test_a_run_that_was_cut_off_is_noticed_by_the_next(tmp_path: Path) -> None:
    run_directory(tmp_path, "s").mkdir(parents=True)
    with holding_run(tmp_path, "s") as cut_off:
        assert not cut_off
        left_by_a_kill = (run_directory(tmp_path, "s") / "supervisor.pid").read_text()
    with holding_run(tmp_path, "s") as cut_off:
        assert not cut_off, "the one before ended well"
    (run_directory(tmp_path, "s") / "supervisor.pid").write_text(left_by_a_kill)
    assert running_sessions(tmp_path) == []
    with holding_run(tmp_path, "s") as cut_off:
        assert cut_off


def test_who_runs_a_session_is_found_and_nobody_runs_it_beside(tmp_path: Path) -> None:
    run_directory(tmp_path, "s").mkdir(parents=True)
    assert running_sessions(tmp_path) == []
    with holding_run(tmp_path, "s"):
        (running,) = running_sessions(tmp_path)
        assert running == ("s", os.getpid())
        with pytest.raises(SessionStateError, match="being run by another process"), holding_run(tmp_path, "s"):
            pass
    with FileLock(run_directory(tmp_path, "s") / "supervisor.lock").acquire(timeout=0):
        pass
