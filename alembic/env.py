"""Alembic's entry: runs migrations on the connection that `projections.migrate` hands over, or on `-x database=URL`."""

from alembic import context
from sqlalchemy import Connection, text

from projections.database import engine
from projections.migrate import COMPARE_OPTIONS
from projections.tables import SCHEMA


def run(connection: Connection) -> None:
    """Run within the connection's transaction."""
    context.configure(connection=connection, **COMPARE_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with engine(context.get_x_argument(as_dictionary=True)["database"]).begin() as opened:
        opened.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        run(opened)
