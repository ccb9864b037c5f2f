"""The live screen of a running session: rate, lag, services, leaderboard. Plain lines where no terminal is."""

import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from titanflow.cli.output import messages, moment
from titanflow.cli.standings import record_of, standings_table
from titanflow.domain.events import OrderFilled, OrderSubmitted, SignalGenerated, TickReceived
from titanflow.runtime.supervisor import Health

if TYPE_CHECKING:
    from titanflow.runtime.session_run import SessionRun

REDRAW_EVERY_S = 0.25
LINE_EVERY_S = 5.0
RATE_OVER_S = 5.0

_STYLES = {Health.RUNNING: "green", Health.WAITING: "yellow", Health.DONE: "dim", Health.FAILED: "bold red"}


class SessionView:
    """Shows a run on standard error while it goes; `quiet` shows nothing."""

    def __init__(self, run: "SessionRun", *, quiet: bool) -> None:
        self._run = run
        self._quiet = quiet
        self._live = Live(console=messages, auto_refresh=False) if messages.is_terminal and not quiet else None
        self._drawn_at = 0.0
        self._samples: deque[tuple[float, int]] = deque()

    def __enter__(self) -> "SessionView":
        if self._live:
            self._live.start()
        elif not self._quiet:
            messages.print(f"session {self._run.session} runs; Ctrl-C ends it in good order")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self._screen(), refresh=True)
            self._live.stop()

    def refresh(self) -> None:
        """Draw again, if it is time to."""
        now = time.monotonic()
        if self._quiet or now - self._drawn_at < (REDRAW_EVERY_S if self._live else LINE_EVERY_S):
            return
        self._drawn_at = now
        self._samples.append((now, self._run.observer.last_seq))
        while len(self._samples) > 1 and now - self._samples[0][0] > RATE_OVER_S:
            self._samples.popleft()
        if self._live:
            self._live.update(self._screen(), refresh=True)
        else:
            messages.print(self._facts(), soft_wrap=True)

    def _screen(self) -> Group:
        return Group(self._facts(), self._services(), *self._standings())

    def _facts(self) -> Text:
        seen = self._run.observer
        lag = max(self._run.lag().values(), default=0)
        return Text(
            f"session {self._run.session}  {moment(seen.at)}  {self._rate():,.0f} events/s  lag {lag:,}  "
            f"ticks {seen.count(TickReceived):,}  signals {seen.count(SignalGenerated):,}  "
            f"orders {seen.count(OrderSubmitted):,}  fills {seen.count(OrderFilled):,}  "
            f"positions {len(seen.positions)}  dead letters {self._run.ledger.dead_letters.count():,}"
        )

    def _services(self) -> Text:
        line = Text()
        for service in self._run.supervisor.services.values():
            again = f"×{service.total_restarts}" if service.total_restarts else ""
            line.append(f"● {service.name}{again}  ", style=_STYLES[service.health])
        for name, count in self._run.guard.restarts.items():
            line.append(f"{name} was restarted ×{count}  ", style="yellow")
        return line

    def _standings(self) -> list[Table]:
        seen = self._run.observer
        if seen.leaderboard is None or seen.started is None:
            return []
        names = {spec.id: spec.name for spec in seen.started.contenders}
        return [standings_table(map(record_of, seen.leaderboard.standings), names)]

    def _rate(self) -> float:
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        return (last - first) / (end - start) if end > start else 0.0
