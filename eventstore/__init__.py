"""A generic event ledger on Redis Streams: one dense, fenced, checksummed log a session, of events it does not know."""
