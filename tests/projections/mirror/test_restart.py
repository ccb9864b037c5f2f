"""A mirror process that is killed again and again: subscribers and the audit file get everything, and once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.mirrored_ledger import append, audit_records, expected
from support.mirrored_story import story
from support.subscriber import Subscriber
from support.waiting import wait_until
from titanflow.runtime.ledgers import EventLedger

SCRIPT = Path(__file__).parents[2] / "support" / "run_mirror.py"
ROUNDS = 4


@contextmanager
def mirror_process(url: str, session: str, audit_log: Path) -> Iterator[None]:
    """A mirror in a process of its own, killed without warning at the end."""
    repository = SCRIPT.parents[2]
    path = os.pathsep.join(map(str, (repository, repository / "src", repository / "tests")))
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), url, session, str(audit_log)], env={**os.environ, "PYTHONPATH": path}
    )
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(timeout=20)


def written(audit_log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in audit_log.read_text().splitlines()]


@pytest.mark.parametrize("block", [1, 40], ids=["small blocks", "large blocks"])
def test_a_killed_mirror_loses_nothing_and_doubles_nothing(
    ledger: EventLedger, redis_url: str, session_id: str, subscriber: Subscriber, tmp_path: Path, block: int
) -> None:
    audit_log = tmp_path / "audit.jsonl"
    # The story's middle over and over: each round ends with a kill while the mirror is at work.
    events = [story()[0], *(story()[1:20] * 40)]
    size = len(events) // ROUNDS
    for number in range(ROUNDS):
        with mirror_process(redis_url, session_id, audit_log):
            append(ledger, events[number * size : (number + 1) * size], block)
            wait_until(lambda number=number: ledger.checkpoint("mirror") > number * size)  # type: ignore[misc]
    with mirror_process(redis_url, session_id, audit_log):
        append(ledger, events[ROUNDS * size :], block)
        wait_until(lambda: ledger.checkpoint("mirror") == ledger.last_seq())
        wait_until(lambda: len(written(audit_log)) >= len(audit_records(ledger)))
    assert subscriber.hear() == expected(ledger)
    assert written(audit_log) == audit_records(ledger)
