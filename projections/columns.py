"""The building blocks of the tables: kinds of columns, rules, references. The tables themselves are in `tables`."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKeyConstraint,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

SCHEMA = "titanflow"
CURRENT = "current"
"""Key of `Table.info`: true where a row is the latest state of a thing, false where rows are only ever added."""

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    },
)


def text(name: str, *, null: bool = False) -> Column[Any]:
    """A word or words."""
    return Column(name, Text, nullable=null)


def integer(name: str, *, null: bool = False) -> Column[Any]:
    """A count, a seq, or nanoseconds."""
    return Column(name, BigInteger, nullable=null, autoincrement=False)


def exact(name: str, *, null: bool = False) -> Column[Any]:
    """Money, a price, a quantity or a ratio: the exact image of 1e-9 integers."""
    return Column(name, Numeric(38, 9), nullable=null)


def double(name: str, *, null: bool = False) -> Column[Any]:
    """A statistic."""
    return Column(name, Double, nullable=null)


def json(name: str) -> Column[Any]:
    """A document."""
    return Column(name, JSONB, nullable=False)


def time(name: str, *, null: bool = False) -> tuple[Column[Any], Column[Any]]:
    """Nanoseconds as the ledger has them, and the same moment in microseconds for people and their tools."""
    moment = Computed(f"{SCHEMA}.moment({name}_ns)", persisted=True)
    return integer(f"{name}_ns", null=null), Column(name, TIMESTAMP(timezone=True), moment)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """The column holds one of the enum's values."""
    names = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({names})", name=column)


def check(name: str, rule: str) -> CheckConstraint:
    """A rule that every row keeps; where its value is unknown (NULL) it does not forbid."""
    return CheckConstraint(rule, name=name)


def refers_to(table: str, column: str, key: str | None = None) -> ForeignKeyConstraint:
    """A reference within the same session."""
    return ForeignKeyConstraint(
        ["session_id", column], [f"{SCHEMA}.{table}.session_id", f"{SCHEMA}.{table}.{key or column}"]
    )


def table(name: str, key: tuple[str, ...], *parts: Any, current: bool = False, derived: bool = True) -> Table:
    """A table of one session's rows, `derived` from the event at `seq`, keyed by (session_id, *key)."""
    origin = (integer("seq"), integer("cause", null=True), *time("at")) if derived else ()
    rules = (check("seq", "seq > 0"), check("cause", "cause > 0 AND cause < seq")) if derived else ()
    return Table(
        name,
        metadata,
        text("session_id"),
        *origin,
        *parts,
        *rules,
        PrimaryKeyConstraint("session_id", *key),
        info={CURRENT: current},
    )


def of_session() -> ForeignKeyConstraint:
    """The row's session exists."""
    return ForeignKeyConstraint(["session_id"], [f"{SCHEMA}.sessions.session_id"])


def of_contender() -> ForeignKeyConstraint:
    """Its contender takes part in the session."""
    return refers_to("contenders", "contender")


def of_instrument() -> ForeignKeyConstraint:
    """Its instrument is traded in the session."""
    return refers_to("instruments", "instrument")
