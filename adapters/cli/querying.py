"""`audit sql` and `journal export`: a tape as tables, for a query, or as a file."""

import csv
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import Progress, counted, prepare_engine, print_json, print_table, progress, tell

if TYPE_CHECKING:
    from adapters.journal import JournalReader

_ROWS_SHOWN = 200
_CELL_WIDTH = 60
_NUMBERS = ("int", "uint", "float", "double", "decimal")
# What has to be compiled for the tables that fold the tape.
_DOORS = {"orders": "fold", "positions": "watch_events", "equity": "watch_events"}


def sql(journal: Path, query: str, start: str | None, end: str | None, output: str) -> int:
    """Print the answer of a query. Raises TapefoldError."""
    _prepare(query)
    from replay.audit.tables.database import asked

    with (
        _range(journal, start, end, "--to") as (reader, first_seq, last_seq, done),
        asked(reader, query, first_seq, last_seq, done) as answer,
    ):
        _PRINTERS[output](answer)
    return 0


def export(journal: Path, to: Path, table: str, start: str | None, end: str | None, output: str) -> int:
    """Write a table of a journal to a file. Raises TapefoldError."""
    _prepare(table)
    from replay.audit.tables.export import export as write

    with _range(journal, start, end, "--until") as (reader, first_seq, last_seq, done):
        rows = write(reader, table, to, first_seq, last_seq, done)
    if output == "json":
        result = {"journal": str(journal), "table": table, "file": str(to), "rows": rows}
        print_json(result | {"first_seq": first_seq, "last_seq": last_seq})
    else:
        print(f"{to}: {counted(rows, 'row')} of {table}")
    return 0


def _prepare(words: str) -> None:
    found = set(re.findall(r"\w+", words.lower()))
    prepare_engine(*sorted({door for table, door in _DOORS.items() if table in found}))


@contextmanager
def _range(
    journal: Path, start: str | None, end: str | None, end_option: str
) -> Iterator[tuple["JournalReader", int, int, Progress]]:
    """A journal, the first and the last event asked for, and a bar: those that are on the tape now."""
    from adapters.cli.ranges import range_of
    from adapters.journal import read_journal

    with read_journal(journal) as reader:
        first_seq, last_seq = range_of(reader, start, end, end_option)
        with progress("Reading the tape", last_seq - first_seq + 1) as done:
            yield reader, first_seq, last_seq, lambda seq: done(seq - first_seq + 1)


def _print_table(answer: Any) -> None:
    """The first rows, and how many there are."""
    rows, count = [], 0
    for row in _rows(answer):
        if count < _ROWS_SHOWN:
            rows.append([_cell(value) for value in row])
        count += 1
    columns = [field.name for field in answer.schema]
    leading = [str(field.type).startswith(_NUMBERS) for field in answer.schema]
    text_columns = leading.index(True) if True in leading else len(leading)
    if rows:
        print_table(counted(count, "row"), columns, rows, text_columns)
    else:
        print("No rows.")
    if count > len(rows):
        tell(f"Shown are the first {len(rows)} rows of {count:,}; --output csv or json prints all of them.")


def _cell(value: Any) -> str:
    line = "–" if value is None else " ".join(str(value).split())
    return line if len(line) <= _CELL_WIDTH else line[: _CELL_WIDTH - 1] + "…"


def _print_csv(answer: Any) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(field.name for field in answer.schema)
    for row in _rows(answer):
        writer.writerow("" if value is None else _flat(value) for value in row)


def _flat(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else str(value)


def _print_json(answer: Any) -> None:
    """One object; its rows are printed as they come."""
    columns = [{"name": field.name, "type": str(field.type)} for field in answer.schema]
    print(f'{{\n  "columns": {json.dumps(columns, ensure_ascii=False)},\n  "rows": [', end="")
    between = "\n    "
    for row in _rows(answer):
        print(between + json.dumps(row, ensure_ascii=False), end="")
        between = ",\n    "
    print("\n  ]\n}")


def _rows(answer: Any) -> Iterator[list[Any]]:
    from replay.audit.tables.plain import plain_rows

    for batch in answer:
        yield from plain_rows(batch)


_PRINTERS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
