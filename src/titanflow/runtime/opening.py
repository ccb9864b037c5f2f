"""Opens a session: turns settings, feed and contenders into the SessionStarted that stands at seq 1."""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import redis

from eventstore.errors import FencedError, SessionInUseError
from eventstore.sessions import Sessions
from titanflow.code_identity import code_here
from titanflow.domain.events import SessionStarted
from titanflow.domain.session_settings import (
    ExecutionSettings,
    LeaderboardSettings,
    RiskSettings,
    SessionSettings,
)
from titanflow.domain.types import CostModelName, ExecutionMode, GateMode, ResumeMode, fixed
from titanflow.errors import SessionStateError
from titanflow.gateway.feed import Feed
from titanflow.gateway.lifecycle import MIRRORING, OPENING
from titanflow.gateway.money import in_account_money
from titanflow.runtime.ledgers import EventLedger, new_ledger
from titanflow.runtime.roster import Roster
from titanflow.settings import ExecutionSection, Settings

_MILLISECOND = 1_000_000
OPENS_WITHIN_NANOS = 60_000_000_000
"""A name that was taken so long ago and not opened since was left behind by a start that was killed."""


def new_session_id() -> str:
    """A name that sorts by time and does not collide: `20240108-093000-4f1c`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def opening_event(settings: Settings, feed: Feed, roster: Roster, session: str, *, repeatable: bool) -> SessionStarted:
    """The first event. A `repeatable` session derives its ids from its inputs: a second run has the same bytes.

    What computes the models' scores, and the text of our own code, are no inputs of theirs: ids are the same anywhere.
    """
    started = SessionStarted(
        at=feed.now,
        identity=session,
        seed=settings.seed,
        settings=session_settings(settings),
        instruments=in_account_money(
            feed.instruments, settings.currency, {name: fixed(rate) for name, rate in settings.fx.items()}
        ),
        calendars=feed.calendars,
        contenders=roster.contenders,
        feed=feed.provider.feed(),
        code_version=code_here().version,
        models=roster.recorded,
        serving=roster.serving,
        code_fingerprint=code_here().fingerprint,
    )
    if not repeatable:
        return started
    blank = msgspec.structs.replace(started, identity="", serving=(), code_fingerprint="")
    identity = hashlib.sha256(msgspec.msgpack.encode(blank)).hexdigest()[:12]
    return msgspec.structs.replace(started, identity=identity)


def open_session(
    client: redis.Redis,
    session: str,
    started: SessionStarted,
    prepare: Callable[[], None] = lambda: None,
    undo: Callable[[], None] = lambda: None,
    *,
    mirrored: bool = False,
) -> EventLedger:
    """Register the session, `prepare` what its services need, and append its first event.

    A `mirrored` session owes its events to the legacy channels. In this order: a kill in between leaves a name that was
    never opened, which a later opening takes over, and never a session that cannot be resumed. What fails in between is
    undone, the name too. Raises SessionStateError where the name is taken, or its stream holds what no session wrote.
    """
    ledger = new_ledger(client, session)
    _register(client, ledger)
    try:
        _check_empty(ledger)
        prepare()
        ledger.append([started], [OPENING, MIRRORING] if mirrored else [OPENING])
    except FencedError as error:
        raise _taken(session) from error
    except BaseException:
        # Also where a person interrupts.
        if not ledger.last_seq():
            undo()
            Sessions(client).forget(session)
        raise
    return ledger


def _register(client: redis.Redis, ledger: EventLedger) -> None:
    sessions, now = Sessions(client), time.time_ns()
    try:
        sessions.register(ledger.session, now)
    except SessionInUseError as error:
        known = next((entry for entry in sessions.all() if entry.id == ledger.session), None)
        is_young = known is not None and now - known.started_at < OPENS_WITHIN_NANOS
        if is_young or ledger.last_seq() or ledger.checkpoints():
            raise _taken(ledger.session) from error


def _taken(session: str) -> SessionStateError:
    return SessionStateError(f"session {session!r} exists already: choose another --session, or --resume it")


def _check_empty(ledger: EventLedger) -> None:
    """Raises SessionStateError where the stream of a name that was never opened is not as new."""
    last_id, name = ledger.last_id(), ledger.session
    if last_id != "0-0":
        raise SessionStateError(
            f"session {name!r} cannot be opened: somebody else wrote into its stream, whose last id is {last_id}; "
            f"`titanflow sessions delete {name}` removes what is there, or choose another --session"
        )


def session_settings(settings: Settings) -> SessionSettings:
    """What decisions depend on, in fixed point, as it is recorded."""
    return SessionSettings(
        starting_cash=fixed(settings.starting_cash),
        currency=settings.currency,
        risk=_risk(settings),
        execution=_execution(settings.execution, allow_short=settings.risk.allow_short),
        leaderboard=LeaderboardSettings(
            publish_seconds=settings.leaderboard.publish_seconds, sample_seconds=settings.leaderboard.sample_seconds
        ),
    )


def _risk(settings: Settings) -> RiskSettings:
    section = settings.risk
    plain = {name: fixed(value) if isinstance(value, Decimal) else value for name, value in section}
    return msgspec.convert(plain | _answered_by(settings), RiskSettings)


def _answered_by(settings: Settings) -> dict[str, str]:
    """Whether gates act and what ends a halt: as set, else by whether a person can answer and the sample is played."""
    at_full_speed = settings.runtime.topology == "fused" and settings.feed.speed == "max"
    is_sample = settings.feed.provider == "tape" and not settings.feed.tapes
    return {
        "gates": settings.risk.gates or (GateMode.REPORT if at_full_speed else GateMode.ENFORCE),
        "resume": settings.risk.resume or (ResumeMode.NEXT_SESSION if is_sample else ResumeMode.OPERATOR),
    }


def _execution(section: ExecutionSection, *, allow_short: bool) -> ExecutionSettings:
    return ExecutionSettings(
        mode=ExecutionMode(section.mode),
        max_order_value=fixed(section.max_order_value),
        max_concentration=fixed(section.max_concentration),
        allow_short=allow_short,
        cost_model=CostModelName(section.cost_model),
        spread_prior=fixed(section.spread_prior),
        quote_age_seconds=section.quote_age_seconds,
        impact_factor=fixed(section.impact_factor),
        cost_noise=fixed(section.cost_noise),
        slippage_allowance=fixed(section.slippage_allowance),
        borrow_rate=fixed(section.borrow_rate),
        slippage_base=fixed(section.slippage_base),
        slippage_noise=fixed(section.slippage_noise),
        impact=fixed(section.impact),
        latency_median_nanos=int(section.latency_median_ms * _MILLISECOND),
        latency_sigma=fixed(section.latency_sigma),
        latency_min_nanos=int(section.latency_min_ms * _MILLISECOND),
        latency_max_nanos=int(section.latency_max_ms * _MILLISECOND),
        participation=fixed(section.participation),
    )
