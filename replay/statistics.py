"""The figures of a run, in total, by account and by instrument, from an observed tape.

Money is exact: decimal texts of the account's currency. What is an estimate or a ratio is a number. The
meaning of every figure is in `docs/report.md`.
"""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from adapters.report.amounts import amount_text, money, money_text, quantity_text, time_text
from engine.kinds import OrderRole
from engine.reasons import Reason
from replay.incidents import incidents_of, trips_of
from replay.names import Names
from replay.refusals import refused_of
from replay.risk import ratios
from replay.risk.figure import Unknown
from replay.sampling import DAY_NS, Observation
from replay.trades import RoundTrip

DAYS_A_YEAR = 365
_ZERO = Decimal(0)

Json = dict[str, Any]


def summarize(observation: Observation, names: Names, trips: Sequence[RoundTrip]) -> Json:
    """Every figure that follows from the tape, ready for JSON.

    The money at the top is that of the only account, or the sum where several have one currency; with several
    currencies it is None and stands in `accounts` alone.
    """
    accounts = [_account(observation, names, number, trips) for number in sorted(names.accounts)]
    summary = _total(observation, names, trips, accounts)
    return {
        **summary,
        "first_time": time_text(observation.first_ts_ns),
        "last_time": time_text(observation.last_ts_ns),
        "refusals": _by_reason(observation.refusals),
        "rejections": _by_reason(observation.rejections),
        "brackets": {
            "opened": observation.brackets,
            "closed": _by_reason(observation.closings),
            "stops_moved": observation.stops_moved,
            "stops_filled": _orders_filled(observation, OrderRole.STOP),
            "targets_filled": _orders_filled(observation, OrderRole.TARGET),
        },
        "breakers": trips_of(observation, names),
        "risk_level_changes": observation.level_changes,
        "incidents": incidents_of(observation, names),
        "incidents_total": observation.incidents_total,
        "refused": refused_of(observation, names),
        "accounts": accounts,
        "instruments": _instruments(observation, names, trips),
    }


def _total(observation: Observation, names: Names, trips: Sequence[RoundTrip], accounts: list[Json]) -> Json:
    currencies = {account["currency"] for account in accounts}
    if len(accounts) == 1:
        figures = {key: value for key, value in accounts[0].items() if key not in ("account", "name")}
    elif len(currencies) == 1:
        numbers = sorted(names.accounts)
        figures = {
            "currency": accounts[0]["currency"],
            **{key: amount_text(sum((Decimal(a[key]) for a in accounts), _ZERO)) for key in _MONEY_KEYS},
            **_sampled_drawdown(observation, names, numbers),
            "sharpe_ratio": sharpe_ratio(daily_returns(_daily(observation, names, numbers))),
            **_trade_figures(trips, names),
        }
    else:
        figures = {
            "currency": None,
            **dict.fromkeys(_MONEY_KEYS),
            **dict.fromkeys(("max_drawdown", "max_drawdown_percent", "sharpe_ratio")),
            **_trade_figures(trips, names, several_currencies=True),
        }
    return {
        **figures,
        "orders": sum(observation.orders.values()),
        "fills": len(observation.fills),
        "exposure_time": _exposure_percent(trips, observation),
    }


_MONEY_KEYS = ("deposits", "fees", "funding", "realized_pnl", "unrealized_pnl", "net_pnl", "final_equity")


def _account(observation: Observation, names: Names, number: int, trips: Sequence[RoundTrip]) -> Json:
    account, name = observation.state.accounts[number], names.account(number)
    decimals = name.money_decimals
    own = [trip for trip in trips if trip.account == number]
    return {
        "account": number,
        "name": name.name,
        "currency": name.currency,
        "deposits": money_text(account.deposits_units, decimals),
        "fees": money_text(account.fees_units, decimals),
        "funding": money_text(account.funding_units, decimals),
        "realized_pnl": money_text(account.realized_units, decimals),
        "unrealized_pnl": money_text(account.unrealized_units, decimals),
        "net_pnl": money_text(account.equity_units - account.deposits_units, decimals),
        "final_equity": money_text(account.equity_units, decimals),
        "max_drawdown": money_text(account.max_drawdown_units, decimals),
        "max_drawdown_percent": int(account.max_drawdown_ppm) / 10_000,
        "sharpe_ratio": sharpe_ratio(daily_returns(_daily(observation, names, [number]))),
        **_trade_figures(own, names),
        "exposure_time": _exposure_percent(own, observation),
        "fills": int(np.count_nonzero(observation.fills["account"] == number)),
    }


def _instruments(observation: Observation, names: Names, trips: Sequence[RoundTrip]) -> list[Json]:
    """One entry an instrument, and one more for every other account that traded it."""
    state = observation.state
    fills = observation.fills
    pairs = {(int(state.instruments[number].account), number) for number in names.instruments}
    pairs |= set(zip(fills["account"].tolist(), fills["instrument"].tolist(), strict=True))
    own: dict[tuple[int, int], list[RoundTrip]] = {}
    for trip in trips:
        own.setdefault((trip.account, trip.instrument), []).append(trip)
    return [
        _instrument(observation, names, account, number, own.get((account, number), []))
        for account, number in sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    ]


def _instrument(observation: Observation, names: Names, account: int, number: int, trips: Sequence[RoundTrip]) -> Json:
    state = observation.state
    position, instrument = state.positions[account, number], state.instruments[number]
    name, owner = names.instrument(number), names.account(account)
    decimals = owner.money_decimals
    net = position.realized_units + position.unrealized_units - position.fees_units + position.funding_units
    is_own = account == instrument.account
    return {
        "instrument": number,
        "symbol": name.symbol,
        "account": owner.name,
        "currency": owner.currency,
        "orders": observation.orders.get(number, 0) if is_own else 0,
        "fills": int(position.fills),
        "position": quantity_text(int(position.quantity_lots), name.lot_size),
        "last_price": quantity_text(int(instrument.long_mark_ticks), name.tick_size),
        "fees": money_text(position.fees_units, decimals),
        "funding": money_text(position.funding_units, decimals),
        "realized_pnl": money_text(position.realized_units, decimals),
        "unrealized_pnl": money_text(position.unrealized_units, decimals),
        "net_pnl": money_text(net, decimals),
        "max_drawdown": money_text(observation.drawdowns_units.get(number, 0), decimals) if is_own else None,
        **_trade_figures(trips, names),
        "exposure_time": _exposure_percent(trips, observation),
    }


def _trade_figures(trips: Sequence[RoundTrip], names: Names, several_currencies: bool = False) -> Json:
    """What closed trips came to, after fees and funding."""
    closed = [trip for trip in trips if not trip.is_open]
    nets = [money(trip.net_units, names.account(trip.account).money_decimals) for trip in closed]
    won = [net for net in nets if net > 0]
    lost = [net for net in nets if net <= 0]
    losses = -sum(lost, _ZERO)
    figures = {
        "trades": len(closed),
        "trades_won": len(won),
        "win_rate": _ratio(Decimal(100 * len(won)), Decimal(len(closed))),
        "profit_factor": _ratio(sum(won, _ZERO), losses),
        "average_win": _average(won),
        "average_loss": _average(lost),
    }
    if several_currencies:
        figures |= dict.fromkeys(("profit_factor", "average_win", "average_loss"))
    return figures


def _ratio(part: Decimal, whole: Decimal) -> float | None:
    return round(float(part / whole), 4) if whole else None


def _average(amounts: Sequence[Decimal]) -> str | None:
    """The mean, rounded to the digits of the amounts."""
    if not amounts:
        return None
    return amount_text((sum(amounts, _ZERO) / len(amounts)).quantize(amounts[0]))


def _exposure_percent(trips: Iterable[RoundTrip], observation: Observation) -> float:
    """The share of the tape's time in which a position was held."""
    end = observation.last_ts_ns
    span = end - observation.first_ts_ns
    held = covered = 0
    for start, stop in sorted((t.opened_ts_ns, end if t.closed_ts_ns is None else t.closed_ts_ns) for t in trips):
        held += max(0, stop - max(start, covered))
        covered = max(covered, stop)
    return round(100 * held / span, 4) if span else 0.0


def _series(observation: Observation, names: Names, numbers: Sequence[int]) -> list[tuple[int, Decimal, Decimal]]:
    """(start of the bucket, equity, deposits) of the sum of these accounts, which have one currency."""
    rows = observation.accounts
    totals: dict[int, tuple[Decimal, Decimal]] = {}
    columns = ("bucket_ts_ns", "account", "equity_units", "deposits_units")
    for bucket, account, equity, deposits in zip(*(rows[name].tolist() for name in columns), strict=True):
        if account in numbers:
            decimals = names.account(account).money_decimals
            before = totals.get(bucket, (_ZERO, _ZERO))
            totals[bucket] = (before[0] + money(equity, decimals), before[1] + money(deposits, decimals))
    return [(bucket, *totals[bucket]) for bucket in sorted(totals)]


def _sampled_drawdown(observation: Observation, names: Names, numbers: Sequence[int]) -> Json:
    """The drawdown of several accounts together, as the samples show it."""
    peak = largest = share = _ZERO
    for _, equity, deposits in _series(observation, names, numbers):
        profit = equity - deposits
        peak = max(peak, profit)
        fall = peak - profit
        largest = max(largest, fall)
        if peak + deposits > 0:
            share = max(share, fall / (peak + deposits))
    return {"max_drawdown": amount_text(largest), "max_drawdown_percent": math.floor(share * 1_000_000) / 10_000}


def _daily(observation: Observation, names: Names, numbers: Sequence[int]) -> list[tuple[int, Decimal, Decimal]]:
    """(day, equity, deposits) at the end of each UTC day that has events."""
    days = {bucket // DAY_NS: (equity, deposits) for bucket, equity, deposits in _series(observation, names, numbers)}
    return [(day, *days[day]) for day in sorted(days)]


def daily_returns(days: Sequence[tuple[int, Decimal, Decimal]]) -> list[float] | None:
    """The return of each calendar day from the first to the last, 0 on days without events.

    `days` are (day, equity at its end, deposits so far). What was deposited on a day counts as there from its
    start, so the first day's return is on the first deposit. None where there was nothing to earn on.
    """
    returns: list[float] = []
    equity_before = deposits_before = _ZERO
    day_before = days[0][0] - 1 if days else 0
    for day, equity, deposits in days:
        base = equity_before + deposits - deposits_before
        if base <= 0:
            return None
        returns += [0.0] * (day - day_before - 1)
        returns.append(float(equity / base - 1))
        day_before, equity_before, deposits_before = day, equity, deposits
    return returns


def sharpe_ratio(returns: Sequence[float] | None) -> float | None:
    """Mean by sample standard deviation of daily returns, times sqrt(365), without a risk-free rate.

    None with fewer than three returns or where they do not vary.
    """
    figure = ratios.sharpe_ratio(np.array(returns or (), dtype=np.float64), DAYS_A_YEAR)
    return None if isinstance(figure, Unknown) else round(figure, 4)


def _orders_filled(observation: Observation, role: OrderRole) -> int:
    """How many orders of a role were filled, wholly or in part."""
    fills = observation.fills
    return len(np.unique(fills["order"][fills["order_role"] == role]))


def _by_reason(counts: dict[int, int]) -> dict[str, int]:
    known = {reason.value for reason in Reason}
    return {Reason(code).name.lower() if code in known else f"reason_{code}": n for code, n in counts.items()}
