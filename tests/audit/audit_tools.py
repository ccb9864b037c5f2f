"""What the parts of the audit share: exact numbers, and a list of what differs."""

from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from typing import Any

getcontext().prec = 60
UNIT = 10**9
NANOS = 10**9
SHOWN = 20


def units(text: str) -> int:
    """Decimal text in 1e-9 units."""
    return int((Decimal(text) * UNIT).to_integral_value(rounding=ROUND_HALF_EVEN))


def half_even(numerator: int, denominator: int) -> int:
    """The quotient as an integer, rounded half to even."""
    return int((Decimal(numerator) / Decimal(denominator)).to_integral_value(rounding=ROUND_HALF_EVEN))


class Differences:
    """Counts what was compared and keeps what differs."""

    def __init__(self) -> None:
        self.compared: Counter[str] = Counter()
        self.listed: list[str] = []

    def equal(self, what: str, recorded: Any, right: Any, *, slack: float = 0) -> None:
        """Note a difference of more than `slack`."""
        self.compared[what.split(" ")[0]] += 1
        if recorded != right and not (slack and abs(recorded - right) <= slack):
            self.listed.append(f"{what}: recorded {recorded!r}, recomputed {right!r}")

    def fields(self, what: str, recorded: dict[str, Any], right: dict[str, Any]) -> None:
        """Compare these fields."""
        for name, value in right.items():
            self.equal(f"{what}, {name}", recorded[name], value)

    def close(self, what: str, recorded: float, right: float) -> None:
        """Note a difference beyond what floats round."""
        self.equal(what, recorded, right, slack=1e-9 * max(1.0, abs(right)))

    def report(self) -> None:
        """Print the counts, and the first differences."""
        differing = Counter(line.split(" ")[0] for line in self.listed)
        for name, count in sorted(self.compared.items()):
            print(f"{name:10} {count:,} numbers compared, {differing[name]:,} differ")
        for line in self.listed[:SHOWN]:
            print(f"  {line}")
