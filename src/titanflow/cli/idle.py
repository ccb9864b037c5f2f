"""Why a contender never spoke: what kept it from trading, found in the ledger's fold."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from titanflow.cli.output import to_second
from titanflow.domain.models import RecordedModel
from titanflow.domain.session_settings import ContenderSpec
from titanflow.risk.first_chance import first_chance
from titanflow.runtime.observer import Observer
from titanflow.signal.features import WARM_UP_BARS
from titanflow.signal.strategies import STRATEGIES


class IdleReason(StrEnum):
    """What kept a contender from trading."""

    FAULTY = "FAULTY"
    """Its model could not be loaded."""
    SET_ASIDE = "SET_ASIDE"
    """It failed."""
    STALE = "STALE"
    """Its training had ended too long ago."""
    IN_SAMPLE = "IN_SAMPLE"
    """All that was played was in its training, or before its end."""
    NO_PRICE = "NO_PRICE"
    """None of its instruments had a price in the feed."""
    NO_BAR = "NO_BAR"
    """The feed was too short for one bar of its length."""
    WARM_UP = "WARM_UP"
    """There were fewer bars than it reads before it speaks."""


class Idle(NamedTuple):
    """Why one contender could not trade."""

    reason: IdleReason
    text: str


def idle_contenders(seen: Observer) -> dict[str, Idle]:
    """Contender -> why it could not trade; those that could, and merely saw no reason to, are left out."""
    started = seen.started
    if started is None:
        return {}
    found = {}
    for spec in started.contenders:
        idle = _of_model(seen, spec) or (None if seen.causes.signals[spec.id] else _of_market(seen, spec))
        if idle is not None:
            found[spec.id] = idle
    return found


def _of_model(seen: Observer, spec: ContenderSpec) -> Idle | None:
    if spec.fault:
        return Idle(IdleReason.FAULTY, f"its model could not be loaded: {spec.fault}")
    failed = seen.set_aside.get(spec.id)
    if failed is not None and not seen.causes.signals[spec.id]:
        return Idle(IdleReason.SET_ASIDE, f"it was set aside ({failed.reason}): {failed.detail}")
    model = _models(seen).get(spec.model_hash)
    if model is None or seen.causes.signals[spec.id]:
        return None
    trained = model.manifest.training.last_at
    since = first_chance(spec, model, seen.first_at)
    if since is None:
        return Idle(IdleReason.STALE, f"its training ended {to_second(trained)} UTC, longer ago than max_age_days")
    if since >= seen.at:
        return Idle(
            IdleReason.IN_SAMPLE, f"its training lasted until {to_second(trained)} UTC, beyond all that was played"
        )
    return None


def _of_market(seen: Observer, spec: ContenderSpec) -> Idle | None:
    """What the feed lacked for it."""
    causes = seen.causes
    priced = [instrument for instrument in spec.instruments if instrument in causes.priced]
    if not priced:
        return Idle(IdleReason.NO_PRICE, f"no price came for any of its instruments: {_named(spec.instruments)}")
    seconds, most = _most_bars(causes.bars, priced, spec.bar_seconds)
    if spec.bar_seconds and not most:
        return Idle(IdleReason.NO_BAR, f"not one bar of {spec.bar_seconds} s closed")
    needed = _warm_up(seen, spec)
    if spec.bar_seconds and most < needed:
        return Idle(IdleReason.WARM_UP, f"it speaks after {needed} bars of {seconds} s at the earliest; {most} closed")
    return None


def _most_bars(bars: Mapping[tuple[str, int], int], instruments: list[str], least: int) -> tuple[int, int]:
    """The shortest length of bars that is not below its own, and the most bars of it that an instrument had."""
    lengths = sorted({seconds for instrument, seconds in bars if instrument in instruments and seconds >= least})
    if not lengths:
        return least, 0
    return lengths[0], max(bars.get((instrument, lengths[0]), 0) for instrument in instruments)


def _warm_up(seen: Observer, spec: ContenderSpec) -> int:
    model = _models(seen).get(spec.model_hash)
    if model is not None:
        return WARM_UP_BARS + model.manifest.window
    strategy = STRATEGIES.get(spec.strategy)
    return strategy.warm_up(dict(spec.parameters)) if strategy else 1


def _models(seen: Observer) -> dict[str, RecordedModel]:
    return {model.digest: model for model in seen.started.models} if seen.started else {}


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
