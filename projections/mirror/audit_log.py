"""The audit file: one JSON line for each audit record, appended in ledger order, once each. The ledger is the truth.

Several sessions may share a file. Whoever starts to write for a session looks at that session's last line: a line
torn by a crash is cut off, what the file already holds is not written again, what is missing is written by the mirror.
"""

import fcntl
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec
import structlog

from titanflow.errors import InputError, ServerError

log = structlog.get_logger()

_LINE_START = b'{"schema_version":'
_MODE = 0o640
_CHUNK_BYTES = 1 << 18
_LOCKS_FROM = 1 << 62
"""Beyond the end of any file: byte-range locks there keep writers of one session apart and touch no byte."""


class _Line(msgspec.Struct):
    seq: int


class AuditLog:
    """Appends one session's records. A file that cannot be written later on is tried again at every `flush`."""

    def __init__(self, path: Path, session: str) -> None:
        """Open the file, creating it and its folder where missing.

        Raises InputError where it cannot be opened for appending or is not a plain file, ServerError where its disk is
        full or another process writes for the same session.
        """
        self._path = path
        self._session = session
        self._waiting = bytearray()
        self._failing = False
        self._file = _opened(path)
        try:
            self._lock()
            self._mend_end()
        except BaseException:
            os.close(self._file)
            raise
        self.last_seq = self._find_last_seq()
        """Seq of the session's last record that is written, or waits to be; 0 before the first."""

    def add(self, seq: int, line: bytes) -> None:
        """Take the record of the event at `seq`; one that the file holds already is left out."""
        if seq > self.last_seq:
            self._waiting += line
            self._waiting += b"\n"
            self.last_seq = seq

    def flush(self) -> bool:
        """Write what waits. False, and a warning the first time, where the file cannot be written: ask again later."""
        try:
            while self._waiting:
                # A full disk may take a part of a line; the rest of it follows when there is room again.
                del self._waiting[: os.write(self._file, self._waiting)]
        except OSError as error:
            if not self._failing:
                log.warning("audit file cannot be written, will try again", path=str(self._path), error=str(error))
            self._failing = True
            return False
        if self._failing:
            log.info("audit file is being written again", path=str(self._path), seq=self.last_seq)
            self._failing = False
        return True

    def close(self) -> None:
        """Write what waits and close; what cannot be written now is written when the session's mirror starts again."""
        if not self.flush():
            log.error("audit file misses records; the next mirror writes them", path=str(self._path))
        os.close(self._file)

    def _lock(self) -> None:
        # The lock ends when this process closes any descriptor of the file (POSIX): nothing here opens it again.
        place = _LOCKS_FROM + int.from_bytes(blake2b(self._session.encode(), digest_size=6).digest(), "big")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError as error:
            raise ServerError(
                f"audit file {self._path}: another process writes the records of session {self._session!r}; "
                "stop that one, or give this one another AUDIT_LOG_PATH"
            ) from error

    def _mend_end(self) -> None:
        """Make the file end with a whole line: cut off a torn record, end any other last line."""
        rest = next(self._lines_backwards())
        if not rest:
            return
        if _LINE_START.startswith(rest[: len(_LINE_START)]):
            os.ftruncate(self._file, os.fstat(self._file).st_size - len(rest))
        else:
            os.write(self._file, b"\n")

    def _find_last_seq(self) -> int:
        # A quote inside a JSON string is escaped, so this can only be the field itself.
        mark = b'"session_id":"' + self._session.encode() + b'"'
        for line in self._lines_backwards():
            if mark in line:
                try:
                    return msgspec.json.decode(line, type=_Line).seq
                except msgspec.MsgspecError:
                    log.warning("audit file holds a damaged line", path=str(self._path), line=line[:200])
        return 0

    def _lines_backwards(self) -> Iterator[bytes]:
        """The lines, the last first; what stands behind the last end of a line (mostly nothing) comes before them."""
        position = os.fstat(self._file).st_size
        rest = b""
        while position:
            size = min(position, _CHUNK_BYTES)
            position -= size
            rest, *lines = (os.pread(self._file, size, position) + rest).split(b"\n")
            yield from reversed(lines)
        yield rest


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE)
    except OSError as error:
        raise InputError(
            f"AUDIT_LOG_PATH {path}: {error.strerror}; name a file that this account may create and write"
        ) from error
    if not path.is_file():
        os.close(file)
        raise InputError(f"AUDIT_LOG_PATH {path} is not a plain file; name one that can be appended to and read again")
    space = os.fstatvfs(file)
    if space.f_bavail == 0:
        os.close(file)
        raise ServerError(f"AUDIT_LOG_PATH {path}: no space left on its disk; make room or name another file")
    return file
