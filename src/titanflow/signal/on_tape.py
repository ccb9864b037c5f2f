"""What a tape of bars means for contenders: none decides within a bar of the tape, and who has to wait is told so."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import InstrumentId
from titanflow.signal.intervals import decided_on
from titanflow.signal.strategies import LearnedModelStrategy

TapeBars = Sequence[tuple[InstrumentId, int]]
"""(instrument, seconds) of the source's own bars: `FeedSpec.bars`."""


def told_of_tape(contenders: Sequence[ContenderSpec], bars: TapeBars) -> list[str]:
    """One line for each contender that decides on other bars than it asked for."""
    tape = dict(bars)
    return [line for spec in contenders if not spec.fault and (line := _told(spec, tape))]


def fitted_to_tape(contenders: Sequence[ContenderSpec], bars: TapeBars) -> tuple[ContenderSpec, ...]:
    """The contenders, the trained models without the instruments whose bars they were not trained on.

    One that no instrument is left to cannot compete: that is its fault.
    """
    tape = dict(bars)
    return tuple(_fitted(spec, tape) if spec.strategy == LearnedModelStrategy.name else spec for spec in contenders)


def _fitted(spec: ContenderSpec, tape: Mapping[InstrumentId, int]) -> ContenderSpec:
    fitting = tuple(name for name in spec.instruments if _decided_on(spec, name, tape) == spec.bar_seconds)
    if fitting or spec.fault:
        return replace(spec, instruments=fitting or spec.instruments)
    longest = max(tape[name] for name in spec.instruments)
    return replace(
        spec, fault=f"it reads bars of {spec.bar_seconds} s, which the tape's bars of {longest} s cannot be made into"
    )


def _told(spec: ContenderSpec, tape: Mapping[InstrumentId, int]) -> str:
    changed = [name for name in spec.instruments if _decided_on(spec, name, tape) != spec.bar_seconds]
    if not changed:
        return ""
    lengths = sorted({_decided_on(spec, name, tape) for name in changed})
    own = f"of {spec.bar_seconds} s" if spec.bar_seconds else "at every tick"
    told = f"{spec.id} decides on the tape's bars of {' and '.join(map(str, lengths))} s, not {own}"
    if any(tape[name] < spec.bar_seconds for name in changed):
        told = f"{spec.id} decides on whole bars of the tape, {' and '.join(map(str, lengths))} s, not {own}"
    some = len(changed) < len(spec.instruments)
    return told + (f" ({len(changed)} of its {len(spec.instruments)} instruments)" if some else "")


def _decided_on(spec: ContenderSpec, name: InstrumentId, tape: Mapping[InstrumentId, int]) -> int:
    return decided_on(spec.bar_seconds, tape.get(name, 0))
