"""`audit bisect`: where two tapes part, or where this engine decides something else than a tape says."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import prepare_engine, print_json, print_pairs, print_table, progress
from adapters.errors import Divergence
from adapters.report.amounts import time_text

if TYPE_CHECKING:
    from adapters.journal import JournalReader
    from replay.audit.bisect import Parted

Json = dict[str, Any]

_SAME, _PARTED = 0, 1
_WHAT = {
    "event": "another event",
    "decision": "other decisions on the same event",
    "end": "one of them ends",
    "state": "the same decisions, but another state than was recorded",
}


def bisect(journal: Path, other: Path | None, output: str) -> int:
    """Print where the tapes part; exit code 1 where they do. Raises TapefoldError."""
    alone = other is None or other.resolve() == journal.resolve()
    prepare_engine("fold")
    from adapters.journal import read_journal
    from replay.audit.bisect import part_from_engine, part_tapes

    with ExitStack() as readers:
        one = readers.enter_context(read_journal(journal))
        two = one if alone or other is None else readers.enter_context(read_journal(other))
        with progress("Comparing", min(one.last_seq, two.last_seq)) as done:
            parted = part_from_engine(one, done) if alone else part_tapes(one, two, done)
        result = _result((one, two), parted, alone)
    if output == "json":
        print_json(result)
    else:
        _print(result)
    return _PARTED if parted.seq else _SAME


def _result(readers: "tuple[JournalReader, JournalReader]", parted: "Parted", alone: bool) -> Json:
    from adapters.version import engine_version

    one, two = readers
    result: Json = {
        "journals": [one.store.name, "this engine" if alone else two.store.name],
        "engine_versions": [one.manifest.engine_version, engine_version() if alone else two.manifest.engine_version],
        "same": parted.seq == 0,
        "events_the_same": parted.compared,
    }
    return result | ({"parts": _parts(readers, parted, alone)} if parted.seq else {})


def _parts(readers: "tuple[JournalReader, JournalReader]", parted: "Parted", alone: bool) -> Json:
    from replay.audit.bisect import What
    from replay.audit.wording import decision_text, event_text
    from replay.names import read_names

    names = [read_names(reader, parted.seq) for reader in readers]
    times = [time_text(int(event["ts_ns"])) for event in parted.events if event is not None]
    both = list(zip(parted.events, parted.decisions, names, readers, strict=True))
    parts: Json = {
        "what": parted.what.value,
        "seq": parted.seq,
        "time": times[0] if times else None,
        "events": [
            None if event is None else event_text(event, known, reader.document(parted.seq))
            for event, _, known, reader in both
        ],
        "fields": _fields(*parted.events),
        "decisions": [[decision_text(item, known) for item in decided] for _, decided, known, _ in both],
    }
    if not alone and parted.what != What.END:
        parts["state_after"] = _states(readers, parted.seq, names[0])
    return parts


def _fields(one: Any, other: Any) -> dict[str, list[int]]:
    """The fields in which two events of one kind differ, such as the hash of a document."""
    import numpy as np

    from engine.kinds import EventKind
    from engine.records import OVERLAYS

    if one is None or other is None or one["kind"] != other["kind"] or int(one["kind"]) not in OVERLAYS:
        return {}
    rows = [np.frombuffer(event.tobytes(), OVERLAYS[EventKind(int(one["kind"]))])[0] for event in (one, other)]
    names = rows[0].dtype.names or ()
    return {name: [int(row[name]) for row in rows] for name in names if rows[0][name] != rows[1][name]}


def _states(readers: "tuple[JournalReader, JournalReader]", seq: int, names: Any) -> Json:
    """What differs in the states after the event, where both tapes are what this engine decides."""
    from replay.audit.differences import differences_of
    from replay.audit.state_at import state_at

    if readers[0].manifest.layout != readers[1].manifest.layout:
        return {"differences": None, "why_not": "the tapes have states of different layouts"}
    views = []
    for reader in readers:
        try:
            folded = state_at(reader, seq)
        except Divergence as error:
            return {"differences": None, "why_not": f"this engine does not decide as {reader.store.name} says: {error}"}
        views.append(folded.engine.view(folded.state))
    return {"differences": differences_of(views[0], views[1], names)}


def _print(result: Json) -> None:
    one, two = result["journals"]
    pairs = [("One", one), ("Other", two)]
    if result["same"]:
        print_pairs(
            [*pairs, ("Result", f"the same: {result['events_the_same']:,} events and what was decided on them")]
        )
        return
    parts = result["parts"]
    at = f"event {parts['seq']:,}" + (f" at {parts['time']}" if parts["time"] else "")
    print_pairs([*pairs, ("Part at", f"{at}: {_WHAT[parts['what']]}")])
    rows = [["event", *(text or "– (the tape has ended)" for text in parts["events"])]] if parts["time"] else []
    rows += [[name.replace("_", " "), *map(str, values)] for name, values in parts["fields"].items()]
    print_table("There", ["", one, two], [*rows, *_decided(parts["decisions"])], 3)
    if "state_after" in parts:
        _print_states(parts["state_after"], (one, two))


def _decided(decisions: Sequence[Sequence[str]]) -> list[list[str]]:
    count = max(len(texts) for texts in decisions)
    rows = []
    for place in range(count):
        rows.append(["decided", *(texts[place] if place < len(texts) else "–" for texts in decisions)])
    return rows


def _print_states(found: Json, names: Sequence[str]) -> None:
    if found["differences"] is None:
        print(f"\nThe state after it: n/a ({found['why_not']})")
        return
    rows = [[e["what"], e["field"], _shown(e["before"]), _shown(e["after"])] for e in found["differences"]]
    if not rows:
        print("\nIn the state after it nothing that is shown differs.")
        return
    print_table("What differs in the state after it", ["what", "", *names], rows, 2)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)
