"""What Postgres shows of a session: rows folded from its ledger, disposable, and the mirror for older readers."""
