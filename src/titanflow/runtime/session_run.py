"""One session from its opening to its end: opens or resumes it, supervises its services, folds what is to be shown."""

import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import redis

from eventstore.errors import BrokenLedgerError, LedgerLostError, LedgerUnavailableError
from titanflow.code_identity import check_code
from titanflow.deciders import DECIDERS
from titanflow.domain.types import Nanos
from titanflow.errors import SessionStateError, SettingsError
from titanflow.gateway.feed import Feed
from titanflow.runtime.breakdown import state_of_server
from titanflow.runtime.durability import connect_for_session
from titanflow.runtime.feeds import check_feed, open_feed, open_provider
from titanflow.runtime.heartbeat import told
from titanflow.runtime.incidents import Incidents
from titanflow.runtime.ledgers import EventLedger, connect, new_ledger, open_ledger
from titanflow.runtime.observer import Observer
from titanflow.runtime.opening import new_session_id, open_session, opening_event
from titanflow.runtime.operator_desk import last_event_time, session_started
from titanflow.runtime.patience import Patience
from titanflow.runtime.processor import is_over
from titanflow.runtime.reading import (
    EYES_PATIENCE_S,
    FILLS,
    READERS,
    Behind,
    progress_of,
    what_is_behind,
)
from titanflow.runtime.roster import open_roster
from titanflow.runtime.runs import holding_run, load_run, run_directory, save_run
from titanflow.runtime.server_guard import ServerGuard
from titanflow.runtime.session_models import deposit_models, forget_models
from titanflow.runtime.stopping import stopping_on_signals
from titanflow.runtime.supervisor import REFUSALS, Health, Service, Supervisor
from titanflow.runtime.topologies import TOPOLOGIES, embedded_servers, service_environment
from titanflow.settings import Settings
from titanflow.signal.model import NO_MODELS, Models

LOOK_EVERY_S = 0.1


class SessionRun:
    """A session that this process supervises. Make it by `open` or `resume`, then `run`.

    The services that trade decide how long it runs. Those that only read (tables, mirror) never end it: they are tried
    again for ever, and what they lack at the end is `behind`.
    """

    def __init__(
        self,
        settings: Settings,
        redis_url: str,
        database_url: str,
        session: str,
        ledger: EventLedger,
        names: Sequence[str] | None = None,
    ) -> None:
        """`names` are the services to run; none given: all of the topology."""
        self.settings = settings
        self.session = session
        self.ledger = ledger
        self.observer = Observer()
        self.problem = ""
        """Why the run broke down; empty when it went well."""
        self.behind: dict[str, Behind] = {}
        """What does not hold the whole session at the end: `tables` or `mirror`."""
        self.warnings: list[str] = []
        """What an operator should know of the servers."""
        self.incidents = Incidents(settings.home, session)
        names = TOPOLOGIES[settings.runtime.topology] if names is None else names
        self._feeder = names[0]
        self._trading = [name for name in names if name not in READERS]
        self._redis_url = redis_url
        self._eyes = new_ledger(redis.Redis.from_url(redis_url), session, EYES_PATIENCE_S)
        self.away = ""
        """What Redis says instead of an answer."""
        self.supervisor = Supervisor(
            settings.home,
            session,
            names,
            service_environment(settings, redis_url, database_url),
            restart_limit=settings.runtime.restart_limit,
            hang_seconds=settings.runtime.hang_seconds,
            lasting=READERS,
            progress_of=progress_of(redis_url, session),
            on_incident=self.incidents.add,
        )
        self.guard = ServerGuard(embedded_servers(settings), self.incidents.add)
        self._asked: int | None = None
        self._stopped_trading = False
        self._patience = {side: Patience(settings.runtime.end_seconds) for side in ("trading", "reading")}
        self._furthest: Counter[str] = Counter()
        self._waiting: dict[str, int] = {}

    @classmethod
    def open(cls, settings: Settings, redis_url: str, database_url: str, session: str | None = None) -> "SessionRun":
        """Open a new session. Raises SettingsError for a tape at full speed in the services topology."""
        topology = settings.runtime.topology
        if settings.feed.speed == "max" and topology == "services":
            raise SettingsError(
                "feed.speed = max needs runtime.topology = fused: separate services would decide at prices from the "
                "future; choose --topology fused, `titanflow backtest`, or a number for --speed"
            )
        ledger = open_run(settings, redis_url, session, mirrored=True).ledger
        run = cls(settings, redis_url, database_url, ledger.session, ledger)
        run._look_for_rights()
        return run

    @classmethod
    def resume(
        cls, settings: Settings, redis_url: str, database_url: str, session: str, *, other_code: bool = False
    ) -> "SessionRun":
        """Go on with a session that was killed, with the settings that it was started with.

        One that was killed after its feed's end, with decisions still owed, may be resumed too; one whose tables or
        mirror lack events is brought up to its end. Raises SessionNotFoundError, or SessionStateError when it is
        complete, was never opened, was started elsewhere, or when its feed is no longer the same; nor under other code
        than it was opened with, unless that is asked for.
        """
        ledger = open_ledger(connect_for_session(redis_url), session)
        started = session_started(ledger)
        names = None
        if is_over(ledger):
            behind = what_is_behind(ledger, database_url)
            names = [name for name in READERS if FILLS[name] in behind]
            if not names:
                raise SessionStateError(f"session {session!r} has ended; `titanflow replay {session}` proves it")
        here = {name: getattr(settings, name) for name in ("home", "redis_url", "database_url")}
        run = load_run(settings.home, session).model_copy(update=here)
        if names is None:
            allowed = other_code or settings.runtime.other_code
            check_code(started, allowed=allowed)
            run = run.model_copy(update={"runtime": run.runtime.model_copy(update={"other_code": allowed})})
            check_feed(open_provider(run, started), started)
        resumed = cls(run, redis_url, database_url, session, ledger, names)
        resumed._look_for_rights()
        return resumed

    def run(self, on_look: Callable[[], None]) -> None:
        """Run until the feed ends or somebody asks to stop; `on_look` is called about ten times a second.

        Raises SessionStateError when another process supervises this session.
        """
        deadline = time.monotonic() + (self.settings.feed.duration or float("inf"))
        with holding_run(self.settings.home, self.session) as cut_off, stopping_on_signals() as stop, self.guard:
            if cut_off:
                self.incidents.add("supervisor", "killed", "the run before this one ended without a word")
            try:
                self.supervisor.start()
                while not self._is_finished(stopped=stop.is_set(), overdue=time.monotonic() >= deadline):
                    self._look()
                    on_look()
                    time.sleep(LOOK_EVERY_S)
            finally:
                # What broke down can be resumed, if the feeder does not close the session when it is asked to stop.
                if self._trading:
                    self.supervisor.signal_service(self._feeder, signal.SIGKILL)
                self.supervisor.stop()
        self.observe()
        self._take_note_of_the_end()
        on_look()

    @property
    def ending(self) -> bool:
        """Whether it was asked to stop and is on its way to a good end."""
        return self._asked is not None

    def span(self) -> tuple[Nanos, Nanos]:
        """The first and the last moment that its feed may have; of one that has ended, those that it had."""
        if self._trading:
            return open_provider(self.settings, session_started(self.ledger)).span()
        return session_started(self.ledger).at, last_event_time(self.ledger)

    def observe(self) -> None:
        """Fold what the ledger holds by now."""
        try:
            end = self._eyes.last_seq()
            while blocks := self._eyes.tail(self.observer.last_seq, 0.0):
                for block in blocks:
                    self.observer.feed(block)
                if self.observer.last_seq >= end:
                    break
            self.away = ""
        except LedgerLostError as error:
            self._lost(error)
        except LedgerUnavailableError as error:
            # The guard, or its owner, is bringing the server back; the services wait for it as long as they are let.
            self.away = str(error)
        except (BrokenLedgerError, redis.ResponseError) as error:
            self._break_down(f"its ledger cannot be read: {error}")

    def lag(self) -> dict[str, int]:
        """Events that each service still has to read."""
        last, checkpoints = self._eyes.last_seq(), self._eyes.checkpoints()
        names = [*DECIDERS, "mirror"] if self.settings.runtime.topology == "services" else ["mirror"]
        lag = {name: max(0, last - checkpoints.get(name, 0)) for name in names if name in self.supervisor.services}
        if "projector" in self.supervisor.services and (seq := self._furthest["projector"]):
            lag["projector"] = max(0, last - seq)
        return lag

    def dead_letters(self) -> int:
        """How many rows were set aside so far."""
        return self._eyes.dead_letters.count()

    def _look(self) -> None:
        self.observe()
        self.supervisor.watch()
        for service in self.supervisor.services.values():
            self._furthest[service.name] = max(self._furthest[service.name], service.told.seq)
            self._note_waiting(service)
        for service in self.supervisor.failed:
            tries = f"was given up after {service.restarts} tries at the same place"
            what = "was refused" if service.exit_code in REFUSALS else tries
            self._break_down(
                f"service {service.name} {what}: {service.reason}; its log is {self.supervisor.log_path(service.name)}"
            )

    def _note_waiting(self, service: Service) -> None:
        """Keep when a service begins to wait for something, and when it goes on."""
        if service.told.trouble and service.name not in self._waiting:
            self._waiting[service.name] = service.told.seq
            self.incidents.add(service.name, "waits", service.told.trouble)
        elif not service.told.trouble and service.told.seq > self._waiting.get(service.name, service.told.seq):
            del self._waiting[service.name]
            self.incidents.add(service.name, "goes on", "")

    def _is_finished(self, *, stopped: bool, overdue: bool) -> bool:
        if self.problem or self.supervisor.done:
            return True
        if self.supervisor.are_done(self._trading) or self._is_decided():
            # Who asked for the end of trading did not ask to leave the tables behind; who asks now does.
            leave = stopped and not self._stopped_trading
            return leave or self._patience["reading"].is_spent(self._reading_mark())
        self._stopped_trading = stopped
        if stopped or overdue:
            self._ask_to_end()
        if (stopped or overdue or self.observer.ended) and self._patience["trading"].is_spent(self._trading_mark()):
            seconds = self.settings.runtime.end_seconds
            undone = [s for s in self.supervisor.services.values() if s.health is not Health.DONE]
            behind = "; ".join(f"{s.name}: {s.reason or s.told.trouble or s.health}" for s in undone if
                               s.name in self._trading)  # fmt: skip
            self._break_down(f"its end did not come nearer for {seconds:g} s: {behind or self.away}")
        return bool(self.problem)

    def _is_decided(self) -> bool:
        """Whether the session has ended and nothing will be decided any more, whoever may still be about to leave."""
        try:
            return self.observer.ended and is_over(self._eyes)
        except (LedgerUnavailableError, redis.ResponseError):
            return False

    def _trading_mark(self) -> Hashable:
        """Whatever changes while a session comes nearer to its end."""
        try:
            checkpoints = tuple(self._eyes.checkpoints().items())
        except (LedgerUnavailableError, redis.ResponseError):
            checkpoints = ()
        services = [self.supervisor.services[name] for name in self._trading]
        alive = tuple((s.process and s.process.pid, s.told.seq, s.told.recovering) for s in services)
        return self.observer.last_seq, checkpoints, alive

    def _reading_mark(self) -> Hashable:
        """How far tables and mirror have come at most: one that begins again and again comes no nearer."""
        for name in READERS:
            service = self.supervisor.services.get(name)
            if service is not None:
                folded = f"{name} folded"
                self._furthest[folded] = max(self._furthest[folded], service.told.recovering)
        return tuple(sorted(self._furthest.items()))

    def _take_note_of_the_end(self) -> None:
        """Say what does not hold the whole session."""
        if self.problem:
            return
        for name in READERS:
            service = self.supervisor.services.get(name)
            if service is None:
                continue
            if service.health is Health.DONE and service.exit_code == 0:
                if not self._trading:
                    self.incidents.add(name, "caught up", "")
                continue
            mirrored = self.ledger.checkpoint(name) if name == "mirror" else 0
            said = told(self.supervisor.heartbeat_path(name)).seq
            events = self.observer.last_seq - max(self._furthest[name], mirrored, said)
            if events <= 0:
                continue
            reason = service.told.trouble or service.reason
            reason = reason or f"it came no further for {self.settings.runtime.end_seconds:g} s"
            self.behind[FILLS[name]] = Behind(events, reason)
            self.incidents.add(name, "behind", f"{events:,} events at the end: {reason}")

    def _lost(self, error: LedgerLostError) -> None:
        seen, self.observer = self.observer.last_seq, Observer()
        end = self._eyes.last_seq()
        if end == 0:
            state = "; ".join(state_of_server(self._redis_url))
            self._break_down(
                f"its ledger is gone: {seen:,} events were read and Redis now holds none (emptied by FLUSHALL or DEL, "
                f"evicted, or the server came back without its data: {state}); bring the server's data back first"
            )
        else:
            # A server that was killed came back without its last instant, which the services decide again.
            self.incidents.add("Redis", "lost events", f"{seen:,} were read, it came back with {end:,}: {error}")

    def _break_down(self, reason: str) -> None:
        """Take note of why the session cannot go on; the first reason is the one that counts."""
        if not self.problem:
            self.problem = (
                f"session {self.session!r} broke down: {reason}; go on with `titanflow live --resume {self.session}`"
            )
            self.incidents.add("supervisor", "broke down", reason)

    def _ask_to_end(self) -> None:
        process = self.supervisor.services[self._feeder].process
        if process is not None and process.pid != self._asked:
            self._asked = process.pid
            self.supervisor.signal_service(self._feeder)

    def _look_for_rights(self) -> None:
        from projections.mirror.rights import missing_rights, remedy

        missing = missing_rights(connect(self._redis_url), self.session)
        if missing:
            warning = (
                f"this Redis user may not {', '.join(missing)}: the mirror waits until it may, trading goes on; "
                f"{remedy(missing)}"
            )
            self.warnings.append(warning)
            self.incidents.add("mirror", "lacks rights", warning)


class OpenedRun(NamedTuple):
    """A session that has just been opened, and what it is to be fed with."""

    ledger: EventLedger
    feed: Feed
    models: Models = NO_MODELS
    """Of its contenders, loaded."""


def open_run(settings: Settings, redis_url: str, session: str | None, *, mirrored: bool = False) -> OpenedRun:
    """Open a new session with the feed and the contenders that the settings name; `mirrored` where a mirror follows.

    Before its first event stand its run file, and in its Redis the files of every model that may decide.
    """
    provider = open_provider(settings)
    feed = open_feed(settings, provider)
    name = session or new_session_id()
    repeatable = settings.runtime.topology == "fused" and provider.deterministic
    roster = open_roster(settings, provider)
    started = opening_event(settings, feed, roster, name, repeatable=repeatable)
    client = connect_for_session(redis_url)

    def prepare() -> None:
        save_run(settings, name)
        deposit_models(client, settings.home, started)

    def undo() -> None:
        shutil.rmtree(run_directory(settings.home, name), ignore_errors=True)
        forget_models(client, started, name)

    return OpenedRun(open_session(client, name, started, prepare, undo, mirrored=mirrored), feed, roster.models)
