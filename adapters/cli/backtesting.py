"""`backtest`: a configuration's market data through the engine onto a journal, and the report beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import (
    prepare_engine,
    print_json,
    print_pairs,
    print_table,
    progress,
    ratio,
    shown,
    tell,
)
from adapters.compile_cache import prepare
from adapters.errors import Divergence
from adapters.report.amounts import shown_time

if TYPE_CHECKING:
    from adapters.configuration import Configuration
    from adapters.market_data import LoadReport
    from replay.session import Outcome

_EXAMPLES_MAX = 10
_TRIPS_SHOWN = 10
_REFUSALS_SHOWN = 5

Json = Mapping[str, Any]


def backtest(path: Path, journal: Path | None, output: str) -> int:
    """Run the configuration at `path` and print its figures. Raises TapefoldError."""
    # Before the configuration, whose rules are the engine's: else nothing that is compiled would be kept.
    prepare()
    from adapters.configuration import load_configuration

    configuration = load_configuration(path)
    folder = journal or configuration.journal_directory
    prepare_engine("run", "watch_events")
    from adapters.cli.journal_room import check_room, make_room

    check_room(folder, configuration.name)
    outcome, reports = _trade(configuration, folder, lambda: make_room(folder, configuration.name))
    for line in [example for report in reports for example in report.examples][:_EXAMPLES_MAX]:
        tell(f"skipped: {line}")
    summary = _report(configuration, folder, outcome, reports)
    if output == "json":
        print_json(summary)
    else:
        _print_summary(summary)
    return 0


def _trade(
    configuration: "Configuration", folder: Path, make_room: Callable[[], None]
) -> "tuple[Outcome, Sequence[LoadReport]]":
    import numpy as np

    from adapters.market_data import MarketData
    from replay.backtest import run_backtest

    data = MarketData(configuration)
    chunks: Iterator[Any] = (chunk.view(np.uint8) for chunk in data.chunks())
    with progress(f"Trading {configuration.name}", data.bytes_total) as done:
        outcome = run_backtest(configuration, chunks, folder, lambda _: done(data.bytes_read), make_room=make_room)
    return outcome, data.reports


def _report(configuration: "Configuration", folder: Path, outcome: "Outcome", reports: "Sequence[LoadReport]") -> Json:
    """Fold the new journal again for everything that is shown, and write the files beside it."""
    from adapters.journal import read_journal
    from adapters.report.files import PAGE, write_report
    from replay.names import read_names
    from replay.sampling import observe
    from replay.statistics import summarize
    from replay.tables import tables_of
    from replay.trades import funding_of, round_trips

    with read_journal(folder) as reader:
        with progress("Folding the tape for the report", outcome.events) as done:
            observation = observe(reader, done)
        names = read_names(reader)
        engine = reader.manifest.engine_version
    if observation.state_digest != outcome.state_digest:
        raise Divergence(
            f"{folder}: the tape leads to state {observation.state_digest[:16]}, the run to {outcome.state_digest[:16]}"
        )
    trips = round_trips(observation.fills, funding_of(observation.state))
    summary = {
        "name": configuration.name,
        "events": outcome.events,
        "market_events": outcome.market_events,
        "signals": outcome.signals,
        "wall_s": round(outcome.wall_s, 6),
        "events_per_s": round(outcome.market_events / outcome.wall_s),
        **summarize(observation, names, trips),
        "data": [_source(report) for report in reports],
        "state_digest": outcome.state_digest,
        "command_digest": outcome.command_digest,
        "engine_version": engine,
        "journal": str(folder),
        "report": str(folder / PAGE),
    }
    write_report(folder, configuration.name, summary, tables_of(observation, names, trips), names.configuration)
    return summary


def _source(report: "LoadReport") -> Json:
    return {
        "path": report.path,
        "files": report.files,
        "rows": report.rows,
        "events": report.events,
        "skipped": dict(report.skipped),
        "ignored": dict(report.ignored),
        "prices_rounded": report.prices_rounded,
    }


def _print_summary(summary: Json) -> None:
    currency = summary["currency"]
    pairs = [
        ("Run", f"{summary['name']}, {summary['first_time']} to {summary['last_time']}"),
        ("Market events", f"{summary['market_events']:,} in {summary['wall_s']:.3g} s"),
        ("Events", f"{summary['events']:,} on the tape"),
        ("Speed", f"{summary['events_per_s']:,} market events a second"),
        ("Orders", f"{summary['orders']:,}"),
        ("Fills", f"{summary['fills']:,}"),
        ("Trades", f"{summary['trades']:,}, {summary['trades_won']:,} won"),
    ]
    if currency is not None:
        drawdown = f"{shown(summary['max_drawdown'], currency)} ({summary['max_drawdown_percent']:.2f} %)"
        pairs += [
            ("Fees", shown(summary["fees"], currency)),
            ("Realized P&L", f"{shown(summary['realized_pnl'], currency)} before fees"),
            ("Unrealized P&L", shown(summary["unrealized_pnl"], currency)),
            ("Net P&L", shown(summary["net_pnl"], currency)),
            ("Final equity", shown(summary["final_equity"], currency)),
            ("Max drawdown", drawdown),
        ]
    pairs += [
        ("Sharpe ratio", ratio(summary["sharpe_ratio"])),
        ("Win rate", ratio(summary["win_rate"], 1, " %")),
        ("Profit factor", ratio(summary["profit_factor"])),
        ("Exposure time", ratio(summary["exposure_time"], 1, " %")),
        *_passed_over(summary),
        ("State digest", summary["state_digest"]),
        ("Command digest", summary["command_digest"]),
        ("Journal", summary["journal"]),
        ("Report", summary["report"]),
    ]
    print_pairs(pairs)
    _print_instruments(summary)
    if len(summary["accounts"]) > 1:
        _print_accounts(summary["accounts"])
    _print_rules(summary)


def _passed_over(summary: Json) -> list[tuple[str, str]]:
    """What did not become an order or an event, with its reasons."""
    skipped: dict[str, int] = {}
    for source in summary["data"]:
        for reason, count in source["skipped"].items():
            skipped[reason] = skipped.get(reason, 0) + count
    lines = (
        ("Refusals", summary["refusals"]),
        ("Rejections", summary["rejections"]),
        ("Brackets", summary["brackets"]["closed"]),
        ("Legs filled", _legs(summary["brackets"])),
        ("Breakers", summary["breakers"]),
        ("Rows skipped", skipped),
    )
    return [
        (label, ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items()))
        for label, counts in lines
        if counts
    ]


def _legs(brackets: Json) -> dict[str, int]:
    filled = {"stop": brackets["stops_filled"], "target": brackets["targets_filled"]}
    return {leg: count for leg, count in filled.items() if count}


def _print_rules(summary: Json) -> None:
    """The first trips of breakers and the first refusals: when, at which event, and at which figure."""
    trips = [entry for entry in summary["incidents"] if entry["kind"] == "breaker_tripped"]
    listed = (
        ("Breakers tripped", trips, sum(summary["breakers"].values()), _TRIPS_SHOWN),
        ("Refused", summary["refused"], sum(summary["refusals"].values()), _REFUSALS_SHOWN),
    )
    for title, entries, total, shown_max in listed:
        if entries:
            some = entries[:shown_max]
            more = f", the first {len(some)} of {total:,}" if total > len(some) else ""
            rows = [[shown_time(entry["time"]), str(entry["seq"]), _what(entry)] for entry in some]
            print_table(title + more, ("Time", "Event", "What"), rows, text_columns=3)


def _what(entry: Json) -> str:
    """A trip or refusal in one short line: what the title says is left out."""
    return str(entry["text"]).partition(";")[0].replace(" tripped: ", ": ")


def _print_instruments(summary: Json) -> None:
    rows = [_figures(entry["symbol"], entry) for entry in summary["instruments"]]
    if summary["currency"] is not None:
        rows.append(_figures("total", summary))
    columns = ("Instrument", "Orders", "Trades", "Won", "Realized", "Fees", "Net", "Drawdown", "Exposed")
    print_table("Instruments", columns, rows)


def _figures(name: str, entry: Json) -> list[str]:
    return [
        name,
        f"{entry['orders']:,}",
        f"{entry['trades']:,}",
        ratio(entry["win_rate"], 0, "%"),
        shown(entry["realized_pnl"]),
        shown(entry["fees"]),
        shown(entry["net_pnl"]),
        shown(entry["max_drawdown"]),
        ratio(entry["exposure_time"], 0, "%"),
    ]


def _print_accounts(accounts: Sequence[Json]) -> None:
    keys = ("deposits", "realized_pnl", "unrealized_pnl", "fees", "final_equity", "max_drawdown")
    rows = [[entry["name"], entry["currency"], *(shown(entry[key]) for key in keys)] for entry in accounts]
    print_table("Accounts", ["Account", "Currency", *(key.replace("_", " ") for key in keys)], rows, text_columns=2)
