"""How far equity fell from a mark that it had, measured on a capital: of one contender, or of all together."""

from collections.abc import Iterable, Mapping

from titanflow.domain.types import SCALE, ContenderId, Money, Ratio, ratio_of


class Fall:
    """A mark of equity (a day's opening, a peak) and the capital of which a fall from it is a part."""

    __slots__ = ("capital", "mark")

    def __init__(self, equity: Money) -> None:
        self.start(equity)

    def start(self, equity: Money) -> None:
        """Measure from `equity`, as a part of itself."""
        self.mark = self.capital = equity

    def ratio(self, equity: Money) -> Ratio:
        """Fall of `equity` below the mark as a part of the capital; negative for a gain."""
        return ratio_of(self.mark - equity, self.capital)

    def reaches(self, limit: Ratio, equity: Money) -> bool:
        """Whether the fall is at the limit or beyond, compared without rounding."""
        return (self.mark - equity) * SCALE >= limit * self.capital


class SharedFall(Fall):
    """A fall of all together, as a part of the capital of those that traded since the mark.

    Who does not trade loses nothing: its idle cash would only make the loss of the others look smaller.
    """

    __slots__ = ("_equities", "_traded")

    def __init__(self, equities: Mapping[ContenderId, Money]) -> None:
        self.restart(equities, ())

    def restart(self, equities: Mapping[ContenderId, Money], holding: Iterable[ContenderId]) -> None:
        """Measure from the sum of these equities; whoever holds a position now has its part in what follows."""
        self._equities = dict(equities)
        self._traded: set[ContenderId] = set()
        self.mark = sum(equities.values())
        self.capital = 0
        for contender in holding:
            self.join(contender)

    def join(self, contender: ContenderId) -> None:
        """A contender trades: its capital counts from now on."""
        if contender not in self._traded:
            self._traded.add(contender)
            self.capital += self._equities[contender]

    def reaches(self, limit: Ratio, equity: Money) -> bool:
        """As of one contender; where nobody traded, nothing fell."""
        return bool(self._traded) and super().reaches(limit, equity)

    def has(self, contender: ContenderId) -> bool:
        """Whether it traded since the mark."""
        return contender in self._traded
