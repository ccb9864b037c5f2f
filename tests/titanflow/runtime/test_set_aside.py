"""Sessions in which a contender fails or never comes back: the others go on, its positions close, a replay agrees."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from eventstore.ledger import Move
from projections.migrate import migrate
from projections.verify import verify as verify_projections
from replay.verify import verify
from support.bad_rules import BadRule
from support.mortal_ledger import KilledError, MortalLedger
from support.short_session import events_of, open_fused, settings_of
from titanflow.domain.events import (
    ContenderSetAside,
    ContenderTimedOut,
    Event,
    LeaderboardPublished,
    OrderApproved,
    OrderFilled,
    SignalGenerated,
)
from titanflow.domain.types import OrderPurpose, SetAsideReason, TradingStatus
from titanflow.runtime import supervisor as supervisor_module
from titanflow.runtime.call_budget import CallBudget
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.ledgers import CODEC, EventLedger, new_ledger
from titanflow.runtime.processor import Processor, is_over
from titanflow.runtime.session_run import SessionRun
from titanflow.signal.asking import Asking, CallStopped
from titanflow.signal.strategies import STRATEGIES

LIMIT = 0.2
"""CPU seconds that a call may use here."""
FIELD = """
[[contender]]
id = "bad"
strategy = "BadRule"
instruments = "*"
bar_seconds = 60
parameters = {{ way = "{way}", at = {at}, buy_at = {buy_at} }}

[[contender]]
id = "good"
strategy = "RSIMeanReversion"
instruments = "*"
bar_seconds = 60
parameters = {{ period = 14, oversold = 35, overbought = 65, trigger = "leave" }}
"""
BUY_AT = 16
"""By then the average true range is known, without which risk denies."""
FAILS_AT = 30

Play = Callable[..., EventLedger]


@pytest.fixture(autouse=True)
def _bad_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, BadRule.name, BadRule)


def field(folder: Path, way: str, at: int = FAILS_AT, buy_at: int = BUY_AT) -> Path:
    path = folder / f"{way}-{at}.toml"
    path.write_text(FIELD.format(way=way, at=at, buy_at=buy_at))
    return path


@pytest.fixture
def play(redis_url: str, tmp_path: Path, tape: Path) -> Play:
    """Plays an hour in the fused topology."""

    def play_one(way: str, **where: Any) -> EventLedger:
        opened = open_fused(redis_url, tmp_path, tape, contenders=field(tmp_path, way, **where))
        FusedRun(opened.ledger, opened.feed, call_cpu_seconds=LIMIT).run()
        return opened.ledger

    return play_one


def of(name: str, events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if type(event) is kind and event.contender == name]  # type: ignore[attr-defined]


def assert_set_aside(ledger: EventLedger, reason: SetAsideReason) -> list[Event]:
    """It happened, once, and the session came to its end all the same; returns the events."""
    events = events_of(ledger)
    (failed,) = of("bad", events, ContenderSetAside)
    assert failed.reason is reason
    assert is_over(ledger)
    assert ledger.check().problem is None
    assert verify(ledger, CODEC).divergence is None
    last = next(event for event in reversed(events) if isinstance(event, LeaderboardPublished))
    standings = {standing.contender: standing for standing in last.standings}
    assert standings["bad"].status is TradingStatus.SET_ASIDE
    assert standings["bad"].open_positions == 0
    assert standings["good"].status is not TradingStatus.SET_ASIDE
    assert of("good", events, SignalGenerated)
    at = events.index(failed)
    late = [event for event in of("bad", events[at:], OrderApproved) if event.purpose is OrderPurpose.ENTRY]
    assert late == []
    return events


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("raises", SetAsideReason.RAISED),
        ("nan_confidence", SetAsideReason.NOT_FINITE),
        ("inf_contribution", SetAsideReason.NOT_FINITE),
        ("no_opinion", SetAsideReason.MALFORMED),
    ],
)
def test_a_rule_that_fails_is_set_aside_and_its_positions_are_closed(
    play: Play, way: str, reason: SetAsideReason
) -> None:
    events = assert_set_aside(play(way), reason)
    bought = [fill for fill in of("bad", events, OrderFilled) if fill.purpose is OrderPurpose.ENTRY]
    closed = [fill for fill in of("bad", events, OrderFilled) if fill.purpose is OrderPurpose.LIQUIDATION]
    assert bought
    assert closed


def test_a_rule_that_cannot_be_made_is_set_aside_at_the_opening(play: Play) -> None:
    events = assert_set_aside(play("raises", at=0), SetAsideReason.RAISED)
    assert of("bad", events, SignalGenerated) == []


def test_a_rule_that_never_comes_back_is_stopped_where_it_was_asked(play: Play) -> None:
    events = assert_set_aside(play("loops"), SetAsideReason.TIMED_OUT)
    (late,) = of("bad", events, ContenderTimedOut)
    at = events.index(late) + 1
    assert late.seq < at
    asked = events[late.seq - 1]
    assert late.at >= asked.at  # type: ignore[attr-defined]
    assert of("bad", events[late.seq - 1 :], SignalGenerated) == []
    bought = [fill for fill in of("bad", events, OrderFilled) if fill.purpose is OrderPurpose.ENTRY]
    assert bought
    assert [fill for fill in of("bad", events[at:], OrderFilled) if fill.purpose is OrderPurpose.LIQUIDATION]


def test_one_that_never_comes_back_from_being_made_is_never_asked(play: Play) -> None:
    events = assert_set_aside(play("loops", at=0), SetAsideReason.TIMED_OUT)
    (late,) = of("bad", events, ContenderTimedOut)
    assert late.seq == 1
    assert of("bad", events, SignalGenerated) == []


def test_the_same_tape_gives_the_same_bytes_with_a_stopped_call_too(play: Play) -> None:
    assert play("loops").digest() == play("loops").digest()


def test_the_other_contenders_trade_as_if_it_had_never_been_asked_again(play: Play) -> None:
    kinds = (SignalGenerated, OrderFilled)

    def without_names(events: list[Event]) -> list[Any]:
        keys = ("at", "instrument", "side", "price", "quantity")
        return [[getattr(e, key, None) for key in keys] for kind in kinds for e in of("good", events, kind)]

    stopped = without_names(events_of(play("loops")))
    assert stopped
    assert stopped == without_names(events_of(play("raises")))


@pytest.mark.parametrize("appends", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("written", [True, False])
def test_killed_anywhere_and_resumed_it_is_stopped_at_the_same_event(
    redis_url: str, tmp_path: Path, tape: Path, play: Play, appends: int, written: bool
) -> None:
    opened = open_fused(redis_url, tmp_path, tape, contenders=field(tmp_path, "loops"))
    mortal: Any = MortalLedger(opened.ledger, appends, written=written)
    with pytest.raises(KilledError):
        FusedRun(mortal, opened.feed, call_cpu_seconds=LIMIT).run()
    FusedRun(opened.ledger, opened.feed, call_cpu_seconds=LIMIT).run()
    assert_set_aside(opened.ledger, SetAsideReason.TIMED_OUT)
    assert opened.ledger.digest() == play("loops").digest()


def test_a_decider_of_its_own_process_notes_the_stopped_call_and_goes_on(
    play: Play, redis_client: redis.Redis, session_id: str
) -> None:
    """The outside of a whole session, decided anew by the signal decider alone."""
    whole = events_of(play("raises", at=100_000))
    outside = [event for event in whole if type(event).external]
    started = outside[0]
    ledger = new_ledger(redis_client, session_id)
    parameters = (("at", FAILS_AT), ("buy_at", BUY_AT), ("way", "loops"))
    specs = tuple(
        msgspec.structs.replace(spec, parameters=parameters) if spec.id == "bad" else spec
        for spec in started.contenders  # type: ignore[attr-defined]
    )
    ledger.append([msgspec.structs.replace(started, contenders=specs)], [Move("session", 0, 1)])
    ledger.append(outside[1:], [Move("copy", 0, 1)])
    end = ledger.last_seq()
    looked = iter(range(10_000))

    def enough() -> bool:
        return ledger.checkpoint("signal") > end or next(looked) > 500

    Processor(ledger, "signal", enough, call_cpu_seconds=LIMIT).run()
    events = events_of(ledger)
    (late,) = of("bad", events, ContenderTimedOut)
    (failed,) = of("bad", events, ContenderSetAside)
    assert failed.cause == events.index(late) + 1
    assert ledger.checkpoint("timed-out:bad") == late.seq
    assert all(signal.cause < late.seq for signal in of("bad", events, SignalGenerated))
    assert of("good", events, SignalGenerated)
    verdict = verify(ledger, CODEC)
    assert verdict.divergence is None or verdict.divergence.decider != "signal"


@pytest.fixture
def open_run(
    redis_url: str, database: str, tmp_path: Path, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., SessionRun]]:
    """Opens a session whose services know the bad rule."""
    script = Path(__file__).resolve().parents[2] / "support" / "with_bad_rules.py"
    monkeypatch.setattr(supervisor_module, "_COMMAND", (sys.executable, str(script), "service"))
    migrate(database)

    def open_one(topology: str, way: str) -> SessionRun:
        settings = settings_of(
            tmp_path, tape, topology=topology, speed=2400, redis_url=redis_url, database_url=database,
            contenders=field(tmp_path, way), runtime={"contender_cpu_seconds": LIMIT},
        )  # fmt: skip
        return SessionRun.open(settings, redis_url, database)

    return open_one


@pytest.mark.e2e
@pytest.mark.parametrize("topology", ["services", "fused"])
@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("loops", SetAsideReason.TIMED_OUT),
        ("raises", SetAsideReason.RAISED),
        ("inf_contribution", SetAsideReason.NOT_FINITE),
    ],
)
def test_a_session_in_processes_of_its_own_goes_on_without_the_one_that_failed(
    open_run: Callable[..., SessionRun], database: str, topology: str, way: str, reason: SetAsideReason
) -> None:
    run = open_run(topology, way)
    run.run(lambda: None)
    assert run.problem == ""
    assert all(service.total_restarts == 0 for service in run.supervisor.services.values())
    assert_set_aside(run.ledger, reason)
    assert verify_projections(database, run.ledger).identical
    assert "bad" in run.observer.set_aside


class TestBudget:
    """The limit by itself."""

    def spin(self, asking: Asking, seconds: float) -> None:
        """A call, as a decider shows it, that uses so much CPU time at the most."""
        asking.begin("busy", 7)
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
        asking.end()

    def test_a_call_that_uses_up_its_time_is_stopped_by_name(self) -> None:
        asking = Asking()
        with pytest.raises(CallStopped) as stopped, CallBudget(asking, 0.1):
            self.spin(asking, 60.0)
        assert (stopped.value.contender, stopped.value.seq) == ("busy", 7)

    def test_many_short_calls_are_let_be(self) -> None:
        asking = Asking()
        with CallBudget(asking, 0.1):
            for _ in range(40):
                self.spin(asking, 0.01)

    def test_what_the_ledger_holds_already_is_folded_however_long_it_takes(self) -> None:
        asking = Asking()
        with CallBudget(asking, 0.1, after=7):
            self.spin(asking, 0.4)

    def test_the_process_has_its_signals_back_afterwards(self) -> None:
        before = signal.getsignal(signal.SIGPROF)
        with CallBudget(Asking(), 0.1):
            assert signal.getsignal(signal.SIGPROF) != before
        assert signal.getsignal(signal.SIGPROF) == before
        assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
