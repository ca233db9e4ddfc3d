"""`audit timeline` and `audit state`: what happened on a tape, and how everything stood."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import prepare_engine, print_json, print_pairs, print_table, progress
from adapters.cli.lines import print_line, where_to_print
from adapters.cli.tapes import print_standing, tell_engine
from adapters.errors import UserError
from adapters.report.amounts import time_text

if TYPE_CHECKING:
    from adapters.journal import JournalReader
    from replay.audit.seek import Question

Json = dict[str, Any]


def timeline(
    journal: Path,
    symbol: str | None,
    strategy: str | None,
    order: int | None,
    start: str | None,
    end: str | None,
    kinds: Sequence[str],
    limit: int | None,
    output: str,
) -> int:
    """Print the answers to a question, oldest first. Raises TapefoldError."""
    prepare_engine()
    from adapters.journal import read_journal

    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: expected 1 or more")
    with read_journal(journal) as reader:
        question = _question(reader, symbol, strategy, order, start, end, kinds, limit)
        if output == "json":
            print_json({"journal": str(journal), "entries": list(_entries(reader, question))})
            return 0
        to, entry = where_to_print(), None
        for entry in _entries(reader, question):
            print_line(entry["seq"], entry["time"], entry["text"], to)
        if entry is None:
            print("Nothing on the tape answers to that.")
    return 0


def _question(
    reader: "JournalReader",
    symbol: str | None,
    strategy: str | None,
    order: int | None,
    start: str | None,
    end: str | None,
    kinds: Sequence[str],
    limit: int | None,
) -> "Question":
    from engine.kinds import DecisionKind
    from replay.audit.naming import check_order, instrument_of, kinds_of, strategy_of
    from replay.audit.seek import WORTH_TELLING, Question
    from replay.names import read_names
    from replay.point import first_seq_at, seq_at

    names = read_names(reader)
    if order is not None:
        check_order(reader, order, "--order")
    events, decisions = kinds_of(kinds, "--kind") if kinds else (WORTH_TELLING, frozenset(DecisionKind))
    return Question(
        from_seq=first_seq_at(reader, start, "--from"),
        to_seq=seq_at(reader, end, "--to"),
        kinds=events,
        decision_kinds=decisions,
        instrument=None if symbol is None else instrument_of(names, symbol, "--symbol"),
        strategy=None if strategy is None else strategy_of(names, strategy, "--strategy"),
        order=order,
        limit=limit,
    )


def _entries(reader: "JournalReader", question: "Question") -> Iterator[Json]:
    from replay.audit.seek import find
    from replay.audit.telling import answers_of
    from replay.names import read_names

    names = read_names(reader)
    with progress("Searching the tape", (question.to_seq or reader.last_seq) - question.from_seq + 1) as done:
        for found in find(reader, question, done):
            yield from answers_of(reader, found, names)


def state(journal: Path, at: str, diff: str | None, output: str) -> int:
    """Print how everything stood after an event, or what differs between two. Raises TapefoldError."""
    prepare_engine("fold")
    from adapters.journal import read_journal
    from replay.names import read_names
    from replay.point import seq_at

    with read_journal(journal) as reader:
        seq = seq_at(reader, at, "--at")
        other = None if diff is None else seq_at(reader, diff, "--diff")
        names = read_names(reader, max(seq, other or 0))
        tell_engine(reader)
        one = _fold(reader, seq)
        another = None if other is None else _fold(reader, other)
    view = one.engine.view(one.state)
    if another is None:
        _print_state(_point(journal, one), view, names, output)
    else:
        _print_difference(journal, (one, another), names, output)
    return 0


def _fold(reader: "JournalReader", seq: int) -> Any:
    from replay.audit.state_at import state_at

    with progress("Folding the tape", seq) as done:
        return state_at(reader, seq, done)


def _point(journal: Path, folded: Any) -> Json:
    return {
        "journal": str(journal),
        "seq": folded.last_seq,
        "ts_ns": folded.last_ts_ns,
        "time": time_text(folded.last_ts_ns),
        "events_folded": folded.events,
        "state_digest": folded.state_digest,
    }


def _print_state(point: Json, view: Any, names: Any, output: str) -> None:
    from replay.standing import standing_of

    result = point | standing_of(view, names)
    if output == "json":
        print_json(result)
        return
    print_pairs(
        [
            ("Journal", result["journal"]),
            ("After event", f"{result['seq']:,} at {result['time']}"),
            ("Trading state", result["trading_state"].replace("_", " ")),
            ("State digest", result["state_digest"]),
        ]
    )
    print_standing(result)


def _print_difference(journal: Path, folded: tuple[Any, Any], names: Any, output: str) -> None:
    from replay.audit.differences import differences_of

    one, other = folded
    found = differences_of(one.engine.view(one.state), other.engine.view(other.state), names)
    first, second = _point(journal, one), _point(journal, other)
    if output == "json":
        print_json({"journal": str(journal), "at": first, "diff": second, "differences": found})
        return
    print_pairs(
        [
            ("Journal", str(journal)),
            *((name, f"{p['seq']:,} at {p['time']}") for name, p in (("At event", first), ("And event", second))),
        ]
    )
    rows = [[entry["what"], entry["field"], _shown(entry["before"]), _shown(entry["after"])] for entry in found]
    if not rows:
        print("\nNothing differs.")
        return
    print_table("What differs", ["what", "", f"at {one.last_seq:,}", f"at {other.last_seq:,}"], rows, 2)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)
