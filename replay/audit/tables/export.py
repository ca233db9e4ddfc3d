"""A table of a tape as a file, written as it is read: Parquet, Arrow or CSV by the name's ending."""

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from adapters.configuration.values import nearest
from adapters.errors import UserError
from adapters.journal import JournalReader
from replay.audit.tables.catalogue import BY_NAME, Table, schema_of
from replay.audit.tables.database import tape_of
from replay.audit.tables.reading import batches_of
from replay.audit.tables.scales import Scales

Progress = Callable[[int], None]

# A file's groups of rows are no larger than what is read together; a table with few rows would have very many of them.
_GROUP_ROWS = 65_536


def export(
    reader: JournalReader, name: str, to: Path, first_seq: int, last_seq: int, progress: Progress | None = None
) -> int:
    """Write the rows of events `first_seq` to `last_seq` to a new file; returns how many there are.

    The file has its name once it is whole: an error or an interruption leaves none, a kill one that ends with `.part`.
    Raises UserError, JournalDamaged.
    """
    if name not in BY_NAME:
        raise UserError(f"--table {name}: unknown table{nearest(name, BY_NAME)}")
    if to.suffix not in _WRITERS:
        raise UserError(f"--to {to}: ends with {to.suffix or 'nothing'}, expected {', '.join(_WRITERS)}")
    _check_new(to)
    table, tape = BY_NAME[name], tape_of(reader)
    schema = _plain_schema(table, tape.scales, reader)
    part = to.with_name(f"{to.name}.part")
    try:
        try:
            with part.open("wb") as file:
                batches = batches_of(reader, table, tape, schema.names, first_seq, last_seq, progress)
                rows = _write(file, to.suffix, schema, batches)
            _check_new(to)
            part.rename(to)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return rows
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"--to {to}: cannot be written: {_why(error)}") from error


def _check_new(to: Path) -> None:
    if to.exists():
        raise UserError(f"--to {to}: is there already, expected a new file")


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return "no space left on the disk" if number == errno.ENOSPC else getattr(error, "strerror", None) or str(error)


def _plain_schema(table: Table, scales: Scales, reader: JournalReader) -> Any:
    """Names as plain text, which every format has, and where the rows are from."""
    fields = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in schema_of(table, scales)
    ]
    manifest = reader.manifest
    told = {"journal_id": manifest.journal_id, "engine_version": manifest.engine_version, "mode": manifest.mode}
    return pa.schema(fields, metadata={"table": table.name, "meaning": table.meaning, **told})


def _write(file: Any, suffix: str, schema: Any, batches: Any) -> int:
    rows = 0
    waiting: list[Any] = []
    with _WRITERS[suffix](file, schema) as writer:
        for batch in batches:
            waiting.append(batch.cast(schema))
            rows += len(batch)
            if sum(map(len, waiting)) >= _GROUP_ROWS:
                _flush(writer, waiting, schema)
        _flush(writer, waiting, schema)
    return rows


def _flush(writer: Any, waiting: list[Any], schema: Any) -> None:
    if waiting:
        writer.write_table(pa.Table.from_batches(waiting, schema))
        waiting.clear()


def _parquet(file: Any, schema: Any) -> AbstractContextManager[Any]:
    writer: AbstractContextManager[Any] = parquet.ParquetWriter(file, schema, compression="zstd")
    return writer


def _arrow(file: Any, schema: Any) -> AbstractContextManager[Any]:
    writer: AbstractContextManager[Any] = pa.ipc.new_file(file, schema)
    return writer


def _csv(file: Any, schema: Any) -> AbstractContextManager[Any]:
    writer: AbstractContextManager[Any] = csv.CSVWriter(file, schema)
    return writer


_WRITERS = {".parquet": _parquet, ".arrow": _arrow, ".csv": _csv}
