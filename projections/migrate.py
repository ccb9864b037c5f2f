"""Brings a database to the tables of this version. The migrations themselves are Alembic's, in `alembic/`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import InternalError, ProgrammingError

from projections.database import Connection, connect, engine, unreachable
from projections.errors import ProjectionError
from projections.tables import SCHEMA, metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0008"
"""The newest revision. Known here so that a current database costs one query and Alembic is not even imported."""


def _is_ours(name: str | None, kind: str, parents: object) -> bool:
    return name == SCHEMA if kind == "schema" else name != "alembic_version"


COMPARE_OPTIONS: dict[str, Any] = {
    "target_metadata": metadata,
    "version_table_schema": SCHEMA,
    "include_schemas": True,
    "include_name": _is_ours,
    "compare_server_default": True,
}
"""How Alembic compares declared and real tables: those of our schema only."""

_LOCK = 0x7469_7461_6E66
"""Key of the advisory lock under which one process at a time migrates."""


def migrate(database: str) -> None:
    """Upgrade the tables to this version, in one transaction; quick where nothing is to do, safe to call at once twice.

    Raises ServerError where the server does not answer, ProjectionError where the tables are of a later version.
    """
    try:
        with connect(database) as connection:
            if current_revision(connection) == HEAD:
                return
        upgrade(database)
    except psycopg.OperationalError as error:
        raise unreachable(database, error) from error
    except psycopg.Error as error:
        raise ProjectionError(f"the tables cannot be read: {str(error).strip()}") from error


def current_revision(connection: Connection) -> str | None:
    """The revision of the tables, None where there are none yet."""
    try:
        row = connection.execute(f"SELECT version_num FROM {SCHEMA}.alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return row[0] if row else None


def upgrade(database: str, revision: str = "head") -> None:
    """Run the migrations up to `revision`, one process at a time."""
    from alembic import command
    from alembic.util import CommandError

    try:
        _run(database, lambda config: command.upgrade(config, revision))
    except (InternalError, ProgrammingError) as error:
        raise ProjectionError(f"the tables cannot be made: {error.orig}") from error
    except CommandError as error:
        raise ProjectionError(f"{error}; the tables were made by a later version of TitanFlow: install that") from error


def downgrade(database: str, revision: str = "base") -> None:
    """Undo the migrations down to `revision`. The rows go with the tables; a rebuild brings them back."""
    from alembic import command

    _run(database, lambda config: command.downgrade(config, revision))


def _run(database: str, run: Callable[["Config"], None]) -> None:
    config = alembic_config()
    with engine(database).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        config.attributes["connection"] = connection
        run(config)


def differences(database: str) -> list[object]:
    """Where the database's tables are not as `projections.tables` declares them, in Alembic's words; [] is right."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with engine(database).connect() as connection:
        context = MigrationContext.configure(connection, opts=COMPARE_OPTIONS)
        return list(compare_metadata(context, metadata))


def alembic_config() -> "Config":
    """Alembic's configuration, in code, so that an installed package needs no file of the repository."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    return config


def scripts() -> Path:
    """The directory of the migrations: inside the package where it was installed, else the repository's `alembic/`."""
    here = Path(__file__).resolve().parent
    shipped = here / "_alembic"
    return shipped if shipped.is_dir() else here.parent / "alembic"
