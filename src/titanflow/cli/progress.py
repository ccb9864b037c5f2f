"""The live screen of a running session: progress, rate, lag, services, leaderboard. Plain lines without a terminal."""

import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import redis
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eventstore.errors import LedgerError
from titanflow.cli.output import messages, note, to_second
from titanflow.cli.risk_story import halt_hints, lives_for
from titanflow.cli.standings import record_of, standings_table
from titanflow.domain.events import (
    BarPointReceived,
    Event,
    OrderDenied,
    OrderFilled,
    OrderSubmitted,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
    TickReceived,
)
from titanflow.domain.types import NANOS_PER_DAY, Nanos, TradingStatus, WithheldReason
from titanflow.runtime.logs import configure_logging
from titanflow.runtime.observer import Observer
from titanflow.runtime.supervisor import Health
from titanflow.runtime.troubles import troubles_of
from titanflow.signal.contenders import less_sure_than
from titanflow.signal.on_tape import told_of_tape

if TYPE_CHECKING:
    from titanflow.runtime.session_run import SessionRun

REDRAW_EVERY_S = 0.25
LINE_EVERY_S = 5.0
RATE_OVER_S = 5.0
BAR_WIDTH = 30

_STYLES = {Health.RUNNING: "green", Health.WAITING: "yellow", Health.DONE: "dim", Health.FAILED: "bold red"}


_ILL = (Health.WAITING, Health.FAILED)
_COUNTED: Mapping[str, tuple[type[Event], ...]] = {
    "ticks": (TickReceived, BarPointReceived),
    "signals": (SignalGenerated,),
    "withheld": (SignalWithheld,),
    "denied": (OrderDenied,),
    "orders": (OrderSubmitted,),
    "fills": (OrderFilled,),
}


class SessionView:
    """Shows a run on standard error while it goes. `quiet` leaves out the plain lines, not the screen.

    `span` are the first and last moment that the feed may have.
    """

    def __init__(self, run: "SessionRun", span: tuple[Nanos, Nanos], *, quiet: bool) -> None:
        self._run = run
        self._first, self._last = span
        on_screen = messages.is_terminal and not messages.is_dumb_terminal
        self._quiet = quiet and not on_screen
        self._live = Live(console=messages, auto_refresh=False, transient=True) if on_screen else None
        self._log: TextIO | None = None
        self._drawn_at = 0.0
        self._samples: deque[tuple[float, int]] = deque()
        self._lag = self._dead_letters = 0
        self._slowest = ""
        self._warned: set[str] = set()
        """Warnings that stand among the plain lines already."""

    def __enter__(self) -> "SessionView":
        if self._live:
            # Log lines would tear the screen apart.
            self._log = self._run.supervisor.log_path("supervisor").open("a", encoding="utf-8")
            configure_logging("supervisor", stream=self._log)
            self._live.start()
            # A second Ctrl-C ends the process at once: it must not leave the terminal without a cursor.
            messages.show_cursor(True)
        elif not self._quiet:
            note(f"session {self._run.session} runs; Ctrl-C ends it in good order")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live and self._log:
            self._live.stop()
            configure_logging("titanflow", "WARNING")
            self._log.close()

    def refresh(self) -> None:
        """Draw again, if it is time to."""
        now = time.monotonic()
        if self._quiet or now - self._drawn_at < (REDRAW_EVERY_S if self._live else LINE_EVERY_S):
            return
        self._drawn_at = now
        self._measure(now)
        if self._live:
            self._live.update(self.screen(messages.width), refresh=True)
        else:
            note("  ".join((to_second(self._run.observer.at), *self._pace(), *self._counts(), *self._ill())))
            for warning in (*troubles_of(self._run), *model_warnings(self._run.observer)):
                if warning not in self._warned:
                    self._warned.add(warning)
                    note(warning)

    def screen(self, width: int) -> Group:
        """Everything, in lines that fit into `width` columns."""
        lines = [self._title(), self._services(), self._progress(min(BAR_WIDTH, width // 3))]
        lines += [Text("  ".join(part)) for part in (self._pace(), self._counts())]
        seen = self._run.observer
        told = (*troubles_of(self._run), *operator_hints(seen), *model_warnings(seen))
        hints = [Text(hint, style="yellow") for hint in told]
        for line in (*lines, *hints):
            line.truncate(width, overflow="ellipsis")
        return Group(*lines, *self._standings(width), *hints)

    def _measure(self, now: float) -> None:
        self._samples.append((now, self._run.observer.last_seq))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_OVER_S:
            self._samples.popleft()
        try:
            self._slowest, self._lag = max(self._run.lag().items(), key=lambda one: one[1], default=("", 0))
            self._dead_letters = self._run.dead_letters()
        except (LedgerError, redis.RedisError):
            # The server is away, or gone; until it answers the last numbers stand, and the run says what it knows.
            return

    def _title(self) -> Text:
        title = Text("TitanFlow  ", style="bold").append(f"session {self._run.session}  ", style="not bold")
        if self._run.ending:
            return title.append("ending in good order; Ctrl-C again: at once", style="not bold yellow")
        return title.append("Ctrl-C ends it in good order", style="not bold dim")

    def _services(self) -> Text:
        line = Text()
        for service in self._run.supervisor.services.values():
            again = f" ×{service.total_restarts}" if service.total_restarts else ""
            line.append(f"● {service.name}{again}  ", style=_STYLES[service.health])
        for name, count in self._run.guard.restarts.items():
            line.append(f"{name} came back ×{count}  ", style="yellow")
        return line

    def _ill(self) -> list[str]:
        services = self._run.supervisor.services.values()
        return [f"{s.name} {s.health} ×{s.total_restarts}" for s in services if s.health in _ILL]

    def _progress(self, length: int) -> Text:
        at = self._run.observer.at
        done = min(1.0, max(0.0, (at - self._first) / max(1, self._last - self._first)))
        bar = Text.assemble(*(
            (segment.text, segment.style or "")
            for segment in messages.render(ProgressBar(1.0, done, length), messages.options.update(width=length))
            if segment.text.strip()
        ))  # fmt: skip
        return Text(f"{to_second(at)} UTC  ").append(bar).append(f"  {done:.0%}")

    def _pace(self) -> tuple[str, ...]:
        seen = self._run.observer
        return (
            f"{self._rate():,.0f} events/s",
            f"lag {self._lag:,}" + (f" ({self._slowest})" if self._lag else ""),
            f"positions {len(seen.positions)}",
            f"held orders {len(seen.held)}",
            f"dead letters {self._dead_letters:,}",
        )

    def _counts(self) -> tuple[str, ...]:
        return tuple(f"{name} {sum(map(self._run.observer.count, kinds)):,}" for name, kinds in _COUNTED.items())

    def _standings(self, width: int) -> list[Table]:
        seen = self._run.observer
        if seen.leaderboard is None or seen.started is None:
            return []
        names = {spec.id: spec.name for spec in seen.started.contenders}
        return [standings_table(map(record_of, seen.leaderboard.standings), names, width)]

    def _rate(self) -> float:
        if not self._samples:
            return 0.0
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        return (last - first) / (end - start) if end > start else 0.0


SILENCES = {
    WithheldReason.IN_SAMPLE: "this very time was in their training data, so a result would prove nothing",
    WithheldReason.BEFORE_TRAINING: "they were trained on what came after this time, so a result would prove nothing",
    WithheldReason.STALE: "their training ended longer ago than max_age_days",
}


def operator_hints(seen: Observer) -> list[str]:
    """What waits for a person, and the command that answers it."""
    standings = seen.leaderboard.standings if seen.leaderboard else ()
    halted = [standing.contender for standing in standings if standing.status is TradingStatus.HALTED]
    hints = list(halt_hints(seen.halts, halted))
    if seen.held:
        first = min(lives_for(order.expires_at, seen.at) for order in seen.held.values())
        hints.append(
            f"{len(seen.held)} held, the first for {first} s of event time: `titanflow status` shows them, "
            "`titanflow approve|deny ORDER` answers"
        )
    return hints


def model_warnings(seen: Observer) -> list[str]:
    """What is wrong with contenders: those not loaded, those that failed, that risk will deny, that have drifted."""
    warnings = [f"{contender} is faulty and does not compete: {fault}" for contender, fault in seen.faults.items()]
    warnings += [
        f"{contender} was set aside ({failed.reason}): {failed.detail}" for contender, failed in seen.set_aside.items()
    ]
    if seen.started:
        warnings += told_of_tape(seen.started.contenders, seen.started.feed.bars)
        warnings += _denials(seen.started)
    for contender, measured in seen.drift.items():
        drifted = [f"{name} {index:.2f}" for name, index in measured.indices if name in measured.beyond]
        if drifted:
            since = to_second(measured.since)
            warnings.append(f"{contender}: features unlike its training since {since}: {', '.join(drifted)}")
    return warnings + _silences(seen)


def _silences(seen: Observer) -> list[str]:
    """Who keeps silent for the time that it is: it lasts, and looks like idleness."""
    told = []
    for reason, why in SILENCES.items():
        silent = sorted(name for name, withheld in seen.silent.items() if _still(withheld, reason, seen.at))
        if silent:
            told.append(f"{', '.join(silent)} silent: {why}")
    return told


def _still(withheld: SignalWithheld, reason: WithheldReason, at: Nanos) -> bool:
    """Whether it withheld for this reason and that has not passed: the time up to its training's end does."""
    if withheld.reason is not reason:
        return False
    age_days = dict(withheld.context)["age_days"]
    return reason is WithheldReason.STALE or at <= withheld.at - round(float(age_days) * NANOS_PER_DAY)


def _denials(started: SessionStarted) -> list[str]:
    """Who buys at less confidence than risk asks for."""
    least = started.settings.risk.min_confidence
    buys = less_sure_than(least, started.contenders, {model.digest: model.manifest for model in started.models})
    return [
        f"{contender} buys from a probability of {probability:.4f} on, but risk.min_confidence = {least:g} denies "
        "every entry less sure than that"
        for contender, probability in buys.items()
    ]
