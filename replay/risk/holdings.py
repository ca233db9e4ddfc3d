"""What the fold itself holds of risk at the end of the tape: exposure, drawdown, profit, trades, volatility."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from adapters.report.amounts import amount_text, money, money_text, quantity_text
from replay.names import Names
from replay.risk.figure import Figure, Json, Unknown, ratio, too_few

_PPB = 1e9
_MICRO = Decimal("0.000001")
# The first sample has no close before it.
_SAMPLES_MIN = 2
FLAT = "no position is held"
NO_EQUITY = "equity is not positive"
NO_TRADES = "no trade was closed"
NO_LOSS = "nothing was lost"


def defined(rows: Any) -> list[int]:
    """The numbers of a table's rows that the tape has defined."""
    return [int(number) for number in rows["defined"].nonzero()[0]]


def worths_of(state: Any, names: Names, accounts: Sequence[int]) -> dict[int, Decimal]:
    """The signed worth of what these accounts, of one currency, hold of each instrument, in that currency.

    A long position is worth what it could be sold for, a short one what it could be bought back for.
    """
    worths: dict[int, Decimal] = {}
    for account in accounts:
        decimals = names.account(account).money_decimals
        for number in state.positions[account]["quantity_lots"].nonzero()[0].tolist():
            worth = money(_worth_units(state, number, int(state.positions[account, number]["quantity_lots"])), decimals)
            worths[number] = worths.get(number, Decimal(0)) + worth
    return worths


def _worth_units(state: Any, number: int, lots: int) -> int:
    instrument = state.instruments[number]
    mark = int(instrument["long_mark_ticks"] if lots > 0 else instrument["short_mark_ticks"])
    return lots * mark * int(instrument["tick_lot_units"])


def accounts_of(state: Any, names: Names) -> list[Json]:
    """Each account: equity, exposure, concentration, drawdown, trades."""
    return [_account(state, names, number) for number in defined(state.accounts)]


def _account(state: Any, names: Names, number: int) -> Json:
    name, row = names.account(number), state.accounts[number]

    def amount(units: Any) -> str:
        return money_text(int(units), name.money_decimals)

    equity = money(int(row["equity_units"]), name.money_decimals)
    worths = worths_of(state, names, [number])
    long = sum((worth for worth in worths.values() if worth > 0), Decimal(0))
    short = -sum((worth for worth in worths.values() if worth < 0), Decimal(0))
    return {
        "account": name.name,
        "currency": name.currency,
        "equity": amount(row["equity_units"]),
        "long": amount_text(long),
        "short": amount_text(short),
        "gross": amount_text(long + short),
        "net": amount_text(long - short),
        "leverage": ratio(long + short, equity, NO_EQUITY),
        **concentration(worths, names),
        **_drawdown(row, int(state.ts_ns), name.money_decimals),
        "realized_pnl": amount(row["realized_units"]),
        "unrealized_pnl": amount(row["unrealized_units"]),
        "fees": amount(row["fees_units"]),
        "funding": amount(row["funding_units"]),
        **_trades([(row, name.money_decimals)]),
        "streak": int(row["streak"]),
    }


def concentration(worths: dict[int, Decimal], names: Names) -> Json:
    """The share of the largest position in all of them, and the sum of the squared shares (Herfindahl index)."""
    gross = sum((abs(worth) for worth in worths.values()), Decimal(0))
    if not gross:
        unknown = Unknown(FLAT)
        return {"largest_position": None, "largest_share": unknown, "herfindahl_index": unknown}
    shares = {number: float(abs(worth) / gross) for number, worth in worths.items()}
    largest = max(shares, key=lambda number: shares[number])
    return {
        "largest_position": names.instrument(largest).symbol,
        "largest_share": shares[largest],
        "herfindahl_index": math.fsum(share * share for share in shares.values()),
    }


def _drawdown(row: Any, ts_ns: int, decimals: int) -> Json:
    peak = int(row["peak_equity_units"])
    fall = peak - int(row["equity_units"])
    since_ns = ts_ns - int(row["peak_ts_ns"]) if fall > 0 else 0
    return {
        "drawdown": money_text(fall, decimals),
        "drawdown_share": ratio(Decimal(fall), Decimal(peak), "the peak is not positive"),
        "drawdown_ns": since_ns,
        "max_drawdown": money_text(int(row["max_drawdown_units"]), decimals),
        "max_drawdown_share": int(row["max_drawdown_ppm"]) / 1_000_000,
        "longest_drawdown_ns": max(int(row["max_drawdown_ns"]), since_ns),
    }


def _trades(rows: Sequence[tuple[Any, int]]) -> Json:
    """Counts and ratios of closed trades, over rows of one currency that each count their own, with their decimals."""
    trades, won = (sum(int(row[field]) for row, _ in rows) for field in ("trades", "trades_won"))
    profit, loss = (_sum(rows, field) for field in ("profit_units", "loss_units"))
    return {
        "trades": trades,
        "trades_won": won,
        "win_rate": ratio(Decimal(won), Decimal(trades), NO_TRADES),
        "profit_factor": ratio(profit, loss, NO_LOSS if trades else NO_TRADES),
    }


def _sum(rows: Sequence[tuple[Any, int]], field: str) -> Decimal:
    return sum((money(int(row[field]), decimals) for row, decimals in rows), Decimal(0))


def instruments_of(state: Any, names: Names) -> list[Json]:
    """Each instrument, with the position of the account that it belongs to."""
    return [_instrument(state, names, number) for number in defined(state.instruments)]


def _instrument(state: Any, names: Names, number: int) -> Json:
    row, name = state.instruments[number], names.instrument(number)
    account = int(row["account"])
    position, owner = state.positions[account, number], names.account(account)

    def amount(units: Any) -> str:
        return money_text(int(units), owner.money_decimals)

    return {
        "symbol": name.symbol,
        "account": owner.name,
        "currency": owner.currency,
        "quantity": quantity_text(int(position["quantity_lots"]), name.lot_size),
        "worth": amount(_worth_units(state, number, int(position["quantity_lots"]))),
        "realized_pnl": amount(position["realized_units"]),
        "unrealized_pnl": amount(position["unrealized_units"]),
        "fees": amount(position["fees_units"]),
        "funding": amount(position["funding_units"]),
        **_trades([(position, owner.money_decimals)]),
        "streak": int(position["streak"]),
        **_estimates(row, name.tick_size),
    }


def _estimates(row: Any, tick_size: Decimal) -> Json:
    """The exponentially weighted deviation of the return of one sample (a bar or an interval), and its true range."""
    samples = int(row["samples"])
    volatility: Figure = math.sqrt(int(row["variance_ppb2"])) / _PPB
    true_range: str | Unknown = amount_text(int(row["atr_microticks"]) * _MICRO * tick_size, 0)
    if samples < _SAMPLES_MIN:
        volatility = true_range = too_few(samples, _SAMPLES_MIN, "samples")
    return {"ewma_volatility": volatility, "average_true_range": true_range, "samples": samples}


def strategies_of(state: Any, names: Names, accounts: Sequence[int]) -> list[Json]:
    """What each strategy made in these accounts, which have one currency."""
    owned = [n for n in defined(state.instruments) if int(state.instruments[n]["account"]) in accounts]
    return [_strategy(state, names, number, owned) for number in defined(state.strategies)] if owned else []


def _strategy(state: Any, names: Names, strategy: int, instruments: Sequence[int]) -> Json:
    decimals = [names.account(int(state.instruments[number]["account"])).money_decimals for number in instruments]
    pairs = [(state.pairs[strategy, number], places) for number, places in zip(instruments, decimals, strict=True)]
    worth = Decimal(0)
    for number, (pair, places) in zip(instruments, pairs, strict=True):
        worth += money(_worth_units(state, number, int(pair["quantity_lots"])), places)
    realized, fees = _sum(pairs, "realized_units"), _sum(pairs, "fees_units")
    unrealized = worth - _sum(pairs, "cost_units")
    return {
        "strategy": names.strategy(strategy),
        "worth": amount_text(worth),
        "realized_pnl": amount_text(realized),
        "unrealized_pnl": amount_text(unrealized),
        "fees": amount_text(fees),
        "net_pnl": amount_text(realized + unrealized - fees),
        **_trades(pairs),
        "streak": int(state.strategies[strategy]["streak"]),
    }
