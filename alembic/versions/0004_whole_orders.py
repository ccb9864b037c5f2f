"""Whole lives of orders, withheld signals and drift, what a fill rests on, how sure ratios are, thinner curves.

Rows of sessions that are already there stay as they are; `titanflow projections rebuild` makes them anew.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ORIGIN = """
    session_id text NOT NULL,
    seq bigint NOT NULL,
    cause bigint,
    at_ns bigint NOT NULL,
    at timestamptz GENERATED ALWAYS AS (titanflow.moment(at_ns)) STORED,
    contender text NOT NULL
"""
RULES = """
    CONSTRAINT {0}_pkey PRIMARY KEY (session_id, seq),
    CONSTRAINT {0}_seq_check CHECK (seq > 0),
    CONSTRAINT {0}_cause_check CHECK (cause > 0 AND cause < seq),
    CONSTRAINT {0}_session_id_contender_fkey FOREIGN KEY (session_id, contender)
        REFERENCES titanflow.contenders (session_id, contender)
"""
WITHHELD = f"""
CREATE TABLE titanflow.withheld_signals ({ORIGIN},
    instrument text NOT NULL,
    side text NOT NULL,
    reason text NOT NULL,
    context jsonb NOT NULL,
    model_hash text NOT NULL,
    {RULES.format("withheld_signals")},
    CONSTRAINT withheld_signals_session_id_instrument_fkey FOREIGN KEY (session_id, instrument)
        REFERENCES titanflow.instruments (session_id, instrument),
    CONSTRAINT withheld_signals_side_check CHECK (side IN ('BUY', 'SELL')),
    CONSTRAINT withheld_signals_reason_check
        CHECK (reason IN ('outlier', 'stale', 'in_sample', 'before_training', 'not_finite'))
)
"""
DRIFT = f"""
CREATE TABLE titanflow.feature_drift ({ORIGIN},
    since_ns bigint NOT NULL,
    since timestamptz GENERATED ALWAYS AS (titanflow.moment(since_ns)) STORED,
    rows bigint NOT NULL,
    drifted boolean NOT NULL,
    indices jsonb NOT NULL,
    beyond jsonb NOT NULL,
    model_hash text NOT NULL,
    {RULES.format("feature_drift")},
    CONSTRAINT feature_drift_rows_check CHECK (rows >= 0)
)
"""
STEPS = "'approved', 'held', 'denied', 'submitted', 'triggered', 'rejected', 'partially_filled', 'filled', 'cancelled'"
MOMENT = "timestamptz GENERATED ALWAYS AS (titanflow.moment({0}_ns)) STORED"
SHARPE = ("sharpe_low", "sharpe_high", "sharpe_probability")


def upgrade() -> None:
    """Rows of older sessions say what was not recorded as unknown, or as it was then."""
    op.execute(WITHHELD)
    op.execute(DRIFT)
    _columns("orders", "ADD COLUMN triggered_at_ns bigint", f"ADD COLUMN triggered_at {MOMENT.format('triggered_at')}")
    _upgrade_fills()
    _upgrade_standings()
    _upgrade_audit_trail()


def downgrade() -> None:
    """Take them away; the ledger still has every fact."""
    op.execute("DELETE FROM titanflow.audit_trail WHERE step IN ('approved', 'held', 'denied', 'triggered')")
    op.execute("DROP INDEX titanflow.audit_trail_session_id_order_id_seq_idx")
    _columns("audit_trail", "DROP COLUMN step", "DROP COLUMN order_id")
    for table in ("leaderboard", "arena"):
        _columns(table, *(f"DROP COLUMN {name}" for name in ("sessions", "returns", *SHARPE)))
    _columns("fills", *(f"DROP COLUMN {name}" for name in ("met_at", "met_at_ns", "reference_price", "basis", "costs")))
    op.execute("ALTER TABLE titanflow.fills DROP CONSTRAINT IF EXISTS fills_price_check")
    op.execute("ALTER TABLE titanflow.fills ADD CONSTRAINT fills_price_check CHECK (price > 0)")
    _columns("orders", "DROP COLUMN triggered_at", "DROP COLUMN triggered_at_ns")
    op.execute("DROP TABLE titanflow.feature_drift")
    op.execute("DROP TABLE titanflow.withheld_signals")


def _upgrade_fills() -> None:
    _columns(
        "fills",
        "ADD COLUMN met_at_ns bigint",
        f"ADD COLUMN met_at {MOMENT.format('met_at')}",
        "ADD COLUMN reference_price numeric(38, 9)",
        "ADD COLUMN basis text",
        "ADD COLUMN costs jsonb",
    )
    op.execute("UPDATE titanflow.fills SET met_at_ns = at_ns, basis = 'trade', costs = '{}'")
    _columns(
        "fills",
        *(f"ALTER COLUMN {name} SET NOT NULL" for name in ("met_at_ns", "basis", "costs")),
        "DROP CONSTRAINT fills_price_check",
        "ADD CONSTRAINT fills_price_check CHECK (price > 0 AND reference_price > 0)",
        "ADD CONSTRAINT fills_basis_check CHECK (basis IN ('trade', 'bar_path', 'closing_price'))",
        "ADD CONSTRAINT fills_met_at_check CHECK (met_at_ns <= at_ns)",
    )


def _upgrade_standings() -> None:
    for table in ("leaderboard", "arena"):
        _columns(
            table,
            "ADD COLUMN sessions bigint",
            "ADD COLUMN returns bigint NOT NULL DEFAULT 0",
            *(f"ADD COLUMN {name} double precision" for name in SHARPE),
        )
        _columns(table, "ALTER COLUMN returns DROP DEFAULT")
    op.execute("UPDATE titanflow.arena SET sessions = 0")
    _columns("arena", "ALTER COLUMN sessions SET NOT NULL")


def _upgrade_audit_trail() -> None:
    _columns("audit_trail", "ADD COLUMN step text", "ADD COLUMN order_id text")
    op.execute(
        "UPDATE titanflow.audit_trail SET order_id = data->>'order_id', step = CASE data->>'event' "
        "WHEN 'order_filled' THEN CASE data->>'remaining' WHEN '0' THEN 'filled' ELSE 'partially_filled' END "
        "ELSE replace(data->>'event', 'order_', '') END WHERE event_type IN ('ORDER', 'FILL')"
    )
    _columns(
        "audit_trail",
        f"ADD CONSTRAINT audit_trail_step_check CHECK (step IN ({STEPS}))",
        "ADD CONSTRAINT audit_trail_of_order_check CHECK ((step IS NOT NULL) = (event_type IN ('ORDER', 'FILL')))",
    )
    op.execute(
        "CREATE INDEX audit_trail_session_id_order_id_seq_idx ON titanflow.audit_trail (session_id, order_id, seq)"
    )


def _columns(table: str, *changes: str) -> None:
    op.execute(f"ALTER TABLE titanflow.{table} {', '.join(changes)}")
