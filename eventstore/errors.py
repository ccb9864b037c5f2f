"""What can go wrong with a ledger. Every message names what is at fault, what was found and what was expected."""

from enum import StrEnum


class LedgerError(Exception):
    """Any trouble with a ledger."""


class FencedError(LedgerError):
    """Another writer moved the checkpoint: this writer is stale and nothing of its append was written by this call."""

    def __init__(self, name: str, expected: int, found: int) -> None:
        why = (
            "another writer moved it" if found > expected else "it never stood there, or the server lost what moved it"
        )
        super().__init__(
            f"checkpoint {name!r} stands at {found}, not at {expected}: {why}; "
            "stop this writer, or start again from the checkpoint found"
        )
        self.name = name
        self.expected = expected
        self.found = found


class LedgerUnavailableError(LedgerError):
    """The server did not answer for as long as the caller was willing to wait."""


class LedgerLostError(LedgerError):
    """The server no longer holds what this reader has already read: it was emptied or came back with an older state."""


class SessionInUseError(LedgerError):
    """A session of that id is registered already: ids are never used twice."""


class ProblemKind(StrEnum):
    """What is wrong with a stored entry, in the words of a report."""

    GAP = "gap"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed entry"
    CHECKSUM = "checksum mismatch"
    COUNT = "count mismatch"
    UNDECODABLE = "undecodable"
    UNKNOWN_EVENT = "unknown event"
    FOREIGN = "foreign entry"


class BrokenLedgerError(LedgerError):
    """What is stored is not what an append writes: `kind` says how, `seq` says where."""

    def __init__(self, kind: ProblemKind, seq: int, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.seq = seq


class LedgerGapError(BrokenLedgerError):
    """The next event read is not the one after the last: some are missing, stand twice or stand in another order."""

    def __init__(self, expected: int, found: int | None) -> None:
        if found is None:
            text = f"events from seq {expected} on are missing although they were numbered"
        elif found > expected:
            text = f"expected seq {expected}, found {found}: {found - expected} events are missing"
        else:
            text = f"expected seq {expected}, found {found}: it stands twice or out of order"
        again = found is not None and found < expected
        super().__init__(ProblemKind.DUPLICATE if again else ProblemKind.GAP, expected, text)
        self.expected = expected
        self.found = found


class ForeignEntryError(BrokenLedgerError):
    """Something stands in the ledger's stream, or keeps others out of it, that no append has written."""

    def __init__(self, seq: int, detail: str) -> None:
        told = f"somebody else wrote into the ledger's stream, at seq {seq}: {detail}"
        super().__init__(ProblemKind.FOREIGN, seq, told)


class CorruptEntryError(BrokenLedgerError):
    """The bytes stored at `seq` cannot be what was written."""

    def __init__(self, seq: int, detail: str, kind: ProblemKind = ProblemKind.UNDECODABLE) -> None:
        super().__init__(kind, seq, f"the ledger is corrupt at seq {seq}: {detail}")


class UnknownEventError(BrokenLedgerError):
    """Neither the event union nor an upcaster knows the tag of the event at `seq`: code older than its ledger."""

    def __init__(self, seq: int, tag: object) -> None:
        super().__init__(
            ProblemKind.UNKNOWN_EVENT,
            seq,
            f"the event at seq {seq} is of unknown type {tag!r}: read it with the version of the code that wrote it",
        )
        self.tag = tag
