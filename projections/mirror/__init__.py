"""The legacy mirror: the ledger's events as the older pub/sub messages, the hot cache and the audit file."""
