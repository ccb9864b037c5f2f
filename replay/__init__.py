"""Proves what a session did: re-decides its recorded events and compares; walks causes. Writes nothing."""
