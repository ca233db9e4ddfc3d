"""`audit explain`: why an order was placed as it was, or why a signal was refused, as a tree."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import counted, prepare_engine, print_json, progress
from adapters.cli.tapes import tell_engine
from adapters.errors import UserError
from adapters.report.amounts import shown_amount

if TYPE_CHECKING:
    from rich.tree import Tree

Json = Mapping[str, Any]

_PIPE_COLUMNS = 400
_STAGES = {
    "signal": "The signal",
    "bracket": "Its bracket",
    "method": "Its size",
    "cut": "Its size",
    "bounds": "The instrument's bounds",
    "check": "Checks",
    "room": "Room",
    "refusal": "Refused",
}


def explain(journal: Path, order: int | None, at: str | None, output: str) -> int:
    """Print the explanation of an order or an event. Raises TapefoldError."""
    if (order is None) == (at is None):
        raise UserError("expected either the number of an order or --at with an event")
    prepare_engine("fold")
    from adapters.journal import read_journal
    from replay.audit.explain import explain_event, explain_order
    from replay.point import seq_at

    with read_journal(journal) as reader:
        tell_engine(reader)
        with progress("Folding the tape", reader.last_seq) as done:
            if order is not None:
                found = explain_order(reader, order, done)
            else:
                found = explain_event(reader, seq_at(reader, at, "--at"), done)
    if output == "json":
        print_json({"journal": str(journal), **found})
    else:
        print_explanation(found)
    return 0


def print_explanation(found: Json) -> None:
    """An explanation of `replay.audit.explain` as a tree."""
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_COLUMNS)
    with console.capture() as captured:
        console.print(_tree(found), highlight=False)
    # Lines of a pipe end where their text ends.
    for line in captured.get().splitlines():
        print(line.rstrip())


def _tree(found: Json) -> "Tree":
    tree = _node(found.get("text") or found["subject"], bold=True)
    event = _under(tree, f"Event {found['seq']:,} at {found['time']}: {found['event']}")
    for line in found.get("why", []):
        _under(event, f"why: {line}")
    if "explained" in found:
        _add_event(tree, found)
        return tree
    _add_decision(tree, found)
    if "entry" in found:
        entry = found["entry"]
        node = _under(tree, f"The entry: {entry['text']}")
        _under(node, f"Event {entry['seq']:,} at {entry['time']}: {entry['event']}")
        _add_decision(node, entry)
    _add_life(tree, "What became of it", found["happened"])
    if "bracket" in found:
        _add_bracket(tree, found["bracket"])
    _under(tree, f"Profit: {found['result']['text']} ({counted(found['result']['fills'], 'fill')})")
    return tree


def _add_event(tree: "Tree", found: Json) -> None:
    if not found["decisions"]:
        _under(tree, "Nothing was decided on it")
    explained = {entry["text"]: entry for entry in found["explained"]}
    for text in found["decisions"]:
        node = _under(tree, text)
        if text in explained:
            _add_decision(node, explained[text])


def _add_decision(tree: "Tree", found: Json) -> None:
    """Votes, size and checks, each under its heading, in the order in which they were asked."""
    if found["votes"]:
        node = _under(tree, "Votes")
        for vote in found["votes"]:
            _under(node, vote["text"])
    if found["sized"]:
        _under(tree, found["sized"][:1].upper() + found["sized"][1:])
    heading, node = "", tree
    for row in found["compared"]:
        if _STAGES[row["stage"]] != heading:
            heading = _STAGES[row["stage"]]
            node = _under(tree, heading)
        _under(node, f"{_mark(row)} {row['text']}")
    if found["not_compared"]:
        words = ", ".join(rule.replace("_", " ") for rule in found["not_compared"])
        _under(tree, f"Not set, or nothing to compare: {words}")


def _mark(row: Json) -> str:
    if row["stage"] in ("method", "cut"):
        return "·" if row["passed"] else "↓"
    return "✓" if row["passed"] else "✗"


def _add_bracket(tree: "Tree", bracket: Json) -> None:
    node = _under(tree, f"Bracket {bracket['bracket']}")
    for change in bracket["changes"]:
        _under(node, f"{change['seq']:,} {change['time']} {change['text']}")
    for order in bracket["orders"]:
        _add_life(node, f"Order {order['order']}, {order['role']}", order["happened"])


def _add_life(tree: "Tree", heading: str, happened: Sequence[Json]) -> None:
    node = _under(tree, heading)
    for entry in happened:
        made = ""
        if "realized_pnl" in entry:
            made = f" → realized {shown_amount(entry['realized_pnl'])}, fees {shown_amount(entry['fees'])}"
            made += f", holds {entry['held']}"
        line = _under(node, f"{entry['seq']:,} {entry['time']} {entry['text']}{made}")
        if entry.get("on"):
            _under(line, f"on: {entry['on']}")


def _node(text: str, bold: bool = False) -> "Tree":
    from rich.text import Text
    from rich.tree import Tree

    return Tree(Text(text, style="bold" if bold else ""))


def _under(tree: "Tree", text: str) -> "Tree":
    from rich.text import Text

    return tree.add(Text(text))
