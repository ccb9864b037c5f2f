"""Limits on losses: the triggers of two limits with two names, and what gates only reported."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = "'command', 'kill_switch', 'rollback'"


def upgrade() -> None:
    """What older sessions call a drawdown was measured from the day's opening: a daily loss."""
    op.execute("ALTER TABLE titanflow.risk_events DROP CONSTRAINT risk_events_trigger_check")
    op.execute("UPDATE titanflow.risk_events SET trigger = 'daily_loss' WHERE trigger = 'drawdown'")
    _check("trigger", "'daily_loss', 'max_drawdown', 'consecutive_losses', 'operator'")
    op.execute("ALTER TABLE titanflow.risk_events DROP CONSTRAINT risk_events_event_type_check")
    _check("event_type", f"{KINDS}, 'gate_report'")


def downgrade() -> None:
    """Back to one name, without reports; the ledger still has every fact."""
    op.execute("DELETE FROM titanflow.risk_events WHERE event_type = 'gate_report'")
    op.execute("ALTER TABLE titanflow.risk_events DROP CONSTRAINT risk_events_trigger_check")
    op.execute("UPDATE titanflow.risk_events SET trigger = 'drawdown' WHERE trigger IN ('daily_loss', 'max_drawdown')")
    _check("trigger", "'drawdown', 'consecutive_losses', 'operator'")
    op.execute("ALTER TABLE titanflow.risk_events DROP CONSTRAINT risk_events_event_type_check")
    _check("event_type", KINDS)


def _check(column: str, values: str) -> None:
    op.execute(
        f"ALTER TABLE titanflow.risk_events ADD CONSTRAINT risk_events_{column}_check CHECK ({column} IN ({values}))"
    )
