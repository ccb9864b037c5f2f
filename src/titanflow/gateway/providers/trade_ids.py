"""Ids of trades that were seen: a row whose id stands in the tape a second time is the same trade, told again."""

from bisect import bisect_right

MOST_RANGES = 1_000_000
"""Ranges of ids, and ids that are no numbers, kept for one instrument; the oldest are forgotten beyond."""

_LONG = 20


class SeenIds:
    """The ids of one instrument. Whole numbers are kept as ranges: ids without a gap take no memory."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._texts: dict[str, None] = {}

    def is_new(self, text: str) -> bool:
        """Whether this id was not seen before; from now on it was. An empty one is no id."""
        if not text:
            return True
        if len(text) < _LONG and text.isascii() and text.isdigit() and (text[0] != "0" or text == "0"):
            return self._is_new_number(int(text))
        if text in self._texts:
            return False
        self._texts[text] = None
        if len(self._texts) > MOST_RANGES:
            del self._texts[next(iter(self._texts))]
        return True

    def _is_new_number(self, number: int) -> bool:
        starts, ends = self._starts, self._ends
        if ends and number == ends[-1] + 1:
            ends[-1] = number
            return True
        place = len(starts) if not ends or number > ends[-1] else bisect_right(starts, number)
        if place and number <= ends[place - 1]:
            return False
        starts.insert(place, number)
        ends.insert(place, number)
        if len(starts) > MOST_RANGES:
            del starts[: MOST_RANGES // 2], ends[: MOST_RANGES // 2]
        return True
