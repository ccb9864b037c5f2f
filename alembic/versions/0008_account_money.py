"""Money of the accounts: what a unit of each instrument counts for, by its multiplier and its currency's rate."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INSTRUMENTS = "ALTER TABLE titanflow.instruments"


def upgrade() -> None:
    """Older sessions counted every unit of every currency as one."""
    for column in ("multiplier", "rate"):
        op.execute(f"{INSTRUMENTS} ADD COLUMN {column} numeric(38, 9) NOT NULL DEFAULT 1")
        op.execute(f"{INSTRUMENTS} ALTER COLUMN {column} DROP DEFAULT")
    op.execute(f"{INSTRUMENTS} ADD CONSTRAINT instruments_factors_check CHECK (multiplier > 0 AND rate > 0)")


def downgrade() -> None:
    """Take them away; the ledger still has them."""
    op.execute(f"{INSTRUMENTS} DROP COLUMN multiplier, DROP COLUMN rate")
