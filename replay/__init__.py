"""Proves what a session did: feeds its recorded events to the same deciders and compares; walks causes. Writes nothing."""
