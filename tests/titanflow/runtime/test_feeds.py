"""A feed is opened only where it is the one that its session started with: another one would double or lose ticks."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.short_session import events_of, open_fused, settings_of
from titanflow.domain.events import SessionStarted
from titanflow.errors import SessionStateError
from titanflow.runtime.feeds import open_feed, open_provider
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.ledgers import EventLedger
from titanflow.runtime.operator_desk import session_started
from titanflow.runtime.services import Job, run_fused, run_gateway
from titanflow.runtime.session_run import SessionRun
from titanflow.settings import Settings


@pytest.fixture
def changing_tape(tmp_path: Path, brief_tape: Path) -> Path:
    return Path(shutil.copy(brief_tape, tmp_path / "changing.csv"))


@pytest.fixture
def stopped_job(redis_url: str, tmp_path: Path) -> Callable[[EventLedger], Job]:
    """Makes a service's job that would stop at once."""

    def made(ledger: EventLedger) -> Job:
        stop = threading.Event()
        stop.set()
        return Job(Settings(home=tmp_path), redis_url, "", ledger, stop)

    return made


def put_a_row_before(tape: Path) -> None:
    """The first row twice: every later row moves by one place."""
    header, first, *rest = tape.read_text().splitlines(keepends=True)
    tape.write_text("".join((header, first, first, *rest)))


def digest_of(settings: Settings) -> str:
    return open_provider(settings).feed().sha256


def test_a_tape_that_changed_is_refused_with_both_digests_and_what_to_do(
    redis_url: str, tmp_path: Path, changing_tape: Path
) -> None:
    opened = open_fused(redis_url, tmp_path, changing_tape)
    settings = settings_of(tmp_path, changing_tape)
    started = session_started(opened.ledger)
    put_a_row_before(changing_tape)
    with pytest.raises(SessionStateError) as refused:
        open_feed(settings, open_provider(settings), started)
    for told in (started.feed.sha256, digest_of(settings), "changing.csv", "--resume", "bring"):
        assert told in str(refused.value)


def test_the_same_tape_under_another_name_is_taken(redis_url: str, tmp_path: Path, changing_tape: Path) -> None:
    opened = open_fused(redis_url, tmp_path, changing_tape)
    settings = settings_of(tmp_path, changing_tape.rename(tmp_path / "renamed.csv"))
    feed = open_feed(settings, open_provider(settings), session_started(opened.ledger))
    FusedRun(opened.ledger, feed).run()
    assert isinstance(events_of(opened.ledger)[0], SessionStarted)


@pytest.mark.parametrize("service", [run_gateway, run_fused])
def test_neither_a_gateway_nor_a_fused_process_goes_on_with_another_tape(
    service: Callable[[Job], None],
    redis_url: str,
    tmp_path: Path,
    changing_tape: Path,
    stopped_job: Callable[[EventLedger], Job],
) -> None:
    opened = open_fused(redis_url, tmp_path, changing_tape)
    put_a_row_before(changing_tape)
    with pytest.raises(SessionStateError, match="digest"):
        service(stopped_job(opened.ledger))
    assert opened.ledger.last_seq() == 1


def test_a_resume_with_another_tape_is_refused_before_anything_starts(
    redis_url: str, database_url: str, tmp_path: Path, changing_tape: Path
) -> None:
    opened = open_fused(redis_url, tmp_path, changing_tape)
    settings = settings_of(tmp_path, changing_tape)
    put_a_row_before(changing_tape)
    with pytest.raises(SessionStateError, match="digest"):
        SessionRun.resume(settings, redis_url, database_url, opened.ledger.session)
    assert opened.ledger.last_seq() == 1
