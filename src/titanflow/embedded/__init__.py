"""Real Redis and Postgres servers, started from packages on a private directory and left running between commands.

Nothing here reads settings: callers say where the state lives (`home`).
"""
