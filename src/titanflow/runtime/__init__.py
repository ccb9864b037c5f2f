"""Runs a session: opens it, loops in each topology, starts and watches the processes. Decides nothing itself."""
