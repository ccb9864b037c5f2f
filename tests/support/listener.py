"""A subscriber that notes the seqs of every audit message as they come, in a thread of its own, over restarts too."""

import json
import threading
from collections import Counter
from types import TracebackType
from typing import Self

import redis


class Listener:
    """Hears one session's messages; use as a context manager."""

    def __init__(self, client: redis.Redis, session: str, channel: str = "audit_events") -> None:
        self._pubsub = client.pubsub()
        self._session = session
        self._pubsub.subscribe(channel)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.seqs: Counter[int] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join()
        self._pubsub.close()

    def _listen(self) -> None:
        while not self._leaving.is_set():
            message = self._pubsub.get_message(ignore_subscribe_messages=True, timeout=0.05)
            if message is not None:
                body = json.loads(message["data"])
                if body.get("session_id") == self._session:
                    self.seqs[body["seq"]] += 1
