"""`sessions`: when a daemon traded on a tape, and what came of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.cli.console import prepare_engine, print_json, print_pairs, print_table, shown
from adapters.cli.tapes import tell_engine


def sessions(journal: Path, output: str) -> int:
    """Print the sessions of a live tape. Raises TapefoldError."""
    prepare_engine("fold")
    from adapters.journal import read_journal
    from adapters.journal.writer_lock import has_writer
    from replay.sessions import sessions_of

    with read_journal(journal) as reader:
        tell_engine(reader)
        found = sessions_of(reader, has_writer(journal))
    if output == "json":
        print_json({"journal": str(journal), **found})
    else:
        _print(journal, found)
    return 0


def _print(journal: Path, found: Mapping[str, Any]) -> None:
    limits = [(f"[{name}]", _said(value)) for name, value in found["limits"].items()]
    print_pairs([("Journal", str(journal)), ("Name", found["name"]), ("Mode", found["mode"]), *limits])
    if not found["sessions"]:
        print("\nSessions: none")
        return
    rows = [
        [
            *(str(session[key]) for key in ("session", "started", "last_time", "end")),
            account["account"],
            *(str(number) for number in (session["last_seq"], session["fills"], account["trades"])),
            *(shown(account[key]) for key in ("fees", "net_pnl", "max_drawdown")),
        ]
        for session in found["sessions"]
        for account in session["accounts"]
    ]
    columns = ("session", "started", "until", "end", "account", "last event", "fills", "trades")
    print_table("Sessions", [*columns, "fees", "net pnl", "drawdown"], rows, 5)


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(part)}" for name, part in value.items())
    return ", ".join(_said(part) for part in value) if isinstance(value, list) else str(value)
