"""`journal compact` and `journal restore`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import counted, print_json, print_pairs, progress
from adapters.errors import UserError

if TYPE_CHECKING:
    from adapters.journal import JournalReader
    from adapters.journal.retention import Moved

_MIB = 1 << 20


def compact(journal: Path, before: str | None, keep: str | None, to: Path | None, output: str) -> int:
    """Pack older blocks and print what that came to. Raises TapefoldError."""
    if before is not None and keep is not None:
        raise UserError("--before and --keep: expected one of them")
    from adapters.journal import read_journal
    from adapters.journal.retention import compact as pack

    bytes_before = _bytes_in(journal)
    with read_journal(journal) as reader:
        last_seq = reader.last_seq
        before_seq = _before(reader, before, keep)
    with progress("Packing", last_seq if before_seq is None else before_seq) as done:
        moved = pack(journal, before_seq, to, done)
    result = _result(journal, moved) | {"bytes_before": bytes_before, "bytes_after": _bytes_in(journal)}
    result["to"] = str(journal / "segments" if to is None else to)
    if output == "json":
        print_json(result)
        return 0
    packed = f"events up to {moved.last_seq:,} in {counted(moved.segments, 'segment')}" if moved.segments else "nothing"
    print_pairs(
        [
            ("Journal", str(journal)),
            ("Packed", packed),
            ("Blocks", f"{_mib(moved.raw_bytes)}, packed {_mib(moved.file_bytes)}"),
            ("Folder", f"{_mib(result['bytes_before'])} before, {_mib(result['bytes_after'])} now"),
            ("Segments in", result["to"]),
        ]
    )
    return 0


def restore(journal: Path, source: Path | None, output: str) -> int:
    """Put packed blocks back and print how many. Raises TapefoldError."""
    from adapters.journal.retention import restore as put_back

    with progress("Restoring", None) as done:
        moved = put_back(journal, source, done)
    if output == "json":
        print_json(_result(journal, moved))
        return 0
    restored = (
        f"events up to {moved.last_seq:,} of {counted(moved.segments, 'segment')}" if moved.segments else "nothing"
    )
    print_pairs([("Journal", str(journal)), ("Restored", restored), ("Blocks", _mib(moved.raw_bytes))])
    return 0


def _before(reader: "JournalReader", before: str | None, keep: str | None) -> int | None:
    """The first event that is to stay, None to pack all that can be."""
    if before is None and keep is None:
        return None
    from adapters.compile_cache import prepare

    prepare()  # what knows of times imports the engine
    if keep is None:
        return _first_seq_of(reader, before or "")
    from adapters.configuration.values import parse_duration
    from adapters.report.amounts import time_text
    from replay.point import seq_at

    try:
        duration_ns = parse_duration(keep)
    except ValueError as error:
        raise UserError(f"--keep: {error}") from error
    if reader.last_seq == 0:
        return 1
    first = next(iter(reader.blocks(1, 1)))
    last = next(iter(reader.blocks(reader.last_seq)))
    since_ns = last.last_ts_ns - duration_ns
    return 1 if since_ns < first.first_ts_ns else seq_at(reader, time_text(since_ns), "--keep") + 1


def _first_seq_of(reader: "JournalReader", before: str) -> int:
    from replay.point import seq_at

    seq = seq_at(reader, before, "--before")
    return seq if before.isdecimal() else seq + 1


def _result(journal: Path, moved: "Moved") -> dict[str, Any]:
    return {
        "journal": str(journal),
        "segments": moved.segments,
        "last_seq": moved.last_seq,
        "raw_bytes": moved.raw_bytes,
        "file_bytes": moved.file_bytes,
    }


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _mib(size: int) -> str:
    return f"{size / _MIB:,.1f} MiB"
