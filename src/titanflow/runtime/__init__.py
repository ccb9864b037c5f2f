"""Runs a session: opening it, the loop of each topology, the processes and their supervision. Decides nothing itself."""
