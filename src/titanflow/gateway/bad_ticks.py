"""Rows that cannot become events: the closed set of reasons, and what is kept of such a row."""

from enum import StrEnum
from typing import NamedTuple


class BadTickReason(StrEnum):
    """Why a row of a feed was set aside. Closed: the table in docs/providers.md is generated from it."""

    BAD_ROW = "BAD_ROW"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    NOT_POSITIVE = "NOT_POSITIVE"
    ZERO_SIZE = "ZERO_SIZE"
    TOO_LARGE = "TOO_LARGE"
    TOO_PRECISE = "TOO_PRECISE"
    CROSSED_QUOTE = "CROSSED_QUOTE"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    TIME_FAR_OFF = "TIME_FAR_OFF"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    DUPLICATE = "DUPLICATE"
    SUSPICIOUS = "SUSPICIOUS"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS: dict[BadTickReason, str] = {
    BadTickReason.BAD_ROW: "The row does not have the form of its file, or contradicts itself.",
    BadTickReason.NOT_A_NUMBER: "Time, price, size, bid or ask is not a finite decimal number.",
    BadTickReason.NOT_POSITIVE: "The price, bid or ask is zero or below, or the size is below zero.",
    BadTickReason.ZERO_SIZE: "The size is zero, which only an index may have.",
    BadTickReason.TOO_LARGE: "Price, size, bid or ask does not fit the ledger's integers.",
    BadTickReason.TOO_PRECISE: "Price, size, bid or ask has more than nine decimals.",
    BadTickReason.CROSSED_QUOTE: "The ask is below the bid.",
    BadTickReason.UNKNOWN_INSTRUMENT: "No instrument of the session has this symbol on this venue.",
    BadTickReason.TIME_FAR_OFF: "The time is before 1990, after 2200, or implausibly far ahead of the feed.",
    BadTickReason.OUT_OF_ORDER: "The time is before that of the feed's last accepted tick.",
    BadTickReason.DUPLICATE: "The trade's id was seen before, or the bar's time with other values.",
    BadTickReason.SUSPICIOUS: "The provider flagged the print as not to be used.",
}


class BadTick(NamedTuple):
    """A row that was refused, as it goes to the dead letters."""

    reason: BadTickReason
    detail: str
    """Field, value and expectation, for a person."""
    payload: bytes
    """The row as JSON: `titanflow.gateway.normaliser.retry` takes it again."""


def reasons_table() -> str:
    """The reasons with their meanings as a Markdown table."""
    rows = [f"| `{reason}` | {reason.meaning} |" for reason in BadTickReason]
    return "\n".join(("| reason | meaning |", "| --- | --- |", *rows))
