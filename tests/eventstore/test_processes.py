import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from support.ledger_kit import AnyLedger, Note
from support.waiting import PATIENCE_S

TESTS = Path(__file__).resolve().parents[1]
WRITERS = 4
BLOCKS = 60


def run_writers(url: str, session: str, names: list[str]) -> None:
    """One process for each name, all at once."""
    script = TESTS / "support" / "append_many.py"
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), str(TESTS.parent / "src")])
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), url, session, name, str(BLOCKS)], env={**os.environ, "PYTHONPATH": path}
        )
        for name in names
    ]
    assert [process.wait(timeout=PATIENCE_S) for process in processes] == [0] * len(names)


@pytest.mark.parametrize("shared", [False, True], ids=["a name each", "one name for all"])
def test_several_processes_appending_at_once_give_one_dense_order(
    ledger: AnyLedger, redis_url: str, session_id: str, shared: bool
) -> None:
    names = ["all" if shared else f"writer-{i}" for i in range(WRITERS)]
    run_writers(redis_url, session_id, names)
    report = ledger.check()
    events_a_writer = sum(1 + i % 3 for i in range(BLOCKS))
    assert (report.events, report.blocks, report.problem) == (WRITERS * events_a_writer, WRITERS * BLOCKS, None)
    assert sum(ledger.checkpoints().values()) == WRITERS * BLOCKS
    by_writer: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for block in ledger.read():
        for event in block.events:
            assert isinstance(event, Note)
            writer, i, j = event.text.split()
            by_writer[writer].append((int(i), int(j)))
    assert len(by_writer) == WRITERS
    assert all(a < b for order in by_writer.values() for a, b in pairwise(order))
