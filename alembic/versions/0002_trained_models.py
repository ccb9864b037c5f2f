"""Trained models: the stage of each contender's, its parent, its fault, and the replacing of one by another."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RECORDS = "'SIGNAL', 'ORDER', 'FILL', 'KILL_SWITCH', 'MANUAL_APPROVAL_MODE', 'OPERATOR_COMMAND'"


def upgrade() -> None:
    """Rows of older sessions are those of rules; a rebuild of them gives the same."""
    op.execute("ALTER TABLE titanflow.contenders ADD COLUMN stage text NOT NULL DEFAULT 'rule'")
    op.execute("ALTER TABLE titanflow.contenders ALTER COLUMN stage DROP DEFAULT")
    op.execute("ALTER TABLE titanflow.contenders ADD COLUMN parent_hash text, ADD COLUMN fault text")
    op.execute("ALTER TABLE titanflow.leaderboard ADD COLUMN stage text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE titanflow.leaderboard ALTER COLUMN stage DROP DEFAULT")
    _audit(f"{RECORDS}, 'MODEL_REPLACED'")


def downgrade() -> None:
    """Take them away, with the records that the older rule forbids; the ledger still has every fact."""
    op.execute("DELETE FROM titanflow.audit_trail WHERE event_type = 'MODEL_REPLACED'")
    _audit(RECORDS)
    op.execute("ALTER TABLE titanflow.leaderboard DROP COLUMN stage")
    op.execute("ALTER TABLE titanflow.contenders DROP COLUMN stage, DROP COLUMN parent_hash, DROP COLUMN fault")


def _audit(kinds: str) -> None:
    op.execute("ALTER TABLE titanflow.audit_trail DROP CONSTRAINT audit_trail_event_type_check")
    op.execute(
        f"ALTER TABLE titanflow.audit_trail ADD CONSTRAINT audit_trail_event_type_check CHECK (event_type IN ({kinds}))"
    )
