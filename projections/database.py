"""Opening the database: the one place that understands its URL. No SQL of its own beyond the connection's."""

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from titanflow.errors import ServerError, SettingsError

DRIVER = "postgresql+psycopg"
# Our schema is always named, never searched for; a user called like it would find it by default, and the server would
# then name things otherwise.
_OPTIONS = "-c search_path=public -c timezone=UTC"
_SCHEMES = {"postgres", "postgresql", DRIVER}

Connection = psycopg.Connection[TupleRow]

# SQLSTATE classes: connection exception, transaction rollback, insufficient resources (a full disk), operator
# intervention (a statement that took too long), system error.
_PASSING = ("08", "40", "53", "57", "58")
# Read-only transaction, missing right, refused login, no such database: until somebody changes the server.
_MENDABLE = ("25006", "42501", "28", "3D")
CONNECT_SECONDS = 10


def url_of(database: str) -> URL:
    """The URL as SQLAlchemy and psycopg 3 take it. Raises SettingsError for one that is not PostgreSQL's."""
    try:
        url = make_url(database)
    except ArgumentError as error:
        raise SettingsError("the database URL cannot be parsed; expected postgresql://user@host:port/name") from error
    if url.drivername not in _SCHEMES:
        raise SettingsError(f"the database must be PostgreSQL (postgresql://…), not {url.drivername}://")
    return url.set(drivername=DRIVER)


def connect(database: str) -> Connection:
    """A plain connection in autocommit: transactions are opened by name. Raises psycopg.Error."""
    url = url_of(database).set(drivername="postgresql")
    conninfo = url.render_as_string(hide_password=False)
    return psycopg.connect(
        conninfo,
        autocommit=True,
        options=_OPTIONS,
        application_name="titanflow projections",
        connect_timeout=CONNECT_SECONDS,
    )


def is_passing(error: psycopg.Error) -> bool:
    """Whether to try again may help: the server is down, starting, stopping, overloaded, or cut the connection."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)


def is_mendable(error: psycopg.Error) -> bool:
    """Whether the server answers and refuses everybody alike: it is read-only, or rights are missing."""
    return bool(error.sqlstate and error.sqlstate.startswith(_MENDABLE))


def engine(database: str) -> Engine:
    """An engine for short work: it keeps no connection open in between."""
    return create_engine(url_of(database), poolclass=NullPool, connect_args={"options": _OPTIONS})


def shown(database: str) -> str:
    """The URL without its password."""
    return url_of(database).render_as_string(hide_password=True)


def unreachable(database: str, error: Exception) -> ServerError:
    """The error to show to a person when the server does not answer; never with the password."""
    return ServerError(
        f"PostgreSQL at {shown(database)}: {str(error).strip()}; is the server up? `titanflow doctor` looks"
    )
