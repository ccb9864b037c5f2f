"""The audit file: one JSON line for each audit record, appended in ledger order, once each. The ledger is the truth.

Several sessions may share a file. Whoever starts to write for a session looks at that session's last line: a line
torn by a crash is cut off, what the file already holds is not written again, what is missing is written by the mirror.
"""

import fcntl
import mmap
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
_LOCKS_FROM = 1 << 62
"""Beyond the end of any file: byte-range locks there keep writers of one session apart and touch no byte."""


class _Line(msgspec.Struct):
    seq: int
    session_id: str


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
        size = os.fstat(self._file).st_size
        if size == 0:
            return
        with mmap.mmap(self._file, size, access=mmap.ACCESS_READ) as content:
            end = content.rfind(b"\n") + 1
            rest = content[end : end + len(_LINE_START)]
        if not rest:
            return
        if _LINE_START.startswith(rest):
            os.ftruncate(self._file, end)
        else:
            os.write(self._file, b"\n")

    def _find_last_seq(self) -> int:
        return next((line.seq for line in self._lines_backwards() if line.session_id == self._session), 0)

    def _lines_backwards(self) -> Iterator[_Line]:
        """The lines that name this session, the last first; lines that are no audit records are passed over."""
        size = os.fstat(self._file).st_size
        if size == 0:
            return
        # A quote inside a JSON string is escaped, so this can only be the field itself.
        mark = b'"session_id":"' + self._session.encode() + b'"'
        with mmap.mmap(self._file, size, access=mmap.ACCESS_READ) as content:
            end = size
            while (found := content.rfind(mark, 0, end)) >= 0:
                start = content.rfind(b"\n", 0, found) + 1
                stop = content.find(b"\n", found)
                try:
                    yield msgspec.json.decode(content[start:stop], type=_Line)
                except msgspec.MsgspecError:
                    log.warning("audit file holds a damaged line", path=str(self._path), offset=start)
                end = start


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
