"""The services of a session by name: what each process of a topology does until the session has ended."""

import gc
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import structlog

from eventstore.signs import SILENT, Signs
from titanflow.code_identity import check_code
from titanflow.deciders import DECIDERS
from titanflow.errors import SessionStateError
from titanflow.runtime.ledgers import EventLedger, connect
from titanflow.runtime.operator_desk import session_started
from titanflow.runtime.processor import Processor, is_over
from titanflow.runtime.runs import load_run
from titanflow.runtime.session_models import models_of
from titanflow.runtime.stopping import STOPPED_EXIT_CODE
from titanflow.settings import Settings
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import NO_MODELS, Models

log = structlog.get_logger()

LOOK_FOR_END_EVERY_S = 0.2


@dataclass(frozen=True)
class Job:
    """What a service is given."""

    settings: Settings
    redis_url: str
    database_url: str
    ledger: EventLedger
    stop: threading.Event
    signs: Signs = SILENT


def run_gateway(job: Job) -> None:
    """Play the feed into the ledger at its pace, and close the session when it ends or is stopped."""
    from titanflow.gateway.pace import Pace
    from titanflow.gateway.service import GatewayService
    from titanflow.runtime.feeds import open_feed, open_provider

    started = session_started(job.ledger)
    settings = load_run(job.settings.home, job.ledger.session)
    feed = open_feed(settings, open_provider(settings, started), started)
    gateway = GatewayService(
        job.ledger,
        feed,
        Pace(settings.feed.speed),
        lag_of=partial(decider_lag, job.ledger),
        max_lag_events=settings.runtime.max_lag_events,
        stop=job.stop,
        signs=job.signs,
    )
    log.info("gateway ends", reason=gateway.run())


def run_fused(job: Job) -> None:
    """Feed and all deciders in this one process, at the feed's pace."""
    from titanflow.gateway.pace import Pace
    from titanflow.runtime.feeds import open_feed, open_provider
    from titanflow.runtime.fused_run import FusedRun

    settings = load_run(job.settings.home, job.ledger.session)
    started = session_started(job.ledger)
    check_code(started, allowed=job.settings.runtime.other_code)
    feed = open_feed(settings, open_provider(settings, started), started)
    run = FusedRun(job.ledger, feed, _models(job), settings.runtime.contender_cpu_seconds, job.signs)
    run.run(pace=Pace(settings.feed.speed), stop=job.stop)


def run_decider(name: str, job: Job) -> None:
    """One decider."""
    check_code(session_started(job.ledger), allowed=job.settings.runtime.other_code)
    models = _models(job) if name == SignalEngine.name else NO_MODELS
    # What start-up made lives on: a full collection that walked it each time would be felt at some tick.
    gc.collect()
    gc.freeze()
    Processor(job.ledger, name, job.stop.is_set, models, _call_cpu_seconds(job), job.signs).run()
    _answer_for_the_end(job)


def run_projector(job: Job) -> None:
    """Fold the ledger into Postgres."""
    from projections.projector import Projector

    with Projector(job.database_url, job.ledger, signs=job.signs) as projector:
        projector.run(_until_quiet(job))
        projector.finish(job.stop.is_set, job.settings.runtime.end_seconds)
    _answer_for_the_end(job)


def run_mirror(job: Job) -> None:
    """Carry the ledger to the legacy channels, the hot cache and the audit file."""
    from projections.mirror.mirror import Mirror

    client = connect(job.redis_url)
    with closing(Mirror(job.ledger, client, job.settings.audit_log_path, signs=job.signs)) as mirror:
        mirror.run(_until_quiet(job), job.stop.is_set, job.settings.runtime.end_seconds)
    _answer_for_the_end(job)


SERVICES: Mapping[str, Callable[[Job], None]] = {
    "gateway": run_gateway,
    **{name: partial(run_decider, name) for name in DECIDERS},
    "projector": run_projector,
    "mirror": run_mirror,
    "fused": run_fused,
}
"""Name -> what it does until the session has ended and all is said, or until it is told to stop."""


def decider_lag(ledger: EventLedger) -> int:
    """Events that the slowest decider still has to read."""
    checkpoints = ledger.checkpoints()
    return ledger.last_seq() - min(checkpoints.get(name, 0) for name in DECIDERS)


def _models(job: Job) -> Models:
    return models_of(connect(job.redis_url), job.settings.home, session_started(job.ledger))


def _call_cpu_seconds(job: Job) -> float:
    """As the session was started with; a decider that runs elsewhere has its own settings."""
    try:
        settings = load_run(job.settings.home, job.ledger.session)
    except SessionStateError:
        settings = job.settings
    return settings.runtime.contender_cpu_seconds


def _answer_for_the_end(job: Job) -> None:
    """Leave with STOPPED_EXIT_CODE where this service was stopped while its session still needed it."""
    if job.stop.is_set() and not is_over(job.ledger):
        raise SystemExit(STOPPED_EXIT_CODE)


def _until_quiet(job: Job) -> Callable[[], bool]:
    """True once told to stop, or once the session has ended and no decider has anything left to say."""
    looked_at = 0.0

    def stopping() -> bool:
        nonlocal looked_at
        if job.stop.is_set():
            return True
        now = time.monotonic()
        if now - looked_at < LOOK_FOR_END_EVERY_S:
            return False
        looked_at = now
        return is_over(job.ledger)

    return stopping
