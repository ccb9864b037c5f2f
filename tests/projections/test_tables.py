"""The constraints refuse what no right fold can make, and a moment is the ledger's nanoseconds in microseconds."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from eventstore.ledger import Ledger
from projections.database import connect
from projections.tables import metadata
from support.projected_session import all_rows, eventful_session, project, run, write
from titanflow.domain.events import Event, OrderFilled

WRONG = [
    ("instruments_factors_check", "UPDATE instruments SET rate = 0"),
    ("fills_quantity_check", "UPDATE fills SET quantity = 0"),
    ("fills_quantity_check", "UPDATE fills SET remaining = -1"),
    ("fills_price_check", "UPDATE fills SET price = 0"),
    ("fills_balanced_check", "UPDATE fills SET fee = fee + 0.000000001"),
    ("fills_balanced_check", "UPDATE fills SET realized_pnl = realized_pnl + 0.000000001"),
    ("fills_balanced_check", "UPDATE fills SET cash_change = cash_change - 1"),
    ("fills_side_check", "UPDATE fills SET side = 'buy'"),
    ("fills_mode_check", "UPDATE fills SET mode = 'play'"),
    ("fills_purpose_check", "UPDATE fills SET purpose = 'fun'"),
    ("fills_cause_check", "UPDATE fills SET cause = seq"),
    ("fills_cause_check", "UPDATE fills SET cause = 0"),
    ("fills_session_id_order_id_fkey", "UPDATE fills SET order_id = 'nobody'"),
    ("fills_session_id_contender_fkey", "UPDATE fills SET contender = 'nobody'"),
    ("fills_session_id_instrument_fkey", "UPDATE fills SET instrument = 'NOTHING'"),
    ("fills_session_id_fill_id_key", "UPDATE fills SET fill_id = 'same'"),
    ("fills_pkey", "UPDATE fills SET seq = 1000000"),
    ("fills_basis_check", "UPDATE fills SET basis = 'rumour'"),
    ("fills_met_at_check", "UPDATE fills SET met_at_ns = at_ns + 1"),
    ("fills_price_check", "UPDATE fills SET reference_price = 0"),
    ("withheld_signals_reason_check", "UPDATE withheld_signals SET reason = 'shy'"),
    ("withheld_signals_session_id_contender_fkey", "UPDATE withheld_signals SET contender = 'nobody'"),
    ("borrow_charges_quantity_check", "UPDATE borrow_charges SET amount = 0"),
    ("borrow_charges_since_check", "UPDATE borrow_charges SET since_ns = at_ns"),
    ("borrow_charges_session_id_contender_fkey", "UPDATE borrow_charges SET contender = 'nobody'"),
    ("feature_drift_rows_check", "UPDATE feature_drift SET rows = -1"),
    ("orders_filled_check", "UPDATE orders SET filled = quantity + 1 WHERE status = 'cancelled'"),
    ("orders_filled_check", "UPDATE orders SET filled = -1 WHERE status = 'cancelled'"),
    ("orders_filled_whole_check", "UPDATE orders SET filled = 0 WHERE status = 'filled'"),
    ("orders_filled_whole_check", "UPDATE orders SET filled = quantity WHERE status = 'cancelled'"),
    ("orders_quantity_check", "UPDATE orders SET quantity = 0, filled = 0 WHERE status = 'filled'"),
    ("orders_status_check", "UPDATE orders SET status = 'lost', code = NULL WHERE status = 'cancelled'"),
    ("orders_reason_check", "UPDATE orders SET code = NULL WHERE status = 'cancelled'"),
    ("orders_reason_check", "UPDATE orders SET code = 'WHY' WHERE status = 'filled'"),
    ("orders_held_check", "UPDATE orders SET order_type = NULL WHERE status = 'filled'"),
    ("orders_prices_check", "UPDATE orders SET stop_price = 0 WHERE status = 'filled'"),
    ("orders_updated_seq_check", "UPDATE orders SET updated_seq = seq - 1"),
    ("orders_session_id_parent_id_fkey", "UPDATE orders SET parent_id = 'nobody'"),
    ("orders_session_id_signal_fkey", "UPDATE orders SET signal = 1"),
    ("orders_session_id_seq_key", "UPDATE orders SET seq = 2, cause = 1"),
    ("signals_confidence_check", "UPDATE signals SET confidence = 1.01"),
    ("signals_confidence_check", "UPDATE signals SET confidence = -0.01"),
    ("signals_confidence_check", "UPDATE signals SET confidence = 'NaN'"),
    ("signals_price_check", "UPDATE signals SET price = 0"),
    ("signals_price_check", "UPDATE signals SET atr = -1"),
    ("verdicts_code_check", "UPDATE verdicts SET code = NULL WHERE verdict = 'denied'"),
    ("verdicts_code_check", "UPDATE verdicts SET code = 'WHY' WHERE verdict = 'approved'"),
    ("verdicts_verdict_check", "UPDATE verdicts SET verdict = 'maybe' WHERE verdict = 'held'"),
    ("verdicts_signal_check", "UPDATE verdicts SET signal = seq + 1"),
    ("verdicts_order_id_check", "UPDATE verdicts SET order_id = NULL WHERE verdict = 'approved'"),
    ("verdicts_session_id_signal_fkey", "UPDATE verdicts SET signal = 1"),
    ("portfolios_conserved_check", "UPDATE portfolios SET cash = cash + 0.000000001"),
    ("portfolios_conserved_check", "UPDATE portfolios SET starting_cash = 1"),
    ("portfolios_counts_check", "UPDATE portfolios SET round_trips = fills + 1"),
    ("positions_signs_check", "UPDATE positions SET quantity = -1, cost = 1, opened_at_ns = 1"),
    ("positions_flat_check", "UPDATE positions SET quantity = 0, cost = 1, opened_at_ns = NULL"),
    ("positions_opened_at_check", "UPDATE positions SET quantity = 1, cost = 1, opened_at_ns = NULL"),
    ("positions_opened_at_check", "UPDATE positions SET quantity = 1, cost = 1, opened_at_ns = at_ns + 1"),
    ("round_trips_times_check", "UPDATE round_trips SET opened_at_ns = closed_at_ns + 1"),
    ("round_trips_quantity_check", "UPDATE round_trips SET quantity = 0"),
    ("portfolios_conserved_check", "UPDATE portfolios SET dividends = dividends + 0.000000001"),
    ("portfolios_conserved_check", "UPDATE portfolios SET receivable = receivable + 0.000000001"),
    ("corporate_actions_kind_check", "UPDATE corporate_actions SET kind = 'merger'"),
    ("corporate_actions_split_check", "UPDATE corporate_actions SET old = 0 WHERE kind = 'split'"),
    ("corporate_actions_amount_check", "UPDATE corporate_actions SET amount = 0 WHERE kind = 'dividend'"),
    ("action_entries_balanced_check", "UPDATE action_entries SET cash_change = cash_change + 0.000000001"),
    ("action_entries_session_id_seq_fkey", "UPDATE action_entries SET seq = seq + 1000000"),
    ("action_entries_session_id_contender_fkey", "UPDATE action_entries SET contender = 'no-' || contender"),
    ("leaderboard_session_id_rank_key", "UPDATE leaderboard SET rank = 1"),
    ("leaderboard_rank_check", "UPDATE leaderboard SET rank = rank - 1"),
    ("leaderboard_trades_check", "UPDATE leaderboard SET wins = trades + 1"),
    ("leaderboard_ratios_check", "UPDATE leaderboard SET exposure = 1.5"),
    ("leaderboard_status_check", "UPDATE leaderboard SET status = 'asleep'"),
    ("arena_drawdown_check", "UPDATE arena SET max_drawdown = -1"),
    ("equity_curve_exposure_check", "UPDATE equity_curve SET gross_exposure = -1"),
    ("risk_events_kind_check", "UPDATE risk_events SET command = NULL WHERE event_type = 'command'"),
    ("risk_events_trigger_check", "UPDATE risk_events SET trigger = 'mood' WHERE event_type = 'kill_switch'"),
    ("audit_trail_external_check", "UPDATE audit_trail SET cause = NULL WHERE event_type = 'FILL'"),
    ("audit_trail_event_type_check", "UPDATE audit_trail SET event_type = 'RUMOUR' WHERE step IS NULL"),
    ("audit_trail_step_check", "UPDATE audit_trail SET step = 'lost' WHERE event_type = 'ORDER'"),
    ("audit_trail_of_order_check", "UPDATE audit_trail SET step = NULL WHERE event_type = 'FILL'"),
    ("sessions_end_check", "UPDATE sessions SET ended_seq = seq"),
    ("sessions_end_check", "UPDATE sessions SET ended_at_ns = NULL"),
    ("sessions_mode_check", "UPDATE sessions SET mode = 'play'"),
    ("settings_session_id_fkey", "INSERT INTO settings VALUES ('nowhere', 'a', '1')"),
    (
        "contenders_session_id_fkey",
        "INSERT INTO contenders VALUES ('nowhere', 'a', 'A', 's', '{}', '[]', 0, '', 'rule')",
    ),
    ("instruments_increments_check", "UPDATE instruments SET price_increment = 0"),
    ("checkpoints_seq_check", "UPDATE checkpoints SET seq = -1"),
    ("checkpoints_recorded_at_check", "UPDATE checkpoints SET recorded_at_ns = NULL"),
    ("checkpoints_recorded_at_check", "UPDATE checkpoints SET seq = 0"),
]


@pytest.fixture
def projected(tables: str, eventful_ledger: Ledger[Event]) -> str:
    """The database with the eventful session's rows."""
    project(tables, eventful_ledger)
    return tables


def refusal(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> str | None:
    """The constraint that refuses the statement; None where it is carried out. Either way it is undone."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL search_path TO titanflow")
            connection.execute(statement.encode())
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.IntegrityError as error:
        return error.diag.constraint_name
    return None


def test_each_wrong_row_is_refused_by_the_constraint_that_forbids_it(projected: str) -> None:
    with connect(projected) as connection:
        found = [(refusal(connection, statement), statement) for _, statement in WRONG]
    assert [pair for pair in zip(found, WRONG, strict=True) if pair[0] != pair[1]] == []


def test_every_table_has_rows_in_the_eventful_session(projected: str) -> None:
    assert [name for name, rows in all_rows(projected).items() if not rows] == []


def test_every_table_but_the_settings_of_a_session_has_a_rule_of_its_own() -> None:
    tested = {constraint.rsplit("_", 1)[0] for constraint, _ in WRONG}
    assert [
        name for name in (t.name for t in metadata.sorted_tables) if not any(c.startswith(name) for c in tested)
    ] == []


def test_a_moment_is_the_nanoseconds_rounded_down_to_microseconds(projected: str) -> None:
    with connect(projected) as connection:
        connection.execute("SET timezone TO 'Asia/Kathmandu'")
        rows = connection.execute("SELECT at_ns, at FROM titanflow.fills").fetchall()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert len({at_ns % 1000 for at_ns, _ in rows}) > 1
    assert rows == [(at_ns, epoch + timedelta(microseconds=at_ns // 1000)) for at_ns, _ in rows]


def test_a_moment_cannot_be_written_beside_its_nanoseconds(projected: str) -> None:
    with pytest.raises(psycopg.errors.GeneratedAlways):
        run(projected, "UPDATE fills SET at = now()")


def test_money_is_stored_to_the_last_unit(tables: str, ledger: Ledger[Event]) -> None:
    events = eventful_session()
    write(ledger, events)
    project(tables, ledger)
    with connect(tables) as connection:
        stored = connection.execute(
            "SELECT seq, (price * 1e9)::bigint, (fee * 1e9)::bigint, (quantity * 1e9)::bigint "
            "FROM titanflow.fills ORDER BY seq"
        ).fetchall()
    filled = [(seq, e.price, e.fee, e.quantity) for seq, e in enumerate(events, 1) if isinstance(e, OrderFilled)]
    assert len(filled) > 1000
    assert stored == filled
