"""Tape files as chunks of text columns: CSV or Parquet, plain or gzip, told by content. Meaning is not given here.

Files are streamed: of a tape of any length only one chunk is in memory.
"""

import csv
import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from titanflow.errors import InputError

CHUNK_BYTES = 1 << 22
CHUNK_ROWS = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_BOM = b"\xef\xbb\xbf"


Column = Any
"""A pyarrow array of strings or timestamps; its stubs cannot say so of what `pyarrow.compute` returns."""


class Chunk(NamedTuple):
    """Consecutive rows of a tape."""

    columns: dict[str, Column]
    """Name in the file -> strings (empty where missing), or timestamps where the file types them so."""
    rows: int
    torn: list[tuple[int, str]]
    """Line and what is wrong with it, where one does not have as many fields as the header."""
    lines: Sequence[int]
    """Line of each row in the file, from 1; in Parquet the row."""


class TapeFile(Protocol):
    """One opened format: its column names, and its rows."""

    path: Path
    names: tuple[str, ...]

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """The rows in file order, these columns only. Raises InputError where the file turns out to be damaged."""
        ...


def open_tape(path: Path, delimiter: str = ",") -> TapeFile:
    """Look at a file's first bytes and its header. Raises InputError naming the file and what was expected."""
    try:
        with _reading(path) as stream:
            magic = stream.read(len(_PARQUET_MAGIC))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    if not magic:
        raise InputError(f"tape {path} is empty; expected CSV with a header line, or Parquet")
    return ParquetTape(path) if magic == _PARQUET_MAGIC else CsvTape(path, delimiter)


class CsvTape:
    """A CSV file whose first line names the columns; every field is given as text."""

    def __init__(self, path: Path, delimiter: str) -> None:
        """Raises InputError where the first line cannot be a header."""
        self.path = path
        self._delimiter = delimiter
        try:
            with _reading(path) as stream:
                self.names = self._header(stream.read(CHUNK_BYTES))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Chunks of about CHUNK_BYTES of text, cut at line ends."""
        try:
            with _reading(self.path) as stream:
                first_line = 2
                for lines in _whole_lines(stream):
                    if lines.strip():
                        yield self._parse(lines, first_line, columns)
                    first_line += lines.count(b"\n")
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self.path, error) from error

    def _header(self, beginning: bytes) -> tuple[str, ...]:
        line = beginning.removeprefix(_BOM).split(b"\n", 1)[0]
        try:
            names = next(csv.reader([line.decode("utf-8").rstrip("\r")], delimiter=self._delimiter))
        except (UnicodeDecodeError, csv.Error, StopIteration) as error:
            raise InputError(f"tape {self.path}: the first line is not a CSV header ({error})") from error
        if len(set(names)) < len(names):
            raise InputError(f"tape {self.path}: the header names a column twice: {', '.join(names)}")
        return tuple(name.strip() for name in names)

    def _parse(self, lines: bytes, first_line: int, columns: Sequence[str]) -> Chunk:
        found: list[tuple[int, str]] = []

        def set_aside(row: pacsv.InvalidRow) -> Literal["skip", "error"]:
            told = f"{row.actual_columns} fields where the header has {row.expected_columns}: {row.text[:200]!r}"
            found.append((row.number or 1, told))
            return "skip"

        table = pacsv.read_csv(
            io.BytesIO(lines),
            read_options=pacsv.ReadOptions(column_names=list(self.names), use_threads=False, block_size=len(lines) + 1),
            parse_options=pacsv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=set_aside),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=list(columns),
                strings_can_be_null=False,
            ),
        )
        filled = _filled_lines(lines, first_line, table.num_rows + len(found))
        torn = [(filled[number - 1], told) for number, told in found]
        if torn:
            places = {number - 1 for number, _ in found}
            filled = [line for place, line in enumerate(filled) if place not in places]
        return Chunk({name: table.column(name).combine_chunks() for name in columns}, table.num_rows, torn, filled)


class ParquetTape:
    """A Parquet file; numbers are given as their shortest decimal text, so that both formats are read by one rule."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where the footer cannot be read."""
        self.path = path
        with self._opened() as file:
            self.names = tuple(file.schema_arrow.names)

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Chunks of CHUNK_ROWS rows."""
        first = 1
        with self._opened() as file:
            for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=list(columns), use_threads=False):
                lines = range(first, first + batch.num_rows)
                yield Chunk({name: _as_text(batch.column(name)) for name in columns}, batch.num_rows, [], lines)
                first += batch.num_rows

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        # Parquet is read from its end, which a gzip stream cannot offer: such a file is unpacked to a nameless one.
        try:
            with _reading(self.path) as stream, tempfile.TemporaryFile() as unpacked:
                if isinstance(stream, pa.CompressedInputStream):
                    shutil.copyfileobj(stream, unpacked, CHUNK_BYTES)
                    unpacked.seek(0)
                    yield pq.ParquetFile(unpacked)
                else:
                    yield pq.ParquetFile(str(self.path))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self.path, error) from error


@contextmanager
def _reading(path: Path) -> Iterator[pa.NativeFile]:
    """The file's bytes, unpacked where its content is gzip, whatever its name."""
    with pa.OSFile(str(path), "rb") as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        if packed:
            with pa.CompressedInputStream(file, "gzip") as unpacked:
                yield unpacked
        else:
            yield file


def _whole_lines(stream: pa.NativeFile) -> Iterator[bytes]:
    """The stream after its header line, in pieces that end with a line."""
    rest, header_passed = b"", False
    while piece := stream.read(CHUNK_BYTES):
        lines, newline, rest_of_piece = (rest + piece).rpartition(b"\n")
        rest = rest_of_piece
        if not newline:
            continue
        lines += newline
        if not header_passed:
            lines = lines.partition(b"\n")[2]
            header_passed = True
        yield lines
    if header_passed:
        yield rest


def _filled_lines(text: bytes, first_line: int, rows: int) -> Sequence[int]:
    """The line of each row: lines without a character have none."""
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    if lines == rows:
        return range(first_line, first_line + rows)
    return [number for number, line in enumerate(text.split(b"\n"), first_line) if line.strip(b"\r")]


def _as_text(array: Column) -> Column:
    if pa.types.is_timestamp(array.type):
        return array
    return array.cast(pa.string()).fill_null("")


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"tape {path} cannot be read: {error}; expected CSV with a header line, or Parquet, plain or gzip"
    )
