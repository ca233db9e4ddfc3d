"""SQL over the tables of a journal, by DuckDB: only what a query names is read, and nothing but the journal."""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.dataset as arrow

from adapters.errors import TapefoldError, UserError
from adapters.journal import JournalReader
from replay.audit.tables.catalogue import TABLES, Table, schema_of
from replay.audit.tables.columns import Tape
from replay.audit.tables.reading import batches_of
from replay.audit.tables.scales import scales_of
from replay.names import read_names

Progress = Callable[[int], None]

_ROWS_AT_ONCE = 4_096
_STATEMENTS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
# What DuckDB says, without a type of its own, of a query that Ctrl-C ended.
_INTERRUPTED = "Query interrupted"
# Nothing of this machine: no files, no network, no extensions, no variables of this program; and it stays like that.
_CLOSED = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def tape_of(reader: JournalReader) -> Tape:
    """What the columns must know of a tape. Raises JournalDamaged."""
    names = read_names(reader)
    return Tape(names, scales_of(names))


@contextmanager
def asked(
    reader: JournalReader, query: str, first_seq: int, last_seq: int, progress: Progress | None = None
) -> Iterator["Answer"]:
    """The answer of a query to events `first_seq` to `last_seq`, made while it is read.

    Raises UserError for what is no single query or cannot be answered, JournalDamaged and Divergence.
    """
    tape = tape_of(reader)
    failures: list[TapefoldError] = []
    ended = threading.Event()

    def on_read(seq: int) -> None:
        if ended.is_set():
            raise RuntimeError(_INTERRUPTED)
        if progress is not None:
            progress(seq)

    with duckdb.connect(":memory:") as connection, _told(failures):
        for table in TABLES:
            source = _Source(reader, table, tape, first_seq, last_seq, on_read, failures)
            connection.register(table.name, source)
        for setting in _CLOSED:
            connection.execute(setting)
        statement = _checked(connection, query)
        with _Waiting(connection, ended) as waiting:
            yield Answer(waiting.for_(lambda: connection.sql(statement).to_arrow_reader(_ROWS_AT_ONCE)), waiting)


class Answer:
    """The rows of an answer as record batches, which can be gone through once; `schema` has names and types."""

    def __init__(self, reader: Any, waiting: "_Waiting") -> None:
        self.schema = reader.schema
        self._reader, self._waiting = reader, waiting

    def __iter__(self) -> Iterator[Any]:
        while (batch := self._waiting.for_(lambda: next(self._reader, None))) is not None:
            yield batch


class _Waiting:
    """Lets DuckDB work in a thread of its own, so that Ctrl-C reaches this one and ends the query.

    DuckDB looks up between batches only; one that takes long to make, such as the first of `orders`, ends itself.
    """

    def __init__(self, connection: Any, ended: threading.Event) -> None:
        self._connection, self._ended = connection, ended
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sql")

    def for_(self, work: Callable[[], Any]) -> Any:
        coming = self._worker.submit(work)
        try:
            return coming.result()
        except KeyboardInterrupt:
            self._ended.set()
            self._connection.interrupt()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.shutdown()


def _checked(connection: Any, query: str) -> Any:
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise UserError(f"sql: {len(statements)} statements, expected one")
    if statements[0].type not in _STATEMENTS:
        raise UserError(f"sql: a {statements[0].type.name} statement, expected a query (SELECT)")
    return statements[0]


@contextmanager
def _told(failures: Sequence[TapefoldError]) -> Iterator[None]:
    """What went wrong while the tape was read comes as itself, what DuckDB says in one line."""
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except (duckdb.Error, pa.ArrowException, RuntimeError) as error:
        if failures:
            raise failures[0] from error
        if str(error) == _INTERRUPTED:
            raise KeyboardInterrupt from None
        raise UserError(f"sql: {_line(str(error))}") from error


def _line(message: str) -> str:
    """DuckDB's message without the picture of the query below it."""
    return " ".join(re.split(r"\n\s*LINE \d+:", message, maxsplit=1)[0].split())


class _Source(arrow.Dataset):  # type: ignore[misc]
    """A table as DuckDB reads one: it asks for some columns, and is given them as they come off the tape."""

    def __init__(
        self,
        reader: JournalReader,
        table: Table,
        tape: Tape,
        first_seq: int,
        last_seq: int,
        progress: Progress,
        failures: list[TapefoldError],
    ) -> None:
        self._reader, self._table, self._tape, self._progress = reader, table, tape, progress
        self._range = first_seq, last_seq
        self._failures = failures
        self._schema = schema_of(table, tape.scales)

    @property
    def schema(self) -> Any:
        return self._schema

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> Any:
        wanted = self._schema.names if columns is None else [*columns]
        if filter is not None:
            words = set(re.findall(r"\w+", str(filter)))
            wanted += [name for name in self._schema.names if name in words and name not in wanted]
        schema = pa.schema([self._schema.field(name) for name in wanted])
        return arrow.Scanner.from_batches(self._batches(wanted), schema=schema, columns=columns, filter=filter)

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        """Read by a reader of their own: a query may read a table twice at a time."""
        reader = JournalReader(self._reader.store)
        try:
            yield from batches_of(reader, self._table, self._tape, names, *self._range, self._progress)
        except TapefoldError as error:
            self._failures.append(error)
            raise
