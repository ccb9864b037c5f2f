"""Migrations make exactly the declared tables, take them away again, and may run twice at once."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

from projections.database import connect
from projections.errors import ProjectionError
from projections.migrate import (
    HEAD,
    alembic_config,
    current_revision,
    differences,
    downgrade,
    migrate,
    scripts,
    upgrade,
)
from projections.tables import SCHEMA, metadata
from support.projected_session import run
from titanflow.errors import ServerError

CONSTRAINTS = """
SELECT rel.relname, con.conname, pg_get_constraintdef(con.oid)
FROM pg_constraint con JOIN pg_class rel ON rel.oid = con.conrelid
WHERE con.connamespace = %s::regnamespace AND con.contype <> 'n' ORDER BY 1, 2
"""

OLDER_ROWS = (
    "INSERT INTO titanflow.sessions (session_id, seq, at_ns, identity, seed, mode, code_version, provider, source, "
    "source_sha256) VALUES ('s', 1, 0, 's', 1, 'paper', '0.1.0', 'tape', '', '')",
    "INSERT INTO titanflow.contenders VALUES ('s', 'calm', 'Calm', 'SMACrossover', '{}', '[]', 60, 'hash')",
)

ROWS_BEFORE_STEPS = (
    OLDER_ROWS[0],
    "INSERT INTO titanflow.contenders (session_id, contender, name, strategy, parameters, instruments, bar_seconds, "
    "model_hash, stage) VALUES ('s', 'calm', 'Calm', 'SMACrossover', '{}', '[]', 60, 'hash', 'rule')",
    "INSERT INTO titanflow.instruments (session_id, instrument, symbol, venue, kind, price_increment, "
    "quantity_increment, calendar, currency) VALUES ('s', 'A.X', 'A', 'X', 'equity', 1, 1, 'X', 'USD')",
    "INSERT INTO titanflow.orders (session_id, seq, cause, at_ns, order_id, contender, instrument, side, order_type, "
    "purpose, quantity, filled, fees, decision_price, status, updated_seq, updated_at_ns) VALUES "
    "('s', 3, 2, 30, 'o', 'calm', 'A.X', 'BUY', 'market', 'entry', 2, 1, 0, 5, 'working', 4, 40)",
    "INSERT INTO titanflow.fills (session_id, seq, cause, at_ns, fill_id, order_id, contender, instrument, side, "
    "quantity, price, fee, slippage, remaining, purpose, mode, realized_pnl, cash_change, cost_change) VALUES "
    "('s', 4, 3, 40, 'f', 'o', 'calm', 'A.X', 'BUY', 1, 5, 0, 0, 1, 'entry', 'paper', 0, -5, 5)",
    "INSERT INTO titanflow.arena (session_id, seq, cause, at_ns, total_equity, max_drawdown) VALUES "
    "('s', 5, 4, 50, 1, 0)",
    *(
        "INSERT INTO titanflow.audit_trail (session_id, seq, cause, at_ns, event_type, data) VALUES "
        f"('s', {seq}, 2, 30, '{kind}', '{data}')"
        for seq, kind, data in (
            (3, "ORDER", '{"event": "order_submitted", "order_id": "o"}'),
            (4, "FILL", '{"event": "order_filled", "order_id": "o", "remaining": 1000000000}'),
            (5, "FILL", '{"event": "order_filled", "order_id": "o", "remaining": 0}'),
            (6, "SIGNAL", '{"event": "signal"}'),
        )
    ),
)


def declared_constraints(database: str) -> list[tuple[str, ...]]:
    """The constraints as `create_all` makes them, in a schema of its own, named as if they were in ours."""
    engine = create_engine(database, execution_options={"schema_translate_map": {SCHEMA: "declared"}})
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA declared"))
        metadata.create_all(connection)
    engine.dispose()
    with connect(database) as connection:
        rows = connection.execute(CONSTRAINTS, ["declared"]).fetchall()
    return [(table, name, definition.replace("declared.", f"{SCHEMA}.")) for table, name, definition in rows]


def test_an_upgrade_from_empty_makes_the_declared_tables(database: str) -> None:
    migrate(database)
    assert differences(database) == []


def test_an_upgrade_from_empty_makes_the_declared_constraints(database: str) -> None:
    migrate(database)
    with connect(database) as connection:
        migrated = connection.execute(CONSTRAINTS, [SCHEMA]).fetchall()
    ours = [row for row in migrated if row[0] != "alembic_version"]
    assert len(ours) > 100
    assert ours == declared_constraints(database)


def test_a_missing_column_is_noticed(tables: str) -> None:
    run(tables, "ALTER TABLE fills DROP COLUMN slippage")
    assert len(differences(tables)) == 1


def test_a_downgrade_leaves_nothing_and_an_upgrade_brings_all_back(tables: str) -> None:
    downgrade(tables)
    with connect(tables) as connection:
        left = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'titanflow'::regnamespace")
        assert {name for (name,) in left} == {"alembic_version", "alembic_version_pkc"}
        functions = connection.execute("SELECT 1 FROM pg_proc WHERE pronamespace = 'titanflow'::regnamespace")
        assert functions.fetchall() == []
    migrate(tables)
    assert differences(tables) == []


def test_rows_of_sessions_before_trained_models_are_those_of_rules(database: str) -> None:
    upgrade(database, "0001")
    for row in OLDER_ROWS:
        run(database, row)
    migrate(database)
    assert differences(database) == []
    with connect(database) as connection:
        assert connection.execute("SELECT stage, parent_hash, fault FROM titanflow.contenders").fetchall() == [
            ("rule", None, None)
        ]
    downgrade(database, "0001")
    with connect(database) as connection:
        assert connection.execute("SELECT contender FROM titanflow.contenders").fetchall() == [("calm",)]


def test_orders_and_fills_of_sessions_before_are_brought_to_the_newer_form(database: str) -> None:
    upgrade(database, "0002")
    for row in ROWS_BEFORE_STEPS:
        run(database, row)
    migrate(database)
    assert differences(database) == []
    with connect(database) as connection:
        steps = connection.execute("SELECT seq, step, order_id FROM titanflow.audit_trail ORDER BY seq").fetchall()
        assert steps == [(3, "submitted", "o"), (4, "partially_filled", "o"), (5, "filled", "o"), (6, None, None)]
        fills = connection.execute("SELECT met_at_ns, reference_price, basis, costs FROM titanflow.fills").fetchall()
        assert fills == [(40, None, "trade", {})]
        assert connection.execute("SELECT sessions, returns, sharpe_low FROM titanflow.arena").fetchall() == [
            (0, 0, None)
        ]
    downgrade(database, "0002")
    with connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM titanflow.audit_trail").fetchone() == (4,)
        assert connection.execute("SELECT count(*) FROM titanflow.fills").fetchone() == (1,)


def test_the_known_head_is_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_the_migrations_do_not_hide_the_library_of_the_same_name() -> None:
    assert not (scripts() / "__init__.py").exists()


def test_many_may_migrate_at_once(database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(upgrade, database) for _ in range(4)]:
            done.result()
    with connect(database) as connection:
        assert current_revision(connection) == HEAD
    assert differences(database) == []


def test_a_current_database_is_left_alone(tables: str) -> None:
    run(tables, "ALTER TABLE alembic_version DISABLE TRIGGER ALL")
    with connect(tables) as connection, connection.transaction():
        # Whoever holds this lock would make a migration wait for ever; a current database takes none.
        connection.execute("LOCK TABLE titanflow.sessions IN ACCESS EXCLUSIVE MODE")
        migrate(tables)


def test_tables_of_a_later_version_are_refused(tables: str) -> None:
    run(tables, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ProjectionError, match="later version"):
        migrate(tables)


def test_a_user_who_may_not_make_tables_is_told(database: str) -> None:
    url = make_url(database)
    name = f"guest_{url.database}"
    with connect(database) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'guest'".encode())
        with pytest.raises(ProjectionError, match="permission denied"):
            migrate(url.set(username=name, password="guest").render_as_string(hide_password=False))
        connection.execute(f"DROP ROLE {name}".encode())


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(ServerError, match=r"PostgreSQL at .*ada:\*\*\*@127\.0\.0\.1:1/nothing") as refused:
        migrate("postgresql://ada:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(refused.value)


def test_the_schema_may_be_named_like_the_user(database: str) -> None:
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (SCHEMA,)
    migrate(database)
    assert differences(database) == []
