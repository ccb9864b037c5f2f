"""What short positions pay for the shares that they borrowed."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

CHARGES = """
CREATE TABLE titanflow.borrow_charges (
    session_id text NOT NULL,
    seq bigint NOT NULL,
    cause bigint,
    at_ns bigint NOT NULL,
    at timestamptz GENERATED ALWAYS AS (titanflow.moment(at_ns)) STORED,
    contender text NOT NULL,
    instrument text NOT NULL,
    quantity numeric(38, 9) NOT NULL,
    price numeric(38, 9) NOT NULL,
    since_ns bigint NOT NULL,
    since timestamptz GENERATED ALWAYS AS (titanflow.moment(since_ns)) STORED,
    amount numeric(38, 9) NOT NULL,
    CONSTRAINT borrow_charges_pkey PRIMARY KEY (session_id, seq),
    CONSTRAINT borrow_charges_seq_check CHECK (seq > 0),
    CONSTRAINT borrow_charges_cause_check CHECK (cause > 0 AND cause < seq),
    CONSTRAINT borrow_charges_session_id_contender_fkey FOREIGN KEY (session_id, contender)
        REFERENCES titanflow.contenders (session_id, contender),
    CONSTRAINT borrow_charges_session_id_instrument_fkey FOREIGN KEY (session_id, instrument)
        REFERENCES titanflow.instruments (session_id, instrument),
    CONSTRAINT borrow_charges_quantity_check CHECK (quantity > 0 AND price > 0 AND amount > 0),
    CONSTRAINT borrow_charges_since_check CHECK (since_ns < at_ns)
)
"""


def upgrade() -> None:
    """No older session was charged anything."""
    op.execute(CHARGES)


def downgrade() -> None:
    """The ledger still has every charge."""
    op.execute("DROP TABLE titanflow.borrow_charges")
