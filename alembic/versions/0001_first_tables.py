"""The first tables: sessions, orders, fills, books, standings, risk, audit. Their DDL stands in the file beside."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "sessions, settings, instruments, contenders, signals, orders, verdicts, fills, portfolios, positions, "
    "round_trips, leaderboard, arena, equity_curve, risk_events, audit_trail, checkpoints"
)


def upgrade() -> None:
    """Create them."""
    ddl = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(ddl)


def downgrade() -> None:
    """Drop them all; the ledger still has every fact."""
    for table in TABLES.split(", "):
        op.execute(f"DROP TABLE titanflow.{table} CASCADE")
    op.execute("DROP FUNCTION titanflow.moment")
