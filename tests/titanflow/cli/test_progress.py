"""What the plain lines of a running session say; its screen is looked at on a real terminal in test_live."""

from types import SimpleNamespace
from typing import Any

import pytest

from titanflow.cli import progress
from titanflow.cli.progress import SessionView, model_warnings, operator_hints
from titanflow.domain.events import FeatureDriftMeasured, KillSwitchTripped, SignalWithheld
from titanflow.domain.types import KillTrigger, Side, TradingStatus, WithheldReason
from titanflow.runtime.observer import Observer
from titanflow.runtime.supervisor import Health, Service

DAY_NANOS = 86_400 * 1_000_000_000
OPEN = 1_549_895_400_000_000_000
"""2019-02-11 14:30 UTC."""


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(progress, "note", said.append)
    return said


def run_of(*services: Service) -> Any:
    """A run of these services that has just begun, as the view sees it."""
    return SimpleNamespace(
        session="s", observer=Observer(), lag=lambda: {"risk": 7, "mirror": 3}, ending=False,
        dead_letters=lambda: 2, warnings=[], away="",
        supervisor=SimpleNamespace(services={service.name: service for service in services}),
        guard=SimpleNamespace(restarts={}, down={}),
    )  # fmt: skip


def test_a_line_has_the_rate_since_the_last_one_the_worst_lag_and_who_is_down(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(Service("gateway", health=Health.RUNNING), Service("risk", health=Health.WAITING, total_restarts=2))
    view = SessionView(run, (0, 100), quiet=False)
    for now, seq in ((100.0, 0), (101.0, 50), (106.0, 600)):
        run.observer.last_seq = seq
        monkeypatch.setattr(progress.time, "monotonic", lambda now=now: now)
        view.refresh()
    assert len(lines) == 2, "a line every five seconds"
    assert "100 events/s  lag 7 (risk)" in lines[1]
    assert "dead letters 2" in lines[1]
    assert "risk restarting ×2" in lines[1]
    assert "gateway" not in lines[1]


def test_what_waits_for_a_person_is_shown_with_the_command_that_answers_it() -> None:
    seen: Any = Observer()
    assert operator_hints(seen) == []
    seen.leaderboard = SimpleNamespace(
        standings=[
            SimpleNamespace(contender="calm", status=TradingStatus.ACTIVE),
            SimpleNamespace(contender="mad", status=TradingStatus.HALTED),
        ]
    )
    seen.held["order"] = SimpleNamespace(expires_at=OPEN + 42 * 10**9)
    seen.at = OPEN
    seen.halts.look(KillSwitchTripped(2, OPEN, "mad", KillTrigger.OPERATOR, 1, 1, 0, 0))
    halted, held = operator_hints(seen)
    assert halted.startswith("mad halted")
    assert "titanflow resume" in halted
    assert held.startswith("1 held, the first for 42 s of event time")
    assert "titanflow approve|deny ORDER" in held


def test_a_quiet_run_writes_no_lines(lines: list[str]) -> None:
    with SessionView(run_of(), (0, 100), quiet=True) as view:
        view.refresh()
    assert lines == []


def drifted(contender: str, *indices: tuple[str, float]) -> FeatureDriftMeasured:
    beyond = tuple(name for name, index in indices if index >= 0.25)
    return FeatureDriftMeasured(2, OPEN, contender, OPEN, 240, indices, bool(beyond), "h", beyond)


def test_what_is_wrong_with_models_is_a_warning_and_a_line_once(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of()
    view = SessionView(run, (0, 100), quiet=False)
    run.observer.faults = {"lstm": "model ab12: model.onnx was changed"}
    run.observer.drift = {"tft": drifted("tft", ("rsi", 0.31), ("return_1", 0.1)), "ppo": drifted("ppo", ("rsi", 0.2))}
    fault, drift = model_warnings(run.observer)
    assert fault == "lstm is faulty and does not compete: model ab12: model.onnx was changed"
    assert drift == "tft: features unlike its training since 2019-02-11 14:30:00: rsi 0.31"
    for now in (100.0, 110.0):
        monkeypatch.setattr(progress.time, "monotonic", lambda now=now: now)
        view.refresh()
    assert lines.count(fault) == lines.count(drift) == 1
    assert sum("withheld 0" in line for line in lines) == 2


def test_who_is_silent_for_the_time_that_it_is_is_told_with_the_reason_while_it_holds() -> None:
    seen = Observer()
    withheld = {
        name: SignalWithheld(1, OPEN, name, "A.X", Side.BUY, reason, (("age_days", -1.0),), "h")
        for name, reason in {
            "tft": WithheldReason.IN_SAMPLE, "lstm": WithheldReason.IN_SAMPLE, "ppo": WithheldReason.STALE,
            "stack": WithheldReason.OUTLIER,
        }.items()
    }  # fmt: skip
    seen.silent, seen.at = withheld, OPEN + DAY_NANOS
    in_sample, stale = model_warnings(seen)
    assert in_sample.startswith("lstm, tft silent: this very time was in their training data")
    assert stale == "ppo silent: their training ended longer ago than max_age_days"
    seen.at += 1
    assert model_warnings(seen) == [stale]
