"""`audit report`: the record of a day, as a page or for programs."""

import json
from pathlib import Path

from adapters.cli.console import prepare_engine, progress
from adapters.errors import UserError


def report(journal: Path, form: str, start: str | None, end: str | None, file: Path | None) -> int:
    """Print the record of a part of a tape, or write it to a new file. Raises TapefoldError."""
    if file is not None and file.exists():
        raise UserError(f"--file {file}: is there already, expected a new file")
    prepare_engine("fold")
    from adapters.cli.ranges import range_of
    from adapters.journal import read_journal
    from replay.audit.day_record import day_record

    with read_journal(journal) as reader:
        first_seq, last_seq = range_of(reader, start, end, "--to")
        with progress("Folding the tape", last_seq) as done:
            record = day_record(reader, journal, first_seq, last_seq, done)
    if form == "json":
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    else:
        from adapters.report.record_page import record_page

        text = record_page(record)
    if file is None:
        print(text, end="")
        return 0
    _write(file, text)
    print(f"{file}: events {first_seq:,} to {last_seq:,}")
    return 0


def _write(file: Path, text: str) -> None:
    """A new file, or none."""
    try:
        with file.open("x", encoding="utf-8") as out:
            try:
                out.write(text)
                out.flush()
            except BaseException:
                file.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UserError(f"--file {file}: cannot be written: {error.strerror or error}") from error
