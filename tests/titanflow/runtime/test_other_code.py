"""A session that was opened by other code: said first where it is proven, refused where it would go on."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from replay.verify import verify
from support.short_session import open_fused, play_fused, settings_of
from titanflow import cli as command_line
from titanflow import code_identity
from titanflow.code_identity import Code, code_here
from titanflow.errors import SessionStateError
from titanflow.runtime import opening
from titanflow.runtime.ledgers import CODEC, EventLedger
from titanflow.runtime.operator_desk import session_started
from titanflow.runtime.services import Job, run_decider, run_fused
from titanflow.runtime.session_run import SessionRun, service_environment

OTHER = Code("0.0.9", "ab" * 32)


@pytest.fixture
def by_other_code(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Opens sessions as another version would, until it is undone."""
    monkeypatch.setattr(opening, "code_here", lambda: OTHER)
    return monkeypatch


def test_a_session_records_the_code_that_opens_it(redis_url: str, tmp_path: Path, brief_tape: Path) -> None:
    started = session_started(open_fused(redis_url, tmp_path, brief_tape).ledger)
    assert (started.code_version, started.code_fingerprint) == code_here()


def test_ids_do_not_depend_on_the_text_of_the_code(
    redis_url: str, tmp_path: Path, brief_tape: Path, by_other_code: pytest.MonkeyPatch
) -> None:
    by_other_code.setattr(opening, "code_here", lambda: Code(code_here().version, OTHER.fingerprint))
    other = session_started(open_fused(redis_url, tmp_path, brief_tape).ledger)
    by_other_code.undo()
    here = session_started(open_fused(redis_url, tmp_path, brief_tape).ledger)
    assert other.code_fingerprint != here.code_fingerprint
    assert other.identity == here.identity


def test_a_replay_says_both_codes_first_and_in_its_fields(
    redis_url: str,
    tmp_path: Path,
    brief_tape: Path,
    by_other_code: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = play_fused(redis_url, tmp_path, brief_tape)
    by_other_code.setenv("TITANFLOW_REDIS_URL", redis_url)
    by_other_code.setenv("TITANFLOW_HOME", str(tmp_path))
    by_other_code.setattr(sys, "argv", ["titanflow", "replay", ledger.session, "--json"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 0
    told = capsys.readouterr()
    assert told.err.startswith("other code than the session's: it was opened by titanflow 0.0.9, code abababababab")
    code = json.loads(told.out)["code"]
    assert code == {"same": False, "recorded": OTHER._asdict(), "here": code_here()._asdict()}
    verdict = verify(ledger, CODEC, code=code_here())
    assert verdict.other_code
    assert verdict.identical


def killed(redis_url: str, tmp_path: Path, tape: Path) -> EventLedger:
    return open_fused(redis_url, tmp_path, tape, topology="services", speed=600).ledger


def test_a_resume_under_other_code_is_refused_unless_it_is_asked_for(
    redis_url: str, database_url: str, tmp_path: Path, brief_tape: Path, by_other_code: pytest.MonkeyPatch
) -> None:
    ledger = killed(redis_url, tmp_path, brief_tape)
    settings = settings_of(tmp_path, brief_tape)
    with pytest.raises(SessionStateError, match=r"0\.0\.9.*--other-code"):
        SessionRun.resume(settings, redis_url, database_url, ledger.session)
    run = SessionRun.resume(settings, redis_url, database_url, ledger.session, other_code=True)
    assert service_environment(run.settings, redis_url, database_url)["TITANFLOW_RUNTIME__OTHER_CODE"] == "true"


@pytest.mark.parametrize("name", ["signal", "risk", "fused"])
def test_a_service_of_other_code_decides_nothing_unless_it_is_asked_to(
    redis_url: str,
    redis_client: redis.Redis,
    tmp_path: Path,
    brief_tape: Path,
    by_other_code: pytest.MonkeyPatch,
    name: str,
) -> None:
    ledger = killed(redis_url, tmp_path, brief_tape)
    job = Job(settings_of(tmp_path, brief_tape), redis_url, "", ledger, threading.Event())
    with pytest.raises(SessionStateError, match="other code"):
        run_fused(job) if name == "fused" else run_decider(name, job)
    assert ledger.last_seq() == 1


def test_the_code_of_this_installation_is_read_once() -> None:
    assert code_identity.code_here() is code_identity.code_here()
