"""`risk`: what a journal's portfolio holds and stands to lose, at the end of its tape or at any point."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import counted, prepare_engine, print_json, print_pairs, print_table, progress, shown
from adapters.cli.tapes import tell_engine
from adapters.errors import UserError
from adapters.report.amounts import duration_text

if TYPE_CHECKING:
    from replay.names import Names

_SHOCK_MIN, _SHOCK_MAX = Decimal(-1), Decimal(100)

Json = Mapping[str, Any]


def risk(
    journal: Path,
    at: str | None,
    shocks: Sequence[str],
    benchmark: str | None,
    periods_per_year: float | None,
    output: str,
) -> int:
    """Fold a journal up to `at` and print its figures of risk. Raises TapefoldError."""
    if periods_per_year is not None and not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise UserError(f"--periods-per-year: expected a number above 0, found {periods_per_year}")
    prepare_engine("watch_events")
    from adapters.journal import read_journal
    from replay.names import read_names
    from replay.point import seq_at
    from replay.risk.cut import CutTape
    from replay.risk.figure import plain, reasons
    from replay.risk.figures import Question, risk_figures
    from replay.sampling import observe
    from replay.trades import funding_of, round_trips

    with read_journal(journal) as reader:
        last_seq = seq_at(reader, at, "--at")
        names = read_names(reader, last_seq)
        question = Question(parse_shocks(shocks, names), _benchmark(benchmark, names), periods_per_year)
        tell_engine(reader)
        with progress("Folding the tape", last_seq) as done:
            observation = observe(CutTape(reader, last_seq), done)
    trips = round_trips(observation.fills, funding_of(observation.state))
    figures = {"journal": str(journal), **risk_figures(observation, names, trips, question)}
    if output == "json":
        print_json({**plain(figures), "unknown": dict(reasons(figures))})
    else:
        _print(figures)
    return 0


def parse_shocks(texts: Sequence[str], names: "Names") -> dict[int, Decimal]:
    """Price moves by instrument number out of texts such as `BTC/USD=-0.2`. Raises UserError."""
    from adapters.configuration.values import parse_decimal

    shocks: dict[int, Decimal] = {}
    for text in texts:
        symbol, equals, fraction = text.rpartition("=")
        if not equals:
            raise UserError(f"--shock {text}: expected SYMBOL=FRACTION such as BTC/USD=-0.2")
        number = _number(symbol, names, f"--shock {text}")
        try:
            shock = parse_decimal(fraction)
        except ValueError:
            raise UserError(f"--shock {text}: expected a fraction such as -0.2, found {fraction!r}") from None
        if not _SHOCK_MIN <= shock <= _SHOCK_MAX:
            raise UserError(f"--shock {text}: expected a fraction from {_SHOCK_MIN} to {_SHOCK_MAX}, found {fraction}")
        if number in shocks:
            raise UserError(f"--shock {text}: {symbol} has a shock already, expected one for each instrument")
        shocks[number] = shock
    return shocks


def _benchmark(symbol: str | None, names: "Names") -> int | None:
    return None if symbol is None else _number(symbol, names, f"--benchmark {symbol}")


def _number(symbol: str, names: "Names", where: str) -> int:
    for number, name in sorted(names.instruments.items()):
        if name.symbol == symbol:
            return number
    known = ", ".join(name.symbol for _, name in sorted(names.instruments.items())) or "none"
    raise UserError(f"{where}: no instrument {symbol!r} on the tape up to there, expected one of {known}")


def _print(figures: Json) -> None:
    print_pairs(
        [
            ("Journal", figures["journal"]),
            ("Last event", f"{figures['events']:,} at {figures['last_time']}"),
            ("State digest", figures["state_digest"]),
            ("Returns", f"one each {_period(figures)}, {figures['periods_per_year']:,.6g} a year"),
            ("Monte Carlo", f"{figures['monte_carlo_draws']:,} draws, seed {figures['monte_carlo_seed']}"),
        ]
    )
    _print_rows("Exposure", figures["accounts"], ("account", "currency"), _EXPOSURE)
    _print_rows("Concentration", figures["accounts"], ("account", "largest_position"), _CONCENTRATION)
    _print_rows("Drawdown", figures["accounts"], ("account",), _DRAWDOWN)
    _print_rows("Profit and trades of accounts", figures["accounts"], ("account",), _PROFIT)
    _print_rows("Profit and trades of instruments", figures["instruments"], ("symbol", "account"), _PROFIT)
    _print_rows("Instruments", figures["instruments"], ("symbol", "account"), _HELD)
    for portfolio in figures["portfolios"]:
        _print_portfolio(portfolio)
    _print_matrix("Correlation of returns", figures["correlation"], "instruments")


def _period(figures: Json) -> str:
    return figures["period"] if figures["period"] != "sample" else f"sample of {duration_text(figures['period_ns'])}"


# Columns: key, heading, how it is shown.
_EXPOSURE = (
    ("equity", "Equity", "money"),
    ("long", "Long", "money"),
    ("short", "Short", "money"),
    ("gross", "Gross", "money"),
    ("net", "Net", "money"),
    ("leverage", "Leverage", "number"),
)
_CONCENTRATION = (("largest_share", "Share", "percent"), ("herfindahl_index", "Herfindahl", "number"))
_DRAWDOWN = (
    ("drawdown", "Now", "money"),
    ("drawdown_share", "Now", "percent"),
    ("drawdown_ns", "For", "duration"),
    ("max_drawdown", "Largest", "money"),
    ("max_drawdown_share", "Largest", "percent"),
    ("longest_drawdown_ns", "Longest", "duration"),
)
_PROFIT = (
    ("realized_pnl", "Realized", "money"),
    ("unrealized_pnl", "Unrealized", "money"),
    ("fees", "Fees", "money"),
    ("trades", "Trades", "text"),
    ("win_rate", "Won", "percent"),
    ("profit_factor", "Factor", "number"),
    ("streak", "Streak", "text"),
)
_HELD = (
    ("quantity", "Held", "text"),
    ("worth", "Worth", "money"),
    ("ewma_volatility", "EWMA volatility", "percent"),
    ("average_true_range", "ATR", "text"),
    ("samples", "Samples", "text"),
)
_RATIOS = (
    ("annual_growth", "Annual growth", "percent"),
    ("annual_volatility", "Annual volatility", "percent"),
    ("max_drawdown", "Largest drawdown of the returns", "percent"),
    ("sharpe_ratio", "Sharpe ratio", "number"),
    ("sortino_ratio", "Sortino ratio", "number"),
    ("calmar_ratio", "Calmar ratio", "number"),
    ("beta", "Beta", "number"),
    ("kelly_fraction", "Kelly fraction", "percent"),
)
_OUTCOME = (
    ("profit", "Profit", "money"),
    ("equity_share", "Of equity", "percent"),
    ("equity_after", "Equity after", "money"),
)


def _cell(value: Any, form: str) -> str:
    """A figure for a table."""
    from replay.risk.figure import Unknown

    if isinstance(value, Unknown):
        return "n/a"
    if value is None:
        return "–"
    if form == "money":
        return shown(value)
    if form == "percent":
        return f"{100 * value:,.2f} %"
    if form == "number":
        return f"{value:,.3f}"
    return duration_text(value) if form == "duration" else str(value)


def _print_figures(title: str, heads: Sequence[str], rows: Sequence[Sequence[tuple[Any, str]]], texts: int = 1) -> None:
    """A table of (figure, form), and under it why those that are n/a are."""
    from replay.risk.figure import Unknown

    print_table(title, heads, [[_cell(value, form) for value, form in row] for row in rows], texts)
    # A dictionary as a set that keeps its order: where each reason applies.
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        for head, (value, _) in zip(heads, row, strict=True):
            if isinstance(value, Unknown):
                reasons.setdefault(value.reason, {})[head or _cell(*row[0])] = None
    for reason, places in reasons.items():
        print(f"n/a: {', '.join(places)}: {reason}")


def _print_rows(title: str, entries: Any, texts: Sequence[str], columns: Sequence[tuple[str, str, str]]) -> None:
    """A table of entries, or why there are none."""
    if not isinstance(entries, Sequence):
        print(f"\n{title}: n/a ({entries.reason})")
        return
    heads = [*(text.replace("_", " ").capitalize() for text in texts), *(head for _, head, _ in columns)]
    keys = [*((text, "text") for text in texts), *((key, form) for key, _, form in columns)]
    _print_figures(title, heads, [[(entry[key], form) for key, form in keys] for entry in entries], len(texts))


def _print_portfolio(portfolio: Json) -> None:
    currency = portfolio["currency"]
    benchmark = f" against {portfolio['benchmark']}" if portfolio["benchmark"] else ""
    rows = [
        [(head + (benchmark if key == "beta" else ""), "text"), (portfolio[key], form)] for key, head, form in _RATIOS
    ]
    _print_figures(
        f"{currency}: {counted(portfolio['returns'], 'return')} of {', '.join(portfolio['accounts'])}", ("", ""), rows
    )
    for basis, title in (("equity", "the equity's own returns"), ("positions", "what is held, over the tape's prices")):
        _print_tails(f"{currency}: value at risk by {title}", portfolio["value_at_risk"][basis], currency)
    _print_rows(f"{currency}: strategies", portfolio["strategies"], ("strategy",), _PROFIT)
    _print_rows(f"{currency}: stress", portfolio["stress"], ("scenario",), _OUTCOME)
    _print_rows(f"{currency}: worst windows of the tape", portfolio["worst_windows"], ("length", "start"), _OUTCOME)
    _print_matrix(f"{currency}: correlation of strategies", portfolio["strategy_correlation"], "strategies")


def _print_tails(title: str, basis: Json, currency: str) -> None:
    from replay.risk.figure import reasons

    levels = [level for level in basis if level != "returns"]
    methods = list(basis[levels[0]])
    unknown = [reason for _, reason in reasons(basis)]
    if len(unknown) == 4 * len(levels) * len(methods):
        print(f"\n{title}: n/a ({unknown[0]})")
        return
    heads = ["Method", *(head for level in levels for head in (f"VaR {level}", currency, f"CVaR {level}", currency))]
    rows = []
    for method in methods:
        row: list[tuple[Any, str]] = [(method.replace("_", " "), "text")]
        for figures in (basis[level][method] for level in levels):
            for key in ("var", "cvar"):
                amount = figures[f"{key}_amount"]
                row += [(figures[key], "percent"), (amount if isinstance(amount, str) else None, "money")]
        rows.append(row)
    _print_figures(f"{title} ({basis['returns']:,})", heads, rows)


def _print_matrix(title: str, figures: Any, names_key: str) -> None:
    if not isinstance(figures, Mapping):
        print(f"\n{title}: n/a ({figures.reason})")
        return
    names = figures[names_key]
    rows = [
        [(name, "text"), *((figure, "number") for figure in row)]
        for name, row in zip(names, figures["matrix"], strict=True)
    ]
    _print_figures(title, ["", *names], rows)
