"""Expected trouble: which exceptions end as one readable message, and with which exit code. All others are bugs."""

from typing import NamedTuple

from titanflow.cli.output import SERVER_DOWN


class Trouble(NamedTuple):
    """What a person is told, and the exit code."""

    message: str
    exit_code: int


UNEXPECTED, BAD_INPUT = 1, 2


def trouble_of(error: Exception) -> Trouble | None:
    """What an exception means to a person; None for a bug, whose traceback should be seen."""
    # Imported here: who gets into trouble may wait a little longer, who does not need not.
    import psycopg
    import redis
    import sqlalchemy.exc
    import typer

    from eventstore.errors import BrokenLedgerError, LedgerError, LedgerUnavailableError
    from titanflow.errors import TitanFlowError

    match error:
        case typer.Abort():
            return Trouble("given up", UNEXPECTED)
        case _ if hasattr(error, "format_message"):  # an argument that the command line cannot take
            return Trouble(error.format_message(), BAD_INPUT)
        case TitanFlowError():
            return Trouble(str(error), error.exit_code)
        case LedgerUnavailableError() | redis.RedisError():
            return Trouble(f"Redis: {_line(error)}; `titanflow doctor` looks for the cause", SERVER_DOWN)
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return Trouble(f"PostgreSQL: {_line(error)}; `titanflow doctor` looks for the cause", SERVER_DOWN)
        case sqlalchemy.exc.OperationalError() | sqlalchemy.exc.InterfaceError():
            return Trouble(f"PostgreSQL: {_line(error.orig or error)}; `titanflow doctor` looks", SERVER_DOWN)
        case BrokenLedgerError():
            remedy = "`titanflow ledger repair` copies the sound part into a new session"
            return Trouble(f"{error}; {remedy}", UNEXPECTED)
        case LedgerError():
            return Trouble(str(error), UNEXPECTED)
        case OSError() if error.filename is not None:
            return Trouble(f"{error.filename}: {error.strerror}", BAD_INPUT)
        case OSError():
            return Trouble(str(error), UNEXPECTED)
    return None


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is behind an exception: struck while a library is imported, it may come out as another."""
    reason: BaseException | None = error
    while reason is not None and not isinstance(reason, KeyboardInterrupt):
        reason = reason.__cause__ or reason.__context__
    return reason is not None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
