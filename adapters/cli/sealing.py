"""`journal keygen` and `journal seal`, and what `verify` says of seals."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.cli.console import print_json, print_pairs, tell
from adapters.errors import JournalDamaged
from adapters.report.amounts import time_text

if TYPE_CHECKING:
    from adapters.journal.seals import FoundSeal, SealsChecked

_KEY_DIGITS = 8


def keygen(key: Path, output: str) -> int:
    """Make a private key and print the public one. Raises UserError."""
    from adapters.journal.keys import make_key, public_hex, public_text

    public = make_key(key)
    if output == "json":
        print_json({"key": str(key), "public_key": public_hex(public), "public_key_pem": public_text(public)})
    else:
        tell(f"The private key is in {key}; this is the public one, for verify --public-key:")
        print(public_text(public), end="")
    return 0


def seal(journal: Path, key: Path, name: str, to: Path | None, output: str) -> int:
    """Seal a journal and print the seal. Raises UserError or JournalDamaged."""
    from adapters.journal import read_journal
    from adapters.journal.keys import read_private_key
    from adapters.journal.seals import keep_seal, seal_journal

    private = read_private_key(key)
    with read_journal(journal) as reader:
        made = seal_journal(reader, private, name, time.time_ns())
    found = _kept(journal, made, to)
    if to is not None:
        keep_seal(found.seal, to)
    if output == "json":
        print_json({"journal": str(journal), "file": str(found.file), **msgspec.to_builtins(found.seal)})
    else:
        _print_seal(journal, found, to)
    return 0


def _kept(journal: Path, made: Any, to: Path | None) -> "FoundSeal":
    """The seal in the journal's folder: the earlier one where this end was sealed with this key before."""
    import os

    from adapters.journal.seals import SEALS_FOLDER, FoundSeal, keep_seal, read_seal

    file = journal / SEALS_FOLDER / made.file_name
    if file.exists():
        earlier = read_seal(file)
        if not earlier.seal.is_signed() or earlier.seal.head_hash != made.head_hash:
            raise JournalDamaged(f"{file}: another tape was sealed here, or the seal was changed; nothing was sealed")
        tell(f"This end was sealed with this key before, at {time_text(earlier.seal.sealed_ns)}; that seal stands.")
        return earlier
    if to is not None and not os.access(journal, os.W_OK):
        tell(f"{journal} cannot be written; the seal is in {to} alone.")
        return FoundSeal(to, made)
    keep_seal(made, file)
    return FoundSeal(file, made)


def _print_seal(journal: Path, found: "FoundSeal", to: Path | None) -> None:
    made = found.seal
    print_pairs(
        [
            ("Journal", str(journal)),
            ("Sealed", f"events 1 to {made.last_seq:,} in {made.blocks:,} blocks, {made.documents:,} documents"),
            ("Hash", made.head_hash),
            ("State digest", made.state_digest or "none stated"),
            ("By", f"{made.name!r}, " * bool(made.name) + f"key {made.public_key[:_KEY_DIGITS]}"),
            ("At", time_text(made.sealed_ns)),
            ("File", str(found.file)),
            *([("Also in", str(to))] if to not in (None, found.file) else []),
        ]
    )


def seals_result(checked: "SealsChecked", keys: Sequence[str]) -> dict[str, Any]:
    """What was found of seals, for `verify`."""
    return {
        "seals": [_shown(found, True) for found in checked.held] + [_shown(found, None) for found in checked.open],
        "keys_given": bool(keys),
    }


def _shown(found: "FoundSeal", held: bool | None) -> dict[str, Any]:
    return {
        "file": str(found.file),
        "last_seq": found.seal.last_seq,
        "name": found.seal.name,
        "sealed": time_text(found.seal.sealed_ns),
        "public_key": found.seal.public_key,
        "ok": held,
    }


def seal_rows(result: Any) -> list[tuple[str, str]]:
    """Lines on seals in the table of `verify`."""
    rows = []
    for found in result["seals"]:
        state = "holds" if found["ok"] else "cannot be compared: its segment has been moved away"
        who = f" by {found['name']!r}" if found["name"] else ""
        key = f"key {found['public_key'][:_KEY_DIGITS]}"
        known = key if result["keys_given"] else f"{key}, compared with none: give --public-key"
        rows.append(("Seal", f"event {found['last_seq']:,}{who} at {found['sealed']} ({known}): {state}"))
    return rows
