"""`audit whatif`: a tape under other rules, what would have been different, and what it would have cost."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import prepare_engine, print_json, print_pairs, print_table, progress, shown
from adapters.cli.tapes import tell_engine
from adapters.errors import UserError
from adapters.report.amounts import time_text

if TYPE_CHECKING:
    from replay.audit.whatif import Side, WhatIf
    from replay.names import Names

Json = dict[str, Any]

_COUNTS = ("orders", "fills", "refusals", "trips", "level_changes")
_MONEY = ("realized_pnl", "unrealized_pnl", "fees", "equity", "max_drawdown")


def whatif(journal: Path, changes: Sequence[str], at: str | None, limit: int, output: str) -> int:
    """Print what another rule would have changed. Raises TapefoldError."""
    texts = _texts(changes)
    if limit < 1:
        raise UserError(f"--limit {limit}: expected 1 or more")
    prepare_engine("run")
    from adapters.journal import read_journal
    from replay.audit.whatif import what_if
    from replay.names import read_names
    from replay.point import seq_at

    with read_journal(journal) as reader:
        at_seq = None if at is None else seq_at(reader, at, "--at")
        tell_engine(reader)
        with progress("Playing the tape twice", reader.last_seq) as done:
            found = what_if(reader, texts, at_seq, done)
        names = read_names(reader)
    result = _result(journal, texts, found, names)
    if output == "json":
        print_json(result)
    else:
        _print(result, limit)
    return 0


def _texts(changes: Sequence[str]) -> dict[str, str]:
    """Values by path."""
    texts: dict[str, str] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"--set {change}: expected KEY=VALUE such as risk.daily_loss_max=1%")
        if key.strip() in texts:
            raise UserError(f"--set {change}: {key.strip()} is set already, expected each rule once")
        texts[key.strip()] = value.strip()
    if not texts:
        raise UserError("expected at least one --set KEY=VALUE")
    return texts


def _result(journal: Path, texts: Mapping[str, str], found: "WhatIf", names: "Names") -> Json:
    as_it_was, changed = _side(found.as_it_was, names), _side(found.changed, names)
    return {
        "journal": str(journal),
        "set": dict(texts),
        "told_after": found.told_after,
        "as_recorded": found.is_exact,
        "parts": None if found.parted_seq == 0 else {"seq": found.parted_seq, "time": time_text(found.parted_ts_ns)},
        "as_it_was": as_it_was,
        "changed": changed,
        "by_the_change": _gains(as_it_was["accounts"], changed["accounts"]),
        "real": None if found.is_exact else _side(found.real, names),
        "differences": _differences(found, names),
    }


def _gains(as_it_was: Sequence[Json], changed: Sequence[Json]) -> list[dict[str, str]]:
    """What each account's money would have been more, or with a minus less."""
    return [
        {"name": after["name"]} | {key: str(Decimal(after[key]) - Decimal(before[key])) for key in _MONEY}
        for before, after in zip(as_it_was, changed, strict=True)
    ]


def _side(side: "Side", names: "Names") -> Json:
    from engine.reasons import Reason
    from replay.standing import accounts_of

    known = {reason.value: reason.name.lower() for reason in Reason}
    return {
        "orders": side.orders,
        "fills": side.fills,
        "refusals": {known.get(reason, f"reason_{reason}"): n for reason, n in sorted(side.refusals.items())},
        "trips": {names.breaker(number): n for number, n in sorted(side.trips.items())},
        "level_changes": side.levels,
        "accounts": accounts_of(side.state, names),
    }


def _differences(found: "WhatIf", names: "Names") -> list[Json]:
    from replay.audit.wording import decision_text, event_text

    return [
        {
            "time": time_text(difference.ts_ns),
            "only": "changed" if difference.is_new else "as_it_was",
            "seq": None if difference.is_new else difference.seq,
            "text": (event_text if difference.is_fill else decision_text)(difference.row, names),
        }
        for difference in found.differences
    ]


def _print(result: Json, limit: int) -> None:
    rules = ", ".join(f"{key} = {value}" for key, value in result["set"].items())
    parts = result["parts"]
    print_pairs(
        [
            ("Journal", result["journal"]),
            ("Changed", f"{rules}, told after event {result['told_after']:,}"),
            ("As it was", _as_it_was(result)),
            (
                "Parts",
                f"at event {parts['seq']:,}, {parts['time']}" if parts else "nowhere: nothing would have differed",
            ),
        ]
    )
    if parts is None and result["real"] is None:
        return
    sides = {"as it was": result["as_it_was"], "changed": result["changed"]}
    sides |= {"really": result["real"]} if result["real"] else {}
    _print_counts(sides)
    _print_accounts(sides, result["by_the_change"])
    _print_differences(result["differences"], limit)


def _as_it_was(result: Json) -> str:
    if result["as_recorded"]:
        return "played again without the change: the recorded tape, to the byte"
    return "played again with the simulated exchange; what really happened stands beside"


def _print_counts(sides: Mapping[str, Json]) -> None:
    rows = []
    for name in _COUNTS:
        counts = [side[name] for side in sides.values()]
        shown_counts = [f"{sum(count.values()) if isinstance(count, dict) else count:,}" for count in counts]
        rows.append([name.replace("_", " "), *shown_counts])
        for part in sorted({part for count in counts if isinstance(count, dict) for part in count}):
            rows.append([f"  {part.replace('_', ' ')}", *(f"{count.get(part, 0):,}" for count in counts)])
    print_table("What happened", ["", *sides], rows)


def _print_accounts(sides: Mapping[str, Json], gains: Sequence[Mapping[str, str]]) -> None:
    accounts = zip(*(side["accounts"] for side in sides.values()), strict=True)
    for each, gained in zip(accounts, gains, strict=True):
        rows = [
            [key.replace("_", " "), *(shown(account[key]) for account in each), shown(gained[key])] for key in _MONEY
        ]
        print_table(f"{each[0]['name']} ({each[0]['currency']})", ["", *sides, "by the change"], rows)


def _print_differences(differences: Sequence[Json], limit: int) -> None:
    rows = [
        [entry["time"], "" if entry["seq"] is None else f"{entry['seq']:,}", _SIDES[entry["only"]], entry["text"]]
        for entry in differences[:limit]
    ]
    if rows:
        more = f", the first {limit} of {len(differences):,}" if len(differences) > limit else ""
        print_table(f"What differs{more}", ["time", "event", "only", ""], rows, 4)


_SIDES = {"as_it_was": "as it was", "changed": "changed"}
