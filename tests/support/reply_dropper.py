"""A loopback proxy to a real server that can lose a reply after the server has executed its command."""

import contextlib
import socket
import threading
from types import TracebackType


class ReplyDropper:
    """Forwards bytes both ways; `drop_replies(n)` makes it hang up instead of forwarding the next n replies."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._to_drop = 0
        self.dropped = 0
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> "ReplyDropper":
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in list(self._open):
            _hang_up(each)
        for thread in list(self._threads):
            thread.join(timeout=10)

    def drop_replies(self, count: int) -> None:
        """Lose the next `count` replies, each with its connection."""
        with self._lock:
            self._to_drop = count

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._upstream)
            self._open += [client, server]
            pumps = [
                threading.Thread(target=self._pump, args=(client, server, False)),
                threading.Thread(target=self._pump, args=(server, client, True)),
            ]
            self._threads += pumps
            for pump in pumps:
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, replies: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if replies and self._loses_this():
                    break
                target.sendall(data)
        _hang_up(source)
        _hang_up(target)

    def _loses_this(self) -> bool:
        with self._lock:
            if self._to_drop == 0:
                return False
            self._to_drop -= 1
            self.dropped += 1
            return True


def _hang_up(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
