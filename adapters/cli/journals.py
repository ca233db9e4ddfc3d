"""`journal ls`, `journal info` and `journal tail`: which journals there are, what is in one, and its newest events."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import Progress, counted, prepare_engine, print_json, print_pairs, print_table, progress
from adapters.cli.lines import print_event
from adapters.errors import TapefoldError, UserError

if TYPE_CHECKING:
    from adapters.journal import JournalReader
    from replay.audit.seek import Question

Json = dict[str, Any]

_LOOK_EVERY_S = 0.1


def list_journals(folder: Path, output: str) -> int:
    """Print the journals in a folder, those that cannot be read with what is wrong. Raises UserError."""
    prepare_engine()
    from adapters.journal.lmdb_environment import DATA_FILE

    if not folder.is_dir():
        raise UserError(
            f"{folder}: {'is no folder' if folder.exists() else 'does not exist'}, expected a folder of journals"
        )
    found = [_listed(path) for path in sorted(folder.iterdir()) if (path / DATA_FILE).is_file()]
    if output == "json":
        print_json({"folder": str(folder), "journals": found})
    elif found:
        columns = ("name", "mode", "first event", "last event", "end", "engine", "events", "MiB")
        rows = [_row(entry) for entry in found]
        print_table(f"Journals in {folder}", columns, rows, 6)
    else:
        print(f"No journals in {folder}.")
    return 0


def _listed(path: Path) -> Json:
    from adapters.journal import read_journal
    from replay.audit.overview import summary_of

    try:
        with read_journal(path) as reader:
            return {"name": path.name, **summary_of(reader, path)}
    except TapefoldError as error:
        return {"name": path.name, "error": str(error)}


def _row(entry: Json) -> list[str]:
    if "error" in entry:
        return [entry["name"], entry["error"], *[""] * 6]
    texts = [entry[key] or "–" for key in ("name", "mode", "first_time", "last_time", "end", "engine_version")]
    return [*texts, f"{entry['events']:,}", f"{entry['bytes'] / (1 << 20):,.1f}"]


def info(journal: Path, output: str) -> int:
    """Print what a journal is and what is on it. Raises TapefoldError."""
    prepare_engine()
    from adapters.journal import read_journal
    from replay.audit.overview import counts_of, summary_of

    with read_journal(journal) as reader:
        result = {"journal": str(journal), **summary_of(reader, journal)}
        with progress("Counting", reader.last_seq) as done:
            result |= counts_of(reader, done)
    if output == "json":
        print_json(result)
    else:
        _print_info(result)
    return 0


def _print_info(result: Json) -> None:
    pairs = [
        ("Journal", result["journal"]),
        ("Id", result["journal_id"]),
        ("Mode", result["mode"]),
        ("Engine", result["engine_version"]),
        ("Format", str(result["format_version"])),
        ("Made", result["created"] or "–"),
        ("Configuration", result["configuration_hash"]),
        (
            "Events",
            f"{result['events']:,} in {counted(result['blocks'], 'block')}, {result['bytes'] / (1 << 20):,.1f} MiB",
        ),
        ("First event", result["first_time"] or "–"),
        ("Last event", result["last_time"] or "–"),
        ("End", result["end"]),
        ("Head hash", result["head_hash"]),
        ("Documents", f"{result['documents']:,}"),
        (
            "Snapshots",
            f"{result['snapshots']:,}" + (f", the last at {result['snapshot_seq']:,}" if result["snapshots"] else ""),
        ),
        ("Seals", ", ".join(result["seals"]) or "none"),
    ]
    print_pairs(pairs)
    for title, counts in (("Events", result["event_counts"]), ("Decisions", result["decision_counts"])):
        if counts:
            print_table(title, ("kind", "count"), [[kind, f"{count:,}"] for kind, count in counts.items()])


def tail(journal: Path, count: int, follow: bool, kinds: Sequence[str], output: str) -> int:
    """Print the last events, and with `follow` those that come, until interrupted. Raises TapefoldError."""
    if count < 0:
        raise UserError(f"--count {count}: expected 0 or more")
    prepare_engine()
    from adapters.journal import read_journal
    from replay.audit.naming import kinds_of
    from replay.audit.seek import Question

    events, decisions = kinds_of(kinds, "--kind")
    with read_journal(journal) as reader:
        told = reader.last_seq
        question = Question(kinds=events, decision_kinds=decisions, to_seq=told, newest_first=True, limit=count)
        telling = _Telling(reader)
        with progress("Searching the tape", told) as done:
            entries = telling.entries(question, done)[::-1] if count and told else []
        if output == "json" and not follow:
            print_json({"journal": str(journal), "events": entries})
            return 0
        _print_entries(entries, output)
        while follow:
            told, last_seq = _wait(reader, told), told
            new = Question(last_seq + 1, told, kinds=events, decision_kinds=decisions)
            _print_entries(telling.entries(new), output)
    return 0


def _wait(reader: "JournalReader", told: int) -> int:
    """Wait for events behind those told; the last one there is then."""
    while (last_seq := reader.last_seq) <= told:
        time.sleep(_LOOK_EVERY_S)
    return last_seq


class _Telling:
    """Tells of events by the names of the tape, which are read again where some were given."""

    def __init__(self, reader: "JournalReader") -> None:
        from replay.names import NAMING, read_names

        self._reader, self._read_names, self._naming = reader, read_names, NAMING
        self._names = read_names(reader)

    def entries(self, question: "Question", done: Progress | None = None) -> list[Json]:
        from replay.audit.seek import find
        from replay.audit.telling import event_entry

        found = list(find(self._reader, question, done))
        if any(int(one.event["kind"]) in self._naming for one in found):
            self._names = self._read_names(self._reader)
        return [event_entry(self._reader, one, self._names) for one in found]


def _print_entries(entries: Sequence[Json], output: str) -> None:
    for entry in entries:
        if output == "json":
            print(json.dumps(entry, ensure_ascii=False), flush=True)
        else:
            print_event(entry)
    sys.stdout.flush()
