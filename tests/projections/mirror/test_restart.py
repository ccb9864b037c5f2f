"""A mirror process that is killed again and again: subscribers and the audit file get everything, and once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from projections.mirror.mirror import Mirror
from support.mirrored_ledger import append, audit_records, expected
from support.mirrored_story import story
from support.mortal_redis import MortalRedis
from support.subscriber import Subscriber
from support.waiting import PATIENCE_S
from titanflow.runtime.ledgers import EventLedger, new_ledger

SCRIPT = Path(__file__).parents[2] / "support" / "run_mirror.py"


def run_mirror(url: str, session: str, audit_log: Path) -> int:
    """Exit code of a mirror process that is killed once it has published a batch."""
    repository = SCRIPT.parents[2]
    path = os.pathsep.join(map(str, (repository, repository / "src", repository / "tests")))
    command = [sys.executable, str(SCRIPT), url, session, str(audit_log)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, timeout=PATIENCE_S, check=False).returncode


def written(audit_log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in audit_log.read_text().splitlines()]


@pytest.mark.parametrize("block", [20, 31])
def test_a_mirror_killed_again_and_again_loses_nothing_and_doubles_nothing(
    ledger: EventLedger, redis_url: str, session_id: str, subscriber: Subscriber, tmp_path: Path, block: int
) -> None:
    audit_log = tmp_path / "audit.jsonl"
    append(ledger, [story()[0], *(story()[1:20] * 50)], block)
    exits = [run_mirror(redis_url, session_id, audit_log)]
    while exits[-1] == -signal.SIGKILL:
        exits.append(run_mirror(redis_url, session_id, audit_log))
    assert exits[-1] == 0
    assert len(exits) > 2
    assert subscriber.hear() == expected(ledger)
    assert written(audit_log) == audit_records(ledger)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[MortalRedis]:
    server = MortalRedis(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_server_that_is_killed_and_comes_back_publishes_nothing_twice(mortal: MortalRedis, session_id: str) -> None:
    events = story()
    with (
        mortal.client() as client,
        closing(new_ledger(client, session_id)) as ledger,
        closing(Mirror(ledger, client)) as mirror,
    ):
        append(ledger, events[:16])
        mirror.catch_up()
        mortal.kill()
        mortal.start()
        with closing(Subscriber(client, session_id)) as subscriber:
            append(ledger, events[16:])
            mirror.catch_up()
            assert subscriber.hear() == [said for said in expected(ledger) if said[1]["seq"] > 16]
