"""One session from its opening to its end: opens or resumes it, supervises its services, folds what is to be shown."""

import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from filelock import FileLock, Timeout

from eventstore.errors import LedgerLostError
from titanflow.code_identity import check_code
from titanflow.deciders import DECIDERS
from titanflow.embedded.postgres import postgres_server
from titanflow.embedded.redis import redis_server
from titanflow.embedded.server import EmbeddedServer
from titanflow.errors import SessionStateError, SettingsError
from titanflow.gateway.feed import Feed
from titanflow.runtime.durability import connect_for_session
from titanflow.runtime.feeds import check_feed, open_feed, open_provider
from titanflow.runtime.ledgers import EventLedger, open_ledger
from titanflow.runtime.observer import Observer
from titanflow.runtime.opening import new_session_id, open_session, opening_event
from titanflow.runtime.operator_desk import session_started
from titanflow.runtime.processor import is_over
from titanflow.runtime.roster import open_roster
from titanflow.runtime.runs import load_run, run_directory, save_run
from titanflow.runtime.server_guard import ServerGuard
from titanflow.runtime.session_models import deposit_models
from titanflow.runtime.stopping import stopping_on_signals
from titanflow.runtime.supervisor import Supervisor
from titanflow.settings import PREFIX, Settings
from titanflow.signal.model import NO_MODELS, Models

TOPOLOGIES: dict[str, tuple[str, ...]] = {
    "services": ("gateway", *DECIDERS, "projector", "mirror"),
    "fused": ("fused", "projector", "mirror"),
}
"""Topology -> its services; the first is the one that closes the session when it is asked to stop."""

LOOK_EVERY_S = 0.1


class SessionRun:
    """A session that this process supervises. Make it by `open` or `resume`, then `run`."""

    def __init__(
        self, settings: Settings, redis_url: str, database_url: str, session: str, ledger: EventLedger
    ) -> None:
        self.settings = settings
        self.session = session
        self.ledger = ledger
        self.observer = Observer()
        self.problem = ""
        """Why the run broke down; empty when it went well."""
        names = TOPOLOGIES[settings.runtime.topology]
        self._feeder = names[0]
        environment = service_environment(settings, redis_url, database_url)
        self.supervisor = Supervisor(
            settings.home,
            session,
            names,
            environment,
            restart_limit=settings.runtime.restart_limit,
            hang_seconds=settings.runtime.hang_seconds,
        )
        self.guard = ServerGuard(_embedded(settings))
        self._asked: int | None = None

    @classmethod
    def open(cls, settings: Settings, redis_url: str, database_url: str, session: str | None = None) -> "SessionRun":
        """Open a new session. Raises SettingsError for a tape at full speed in the services topology."""
        topology = settings.runtime.topology
        if settings.feed.speed == "max" and topology == "services":
            raise SettingsError(
                "feed.speed = max needs runtime.topology = fused: separate services would decide at prices from the "
                "future; choose --topology fused, `titanflow backtest`, or a number for --speed"
            )
        ledger = open_run(settings, redis_url, session).ledger
        return cls(settings, redis_url, database_url, ledger.session, ledger)

    @classmethod
    def resume(
        cls, settings: Settings, redis_url: str, database_url: str, session: str, *, other_code: bool = False
    ) -> "SessionRun":
        """Go on with a session that was killed, with the settings that it was started with.

        One that was killed after its feed's end, with decisions or messages still owed, may be resumed too. Raises
        SessionNotFoundError, or SessionStateError when it is complete, was never opened, was started elsewhere, or
        when its feed is no longer the same; nor under other code than it was opened with, unless that is asked for.
        """
        ledger = open_ledger(connect_for_session(redis_url), session)
        started = session_started(ledger)
        if _is_complete(ledger):
            raise SessionStateError(f"session {session!r} has ended; `titanflow replay {session}` proves it")
        here = {name: getattr(settings, name) for name in ("home", "redis_url", "database_url")}
        run = load_run(settings.home, session).model_copy(update=here)
        allowed = other_code or settings.runtime.other_code
        check_code(started, allowed=allowed)
        run = run.model_copy(update={"runtime": run.runtime.model_copy(update={"other_code": allowed})})
        check_feed(open_provider(run), started)
        return cls(run, redis_url, database_url, session, ledger)

    def run(self, on_look: Callable[[], None]) -> None:
        """Run until the feed ends or somebody asks to stop; `on_look` is called about ten times a second.

        Raises SessionStateError when another process supervises this session.
        """
        lock = FileLock(run_directory(self.settings.home, self.session) / "supervisor.lock")
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            raise SessionStateError(
                f"session {self.session!r} is being run by another process of this machine"
            ) from None
        deadline = time.monotonic() + (self.settings.feed.duration or float("inf"))
        with held, stopping_on_signals() as stop, self.guard:
            try:
                self.supervisor.start()
                while not self.supervisor.done and not self.problem:
                    self._look()
                    if stop.is_set() or time.monotonic() >= deadline:
                        self._ask_to_end()
                    on_look()
                    time.sleep(LOOK_EVERY_S)
            finally:
                # What broke down can be resumed, if the feeder does not close the session when it is asked to stop.
                self.supervisor.signal_service(self._feeder, signal.SIGKILL)
                self.supervisor.stop()
        self.observe()
        on_look()

    @property
    def ending(self) -> bool:
        """Whether it was asked to stop and is on its way to a good end."""
        return self._asked is not None

    def observe(self) -> None:
        """Fold what the ledger holds by now."""
        try:
            end = self.ledger.last_seq()
            while blocks := self.ledger.tail(self.observer.last_seq, 0.0):
                for block in blocks:
                    self.observer.feed(block)
                if self.observer.last_seq >= end:
                    break
        except LedgerLostError:
            # A server that was killed came back without its last instant, which the services decide again.
            self.observer = Observer()

    def lag(self) -> dict[str, int]:
        """Events that each service still has to read."""
        last, checkpoints = self.ledger.last_seq(), self.ledger.checkpoints()
        names = [*DECIDERS, "mirror"] if self.settings.runtime.topology == "services" else ["mirror"]
        return {name: max(0, last - checkpoints.get(name, 0)) for name in names}

    def _look(self) -> None:
        self.observe()
        self.supervisor.watch()
        for service in self.supervisor.failed:
            self.problem = (
                f"service {service.name} fell {service.total_restarts} times (exit code {service.exit_code}); "
                f"its log is {self.supervisor.log_path(service.name)}; "
                f"go on with `titanflow live --resume {self.session}`"
            )

    def _ask_to_end(self) -> None:
        process = self.supervisor.services[self._feeder].process
        if process is not None and process.pid != self._asked:
            self._asked = process.pid
            self.supervisor.signal_service(self._feeder)


class OpenedRun(NamedTuple):
    """A session that has just been opened, and what it is to be fed with."""

    ledger: EventLedger
    feed: Feed
    models: Models = NO_MODELS
    """Of its contenders, loaded."""


def open_run(settings: Settings, redis_url: str, session: str | None) -> OpenedRun:
    """Open a new session with the feed and the contenders that the settings name.

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

    return OpenedRun(open_session(client, name, started, prepare), feed, roster.models)


def _is_complete(ledger: EventLedger) -> bool:
    """Whether the session has ended, all is decided, and the mirror, where one began (a backtest has none), told it."""
    return is_over(ledger) and ledger.checkpoint("mirror") in (0, ledger.last_seq())


def service_environment(settings: Settings, redis_url: str, database_url: str) -> dict[str, str]:
    """What services are told beside the run file: where things are on this machine."""
    places = {"HOME": settings.home, "REDIS_URL": redis_url, "DATABASE_URL": database_url}
    if settings.runtime.other_code:
        places["RUNTIME__OTHER_CODE"] = "true"
    if settings.audit_log_path:
        places["AUDIT_LOG_PATH"] = settings.audit_log_path
    return {f"{PREFIX}{name}": str(place) for name, place in places.items()}


def _embedded(settings: Settings) -> list[EmbeddedServer]:
    servers: list[EmbeddedServer] = []
    if settings.redis_url is None:
        servers.append(redis_server(settings.home))
    if settings.database_url is None:
        servers.append(postgres_server(settings.home))
    return servers
