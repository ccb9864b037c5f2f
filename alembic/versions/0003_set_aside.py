"""Contenders that failed: the status of one that is set aside, and its record in the audit trail."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATUSES = "'active', 'manual_approval', 'halted'"
RECORDS = "'SIGNAL', 'ORDER', 'FILL', 'KILL_SWITCH', 'MANUAL_APPROVAL_MODE', 'OPERATOR_COMMAND', 'MODEL_REPLACED'"


def upgrade() -> None:
    """Allow the new words."""
    _one_of("leaderboard", "status", f"{STATUSES}, 'set_aside'")
    _one_of("audit_trail", "event_type", f"{RECORDS}, 'CONTENDER_SET_ASIDE'")


def downgrade() -> None:
    """Take away what the older rules forbid; the ledger still has every fact."""
    op.execute("DELETE FROM titanflow.audit_trail WHERE event_type = 'CONTENDER_SET_ASIDE'")
    _one_of("audit_trail", "event_type", RECORDS)
    op.execute("UPDATE titanflow.leaderboard SET status = 'halted' WHERE status = 'set_aside'")
    _one_of("leaderboard", "status", STATUSES)


def _one_of(table: str, column: str, words: str) -> None:
    name = f"{table}_{column}_check"
    op.execute(f"ALTER TABLE titanflow.{table} DROP CONSTRAINT {name}")
    op.execute(f"ALTER TABLE titanflow.{table} ADD CONSTRAINT {name} CHECK ({column} IN ({words}))")
