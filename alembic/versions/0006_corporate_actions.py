"""Splits and dividends: what companies did, what it did to each contender's books, and dividends in their balance."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

T = "titanflow"
STEPS = (
    "'approved', 'held', 'denied', 'submitted', 'triggered', {}'rejected', 'partially_filled', 'filled', 'cancelled'"
)


def upgrade() -> None:
    """Older sessions had no such actions: their dividends are 0."""
    _tables()
    for table in ("portfolios", "leaderboard"):
        for column in ("dividends", "receivable"):
            op.execute(f"ALTER TABLE {T}.{table} ADD COLUMN {column} numeric(38, 9) NOT NULL DEFAULT 0")
            op.execute(f"ALTER TABLE {T}.{table} ALTER COLUMN {column} DROP DEFAULT")
    _conserved("cash + receivable + cost_basis + fees - realized_pnl - dividends = starting_cash")
    op.execute(f"ALTER TABLE {T}.round_trips DROP CONSTRAINT round_trips_session_id_seq_fkey")
    _trips_key("session_id, seq, contender")
    _steps(STEPS.format("'adjusted', "))


def downgrade() -> None:
    """Take away what the older tables cannot hold; the ledger still has every fact."""
    op.execute(f"DELETE FROM {T}.audit_trail WHERE step = 'adjusted'")
    _steps(STEPS.format(""))
    op.execute(
        f"DELETE FROM {T}.round_trips t WHERE NOT EXISTS "
        f"(SELECT FROM {T}.fills f WHERE f.session_id = t.session_id AND f.seq = t.seq)"
    )
    _trips_key("session_id, seq")
    op.execute(
        f"ALTER TABLE {T}.round_trips ADD CONSTRAINT round_trips_session_id_seq_fkey "
        f"FOREIGN KEY (session_id, seq) REFERENCES {T}.fills (session_id, seq)"
    )
    op.execute(f"ALTER TABLE {T}.portfolios DROP CONSTRAINT portfolios_conserved_check")
    op.execute(f"UPDATE {T}.portfolios SET realized_pnl = realized_pnl + dividends, cash = cash + receivable")
    op.execute(
        f"ALTER TABLE {T}.portfolios ADD CONSTRAINT portfolios_conserved_check "
        "CHECK (cash + cost_basis + fees - realized_pnl = starting_cash)"
    )
    for table in ("portfolios", "leaderboard"):
        op.execute(f"ALTER TABLE {T}.{table} DROP COLUMN dividends, DROP COLUMN receivable")
    op.execute(f"DROP TABLE {T}.action_entries")
    op.execute(f"DROP TABLE {T}.corporate_actions")


def _tables() -> None:
    derived = (
        "session_id text NOT NULL, seq bigint NOT NULL, cause bigint, at_ns bigint NOT NULL, "
        f"at timestamptz GENERATED ALWAYS AS ({T}.moment(at_ns)) STORED, "
    )
    op.execute(
        f"CREATE TABLE {T}.corporate_actions ({derived} instrument text NOT NULL, kind text NOT NULL, "
        "new bigint NOT NULL, old bigint NOT NULL, amount numeric(38, 9) NOT NULL, last_price numeric(38, 9) NOT NULL, "
        f"ex_at_ns bigint NOT NULL, ex_at timestamptz GENERATED ALWAYS AS ({T}.moment(ex_at_ns)) STORED, "
        f"pay_at_ns bigint, pay_at timestamptz GENERATED ALWAYS AS ({T}.moment(pay_at_ns)) STORED, "
        "CONSTRAINT corporate_actions_pkey PRIMARY KEY (session_id, seq), "
        "CONSTRAINT corporate_actions_session_id_instrument_fkey FOREIGN KEY (session_id, instrument) "
        f"REFERENCES {T}.instruments (session_id, instrument), "
        "CONSTRAINT corporate_actions_kind_check CHECK (kind IN ('split', 'dividend', 'dividend_payment')), "
        "CONSTRAINT corporate_actions_split_check CHECK ((new > 0 AND old > 0) = (kind = 'split')), "
        "CONSTRAINT corporate_actions_amount_check CHECK ((amount > 0) = (kind <> 'split')), "
        "CONSTRAINT corporate_actions_seq_check CHECK (seq > 0), "
        "CONSTRAINT corporate_actions_cause_check CHECK (cause > 0 AND cause < seq))"
    )
    op.execute(
        f"CREATE TABLE {T}.action_entries ({derived} contender text NOT NULL, instrument text NOT NULL, "
        "quantity_before numeric(38, 9) NOT NULL, quantity_after numeric(38, 9) NOT NULL, "
        "cash_change numeric(38, 9) NOT NULL, cost_change numeric(38, 9) NOT NULL, "
        "realized_pnl numeric(38, 9) NOT NULL, receivable_change numeric(38, 9) NOT NULL, "
        "dividends numeric(38, 9) NOT NULL, "
        "CONSTRAINT action_entries_pkey PRIMARY KEY (session_id, seq, contender), "
        "CONSTRAINT action_entries_session_id_seq_fkey FOREIGN KEY (session_id, seq) "
        f"REFERENCES {T}.corporate_actions (session_id, seq), "
        "CONSTRAINT action_entries_session_id_contender_fkey FOREIGN KEY (session_id, contender) "
        f"REFERENCES {T}.contenders (session_id, contender), "
        "CONSTRAINT action_entries_balanced_check CHECK "
        "(cash_change + receivable_change + cost_change - realized_pnl - dividends = 0), "
        "CONSTRAINT action_entries_seq_check CHECK (seq > 0), "
        "CONSTRAINT action_entries_cause_check CHECK (cause > 0 AND cause < seq))"
    )


def _conserved(rule: str) -> None:
    op.execute(f"ALTER TABLE {T}.portfolios DROP CONSTRAINT portfolios_conserved_check")
    op.execute(f"ALTER TABLE {T}.portfolios ADD CONSTRAINT portfolios_conserved_check CHECK ({rule})")


def _trips_key(columns: str) -> None:
    op.execute(f"ALTER TABLE {T}.round_trips DROP CONSTRAINT round_trips_pkey")
    op.execute(f"ALTER TABLE {T}.round_trips ADD CONSTRAINT round_trips_pkey PRIMARY KEY ({columns})")


def _steps(steps: str) -> None:
    op.execute(f"ALTER TABLE {T}.audit_trail DROP CONSTRAINT audit_trail_step_check")
    op.execute(f"ALTER TABLE {T}.audit_trail ADD CONSTRAINT audit_trail_step_check CHECK (step IN ({steps}))")
