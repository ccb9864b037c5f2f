"""A client that predates the ledger: plain SUBSCRIBE to the seven channels."""

import json
import time
import uuid
from typing import Any

import redis

from support.waiting import PATIENCE_S

CHANNELS = (
    "market_data",
    "trade_signals",
    "execution_requests",
    "execution_filled",
    "paper_portfolio_updates",
    "risk_commands",
    "audit_events",
)

Heard = list[tuple[str, dict[str, Any]]]


class Subscriber:
    """Hears what one session sends, from the moment it is made."""

    def __init__(self, client: redis.Redis, session: str) -> None:
        self._client = client
        self._session = session
        self._pubsub = client.pubsub()
        self._pubsub.subscribe(*CHANNELS)
        for _ in CHANNELS:
            assert self._next()["type"] == "subscribe"

    def hear(self) -> Heard:
        """(channel, message) pairs that were sent since the last call, all of them.

        Redis delivers in the order of publishing, so a mark of our own comes after everything that was sent before.
        """
        mark = uuid.uuid4().hex
        self._client.publish("audit_events", json.dumps({"mark": mark}))
        heard: Heard = []
        while True:
            message = self._next()
            body = json.loads(message["data"])
            if body.get("mark") == mark:
                return heard
            if body.get("session_id") == self._session:
                heard.append((message["channel"].decode(), body))

    def next(self) -> dict[str, Any]:
        """The session's next message, as soon as it comes."""
        while True:
            body: dict[str, Any] = json.loads(self._next()["data"])
            if body.get("session_id") == self._session:
                return body

    def close(self) -> None:
        self._pubsub.close()

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while (left := deadline - time.monotonic()) > 0:
            message: dict[str, Any] | None = self._pubsub.get_message(timeout=left)
            if message is not None:
                return message
        raise AssertionError(f"heard nothing for {PATIENCE_S:g} s")
