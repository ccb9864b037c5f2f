"""Where market data comes from: the provider contract (base), its implementations, and their table (registry)."""
