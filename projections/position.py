"""Where a fold stands in its ledger, so told that another history of the session is noticed."""

from typing import NamedTuple


class Position(NamedTuple):
    """The last event taken in; it stands at the end of a block.

    A server that crashed may come back without its last appends, and the session then goes on with others at the same
    seqs. They are recorded at another moment, and whatever is before an equal position is equal.
    """

    seq: int = 0
    recorded_at_ns: int | None = None
    """When the block was appended, UTC nanoseconds; None before the first."""


START = Position()
"""Before the first event."""
