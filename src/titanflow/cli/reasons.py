"""Why a session came to what it came to, for its summary and `status`: refusals by code, rows set aside, warnings."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from eventstore.dead_letters import DeadLetters
from titanflow.cli.idle import IdleReason, idle_contenders
from titanflow.cli.output import complain
from titanflow.cli.splits import split_warnings
from titanflow.domain.events import BarPointReceived, OrderFilled, SignalGenerated, TickReceived
from titanflow.runtime.observer import Observer

MOST_REFUSED = 0.01
"""Part of the feed's rows that may be refused without a warning."""
COULD_NOT_TRADE = "COULD_NOT_TRADE"
STRICT_EXIT = 2
_EXAMPLES_AMONG = 1_000
"""Dead letters, the oldest, among which an example of each reason is looked for."""


class SetAside(NamedTuple):
    """Rows that the session did not take in."""

    counts: Mapping[str, int]
    """Reason -> how many."""
    examples: Mapping[str, str]
    """Reason -> what was said of the first such row."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


class SessionWarning(NamedTuple):
    """Something that a person should look at before believing the result."""

    code: str
    text: str


def set_aside(letters: DeadLetters) -> SetAside:
    """Count the dead letters, with one example for each reason."""
    counts = letters.counts_by_reason()
    examples: dict[str, str] = {}
    if counts:
        for letter in letters.list(limit=_EXAMPLES_AMONG):
            examples.setdefault(letter.reason, letter.detail)
    return SetAside(counts, examples)


def reasons_of(seen: Observer, rows: SetAside) -> dict[str, Any]:
    """The documented JSON fields."""
    causes = seen.causes
    return {
        "denials": dict(causes.denials.most_common()),
        "rejections": dict(causes.rejections.most_common()),
        "cancellations": dict(causes.cancellations.most_common()),
        "dead_letter_reasons": {
            reason: {"count": count, "example": rows.examples.get(reason)} for reason, count in rows.counts.items()
        },
        "could_not_trade": {
            contender: {"reason": idle.reason.value, "text": idle.text}
            for contender, idle in idle_contenders(seen).items()
        },
        "warnings": [warning._asdict() for warning in warnings_of(seen, rows)],
    }


def reason_lines(seen: Observer, rows: SetAside) -> Iterator[str]:
    """The same for people: a line for each kind of refusal, and for who could not trade and is not warned of anyway."""
    causes = seen.causes
    for name, counts in (
        ("denied", causes.denials), ("rejected", causes.rejections), ("cancelled", causes.cancellations),
    ):  # fmt: skip
        if counts:
            yield f"{name:<11}" + _by_code(dict(counts.most_common()))
    for reason, count in rows.counts.items():
        example = rows.examples.get(reason)
        yield f"{'set aside':<11}{reason} {count:,}" + (f", the first: {example}" if example else "")
    for contender, idle in idle_contenders(seen).items():
        if idle.reason not in (IdleReason.FAULTY, IdleReason.SET_ASIDE):
            yield f"{'idle':<11}{contender} could not trade: {idle.text}"


def warnings_of(seen: Observer, rows: SetAside) -> list[SessionWarning]:
    """What to look at first: nothing came, nobody spoke, nothing filled, many rows refused, who could not trade."""
    found = [*_of_trading(seen, rows)]
    seen_rows = seen.causes.rows + rows.total
    if rows.total > MOST_REFUSED * seen_rows:
        text = f"{rows.total / seen_rows:.1%} of the feed's rows were refused ({rows.total:,} of {seen_rows:,})"
        found.append(SessionWarning("ROWS_REFUSED", f"{text}: {_by_code(rows.counts)}"))
    found += (SessionWarning("SUSPECTED_SPLIT", text) for text in split_warnings(seen))
    for contender, idle in idle_contenders(seen).items():
        found.append(SessionWarning(COULD_NOT_TRADE, f"{contender} could not trade: {idle.text}"))
    return found


def warning_texts(seen: Observer, rows: SetAside) -> list[str]:
    """The warnings that say more than the lines before them: who could not trade has been named there."""
    return [warning.text for warning in warnings_of(seen, rows) if warning.code != COULD_NOT_TRADE]


def refuse_warnings(warnings: Sequence[Mapping[str, str]]) -> None:
    """With --strict: say how many warnings there were and leave with exit code 2, if there was one."""
    if warnings:
        complain(f"--strict: {', '.join(warning['code'] for warning in warnings)}")
        sys.exit(STRICT_EXIT)


def _of_trading(seen: Observer, rows: SetAside) -> Iterator[SessionWarning]:
    """The first link of the chain from a price to a fill that is missing, for the rest follows from it."""
    causes = seen.causes
    if not seen.count(TickReceived, BarPointReceived):
        yield SessionWarning("NO_TICK", f"no price came from the feed; {rows.total:,} rows were refused")
    elif not seen.count(SignalGenerated):
        yield SessionWarning("NO_SIGNAL", "no contender gave a signal")
    elif not seen.count(OrderFilled):
        refused = causes.denials + causes.rejections + causes.cancellations
        why = f": {_by_code(dict(refused.most_common()))}" if refused else ""
        yield SessionWarning("NO_FILL", f"{seen.count(SignalGenerated):,} signals and not one fill{why}")


def _by_code(counts: Mapping[str, int]) -> str:
    return "  ".join(f"{code} {count:,}" for code, count in counts.items())
