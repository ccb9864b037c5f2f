"""A session of the shipped sample, recomputed from its ledger and its tape by scripts that import nothing of ours."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from titanflow.gateway.samples import sample_tape

from .conftest import CommandLine

SCRIPT = Path(__file__).parents[2] / "audit" / "recompute_session.py"


@pytest.fixture(scope="module")
def ledger(cli: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every event of a backtest of the shipped sample by the shipped contenders, one JSON object a line."""
    cli.json("backtest", "--session", "sample")
    path = tmp_path_factory.mktemp("ledger") / "sample.jsonl"
    path.write_text(cli.good("ledger", "tail", "sample", "--json", "-n", 10**9))
    return path


def audit(ledger: Path) -> subprocess.CompletedProcess[str]:
    """The audit's answer. Without site packages (-S) and our variables it can import nothing of ours."""
    command = [sys.executable, "-S", str(SCRIPT), str(ledger), str(sample_tape("us_equity_minute_2019-02"))]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False)


def compared(answer: str) -> dict[str, tuple[int, int]]:
    """Kind of number -> how many were compared, and how many of them differ."""
    found = re.findall(r"^(\w+) +([\d,]+) numbers compared, ([\d,]+) differ", answer, re.MULTILINE)
    return {kind: (int(count.replace(",", "")), int(differ.replace(",", ""))) for kind, count, differ in found}


def test_the_sample_session_is_what_the_documents_say(ledger: Path) -> None:
    done = audit(ledger)
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = compared(done.stdout)
    assert numbers.keys() >= {"bar", "signal", "size", "point", "fill", "cost", "fee", "standing"}
    assert all(count > 0 and differ == 0 for count, differ in numbers.values())


def test_the_audit_finds_a_changed_number_of_each_kind(ledger: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.jsonl"
    with forged.open("w") as file:
        file.writelines(_with_one_of_each_changed(ledger))
    done = audit(forged)
    assert done.returncode == 1, done.stderr
    differing = {kind for kind, (_, differ) in compared(done.stdout).items() if differ}
    assert differing >= {"bar", "signal", "size", "point", "fill", "cost", "fee", "standing"}


FORGED = {
    "BarClosed": "close",
    "BarPointReceived": "size",
    "OrderApproved": "stop_price",
    "OrderSubmitted": "active_at",
    "OrderFilled": "fee",
    "SignalGenerated": "confidence",
}


def _with_one_of_each_changed(ledger: Path) -> Iterator[str]:
    """The ledger's lines, one number of the first event of each of these types another; and one fill's price."""
    waiting = dict(FORGED)
    for line in ledger.read_text().splitlines(keepends=True):
        event = json.loads(line)
        field = waiting.pop(event["type"], None)
        if field is not None:
            event[field] += 10**9
            if event["type"] == "OrderFilled":
                event["price"] += 10**9
        yield line if field is None else json.dumps(event) + "\n"
