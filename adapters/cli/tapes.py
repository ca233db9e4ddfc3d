"""`replay` and `verify`: what a journal leads to, and whether it is what was recorded."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import counted, prepare_engine, print_json, print_pairs, print_table, progress, shown, tell
from adapters.cli.sealing import seal_rows, seals_result
from adapters.errors import Divergence, JournalDamaged
from adapters.report.amounts import time_text

if TYPE_CHECKING:
    from adapters.journal import IntegrityReport, JournalReader
    from adapters.journal.seals import FoundSeal


def replay(journal: Path, until: str | None, output: str) -> int:
    """Fold a journal up to `until` and print accounts, positions and open orders. Raises TapefoldError."""
    prepare_engine("fold")
    from adapters.journal import read_journal
    from replay.memory import peak_rss_mib
    from replay.names import read_names
    from replay.point import seq_at
    from replay.refold import refold
    from replay.standing import standing_of

    with read_journal(journal) as reader:
        last_seq = seq_at(reader, until, "--until")
        tell_engine(reader)
        refold(reader, until_seq=1)  # loads the kernel, off the clock
        with progress("Folding the tape", last_seq) as done:
            folded = refold(reader, until_seq=last_seq, progress=done)
        names = read_names(reader, folded.last_seq)
    state = folded.engine.view(folded.state)
    result = {
        "journal": str(journal),
        "events": folded.events,
        "events_per_s": _per_second(folded.events, folded.wall_s),
        "peak_rss_mib": peak_rss_mib(),
        "last_seq": folded.last_seq,
        "last_ts_ns": folded.last_ts_ns,
        "last_time": time_text(folded.last_ts_ns),
        "state_digest": folded.state_digest,
        "command_digest": folded.command_digest,
        **standing_of(state, names),
    }
    if output == "json":
        print_json(result)
    else:
        _print_replay(result)
    return 0


def _per_second(count: int, wall_s: float) -> int:
    return round(count / wall_s) if wall_s > 0 else 0


def _print_replay(result: Mapping[str, Any]) -> None:
    print_pairs(
        [
            ("Journal", result["journal"]),
            ("Events", f"{result['events']:,} ({result['events_per_s']:,} a second)"),
            ("Last event", f"{result['last_seq']:,} at {result['last_time']}"),
            ("Trading state", result["trading_state"].replace("_", " ")),
            ("State digest", result["state_digest"]),
            ("Command digest", result["command_digest"]),
        ]
    )
    print_standing(result)


def print_standing(result: Mapping[str, Any]) -> None:
    """Tables of what `standing_of` gives."""
    _print_entries(
        "Accounts",
        result["accounts"],
        ("name", "currency"),
        ("deposits", "realized_pnl", "unrealized_pnl", "fees", "equity"),
    )
    _print_entries(
        "Positions",
        result["positions"],
        ("symbol", "account"),
        ("quantity", "entry_price", "mark_price", "realized_pnl", "unrealized_pnl", "fees"),
    )
    _print_entries(
        "Open orders",
        result["open_orders"],
        ("order", "symbol", "side", "order_type", "role", "status"),
        ("quantity", "filled", "limit_price", "trigger_price"),
    )
    if result["brackets"]:
        _print_entries(
            "Brackets",
            [{**bracket, "targets": ", ".join(bracket["targets"])} for bracket in result["brackets"]],
            ("bracket", "symbol", "side", "status"),
            ("held", "entry_price", "stop_price", "targets"),
        )
    if result["breakers"]:
        _print_entries(
            "Breakers",
            [{**breaker, "last_trip_at": breaker["observed"]} for breaker in result["breakers"]],
            ("name", "condition", "status"),
            ("limit", "trips", "last_trip_at"),
        )


# Fewer bytes than these say nothing about speed.
_TELLING_BYTES = 10_000_000
_EXACT = (
    *("quantity", "filled", "entry_price", "mark_price", "limit_price", "trigger_price"),
    *("held", "stop_price", "targets", "limit", "trips", "last_trip_at"),
)


def _print_entries(
    title: str, entries: Sequence[Mapping[str, Any]], texts: Sequence[str], numbers: Sequence[str]
) -> None:
    if not entries:
        print(f"\n{title}: none")
        return
    rows = [
        [
            *(str(entry[key]) for key in texts),
            *(str(entry[key] or "–") if key in _EXACT else shown(entry[key]) for key in numbers),
        ]
        for entry in entries
    ]
    print_table(title, [key.replace("_", " ") for key in (*texts, *numbers)], rows, len(texts))


def verify(journal: Path, chain_only: bool, seals: Sequence[Path], public_keys: Sequence[Path], output: str) -> int:
    """Check a journal wholly and print what was checked. Raises JournalDamaged or Divergence.

    With JSON, what is wrong is on stdout too: `ok` is false and `error` the line that stderr has.
    """
    prepare_engine("summarise" if chain_only else "fold")
    result: dict[str, Any] = {"journal": str(journal), "ok": False}
    try:
        _verify(journal, chain_only, seals, public_keys, result)
    except (JournalDamaged, Divergence) as error:
        if output == "json":
            print_json(result | {"error": str(error)})
        raise
    if output == "json":
        print_json(result)
    else:
        _print_verified(result)
    return 0


def _verify(
    journal: Path, chain_only: bool, seals: Sequence[Path], public_keys: Sequence[Path], result: dict[str, Any]
) -> None:
    from adapters.journal import read_journal
    from adapters.journal.keys import public_hex, read_public_key
    from adapters.journal.seals import read_seal

    given = [read_seal(file) for file in seals]
    keys = [public_hex(read_public_key(file)) for file in public_keys]
    with read_journal(journal, walk_again=True) as reader:
        report = _check_chain(journal, reader, given, keys, result)
        result["folded"] = not chain_only and not report.absent
        if result["folded"]:
            _verify_fold(reader, report.events, result)
        result["ok"] = True


def _check_chain(
    journal: Path, reader: "JournalReader", given: "list[FoundSeal]", keys: Sequence[str], result: dict[str, Any]
) -> "IntegrityReport":
    from adapters.journal.integrity import check
    from adapters.journal.seals import check_seals, seals_of

    seals = [*seals_of(journal), *given]
    started = time.perf_counter()
    with progress("Checking the chain", reader.last_seq) as done:
        report = check(reader, [found.seal.last_seq for found in seals], done)
    wall_s = time.perf_counter() - started
    if report.damage is not None:
        raise JournalDamaged(report.damage)
    result |= {
        "blocks": report.blocks,
        "events": report.events,
        "documents": report.documents,
        "decisions": report.decisions,
        "bytes": report.raw_bytes,
        "gb_per_s": round(report.raw_bytes / wall_s / 1e9, 6) if wall_s > 0 else 0.0,
        "absent": [{"file": segment.file_name, "events": segment.events} for segment in report.absent],
    }
    result |= seals_result(check_seals(reader, report, seals, keys), keys)
    return report


def _verify_fold(reader: "JournalReader", events: int, result: dict[str, Any]) -> None:
    from adapters.version import engine_version
    from replay.refold import refold

    result["engine_version"] = engine_version()
    result["recorded_engine_version"] = reader.manifest.engine_version
    refold(reader, until_seq=1)  # loads the kernel, off the clock
    tell_engine(reader)
    with progress("Folding the tape", events) as done:
        folded = refold(reader, compare=True, progress=done)
        result["snapshots_checked"] = _check_snapshots(reader)
    result |= _ask_strategies(reader)
    result["events_per_s"] = _per_second(folded.events, folded.wall_s)
    result["state_digest"] = folded.state_digest
    result["command_digest"] = folded.command_digest


def _ask_strategies(reader: "JournalReader") -> dict[str, Any]:
    """Of a live tape: strategies are shown it again, where they can be loaded from here."""
    if reader.manifest.mode == "backtest":
        return {}
    prepare_engine("drive")
    from replay.parity import ask_again

    with progress("Asking the strategies", reader.last_seq) as done:
        parity = ask_again(reader, Path.cwd(), done)
    return {"strategies_asked": parity.asked} | ({} if parity.asked else {"strategies_not_asked": parity.why_not})


def tell_engine(reader: "JournalReader") -> None:
    """Say on stderr that another engine recorded a tape, where that is so, before it is folded."""
    from adapters.version import engine_version
    from engine.entry import engine_for
    from replay.recorded import Recorded
    from replay.refold import limits_of

    then, now = reader.manifest.engine_version, engine_version()
    if then == now:
        return
    same_fields = Recorded(reader, engine_for(limits_of(reader))).has_digests
    fields = (
        "" if same_fields else ", whose state has other fields: decisions are compared, digests of the state are not"
    )
    tell(f"The journal was recorded by engine {then}; this is engine {now}{fields}.")


def _check_snapshots(reader: "JournalReader") -> int:
    """Compare every snapshot's bytes with the digest of its block, which the fold has confirmed."""
    from blake3 import blake3

    count, seq = 0, reader.last_seq
    while (snapshot := reader.snapshot_before(seq)) is not None:
        if blake3(snapshot.state).digest() != snapshot.state_digest:
            raise Divergence(f"{reader.store.name}: snapshot {snapshot.seq} is not the state that the tape leads to")
        count, seq = count + 1, snapshot.seq - 1
    return count


def _print_verified(result: Mapping[str, Any]) -> None:
    rows = [
        ("Journal", result["journal"]),
        ("Result", _verdict(result)),
        ("Events", f"{result['events']:,} in {counted(result['blocks'], 'block')}" + _fold_speed(result)),
        ("Chain", f"{_size(result['bytes'])}{_chain_speed(result)}"),
        ("Decisions", f"{result['decisions']:,}" + (" recomputed and compared" if result["folded"] else "")),
        ("Documents", f"{result['documents']:,}"),
        *seal_rows(result),
        *[("Moved away", f"{segment['events']} in {segment['file']}") for segment in result["absent"]],
    ]
    if result["folded"]:
        rows += [
            ("Snapshots", f"{result['snapshots_checked']:,} compared"),
            *_strategies_row(result),
            ("Engine", result["engine_version"]),
            ("State digest", result["state_digest"]),
            ("Command digest", result["command_digest"]),
        ]
    print_pairs(rows)


def _chain_speed(result: Mapping[str, Any]) -> str:
    """Of a few bytes it would say how long a file takes to open."""
    return f" at {result['gb_per_s']:,.2f} GB/s" if result["bytes"] >= _TELLING_BYTES else ""


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:,.2f} GB" if size_bytes >= _TELLING_BYTES else f"{size_bytes / 1e6:,.2f} MB"


def _verdict(result: Mapping[str, Any]) -> str:
    if result["absent"]:
        return "ok as far as it is here: the chain passes through what was moved away; decisions were not recomputed"
    if not result["folded"]:
        return "ok: what is there is what was written; decisions were not recomputed"
    return "ok: what was recorded is what the tape leads to"


def _fold_speed(result: Mapping[str, Any]) -> str:
    return f" ({result['events_per_s']:,} a second)" if result["folded"] else ""


def _strategies_row(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "strategies_asked" not in result:
        return []
    said = "asked again: they say what they said" if result["strategies_asked"] else "not asked again"
    return [("Strategies", f"{said}: {result['strategies_not_asked']}" if "strategies_not_asked" in result else said)]
