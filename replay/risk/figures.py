"""All risk figures of an observed tape, put together by currency. What is unknown says why (`Unknown`).

Accounts of one currency are one portfolio, their money added; different currencies are never added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from adapters.report.amounts import amount_text, duration_text, money, time_text
from replay.names import Names
from replay.risk import holdings, ratios, stress, value_at_risk
from replay.risk.correlation import price_correlations, series_correlations
from replay.risk.figure import Figure, Json, Unknown, too_few
from replay.risk.holdings import FLAT, NO_EQUITY
from replay.risk.returns import (
    Closes,
    Period,
    Series,
    closes_of,
    equity_returns,
    period_of,
    position_returns,
    strategy_profits,
)
from replay.sampling import Observation
from replay.trades import RoundTrip

_STRATEGIES_MIN = 2
_OF_RETURNS = ("annual_growth", "annual_volatility", "max_drawdown", "sharpe_ratio", "sortino_ratio", "calmar_ratio")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: shocks by instrument number, the benchmark's number (None: the lowest), periods in a year."""

    shocks: Mapping[int, Decimal] = field(default_factory=dict)
    benchmark: int | None = None
    periods_per_year: float | None = None


@dataclass(frozen=True, slots=True)
class _Tape:
    """What every figure is made from."""

    observation: Observation
    names: Names
    trips: Sequence[RoundTrip]
    question: Question
    period: Period
    closes: Closes
    samples: Closes


@dataclass(frozen=True, slots=True)
class _Portfolio:
    """The accounts of one currency: their equity together and the signed worth of what they hold, by instrument."""

    currency: str
    accounts: list[int]
    decimals: int
    equity: Decimal
    worths: dict[int, Decimal]

    def text(self, amount: Decimal | float) -> str:
        """An amount rounded to the units of the currency."""
        return amount_text(Decimal(amount).quantize(Decimal(1).scaleb(-self.decimals)), min(2, self.decimals))


def risk_figures(observation: Observation, names: Names, trips: Sequence[RoundTrip], question: Question) -> Json:
    """Everything that `docs/risk-figures.md` names, with `Unknown` where a figure cannot be computed."""
    period = period_of(observation, question.periods_per_year)
    samples = closes_of(observation, observation.bucket_ns)
    closes = closes_of(observation, period.length_ns)
    tape = _Tape(observation, names, trips, question, period, closes, samples)
    numbers = holdings.defined(observation.state.instruments)
    return {
        "events": observation.events,
        "first_time": time_text(observation.first_ts_ns),
        "last_time": time_text(observation.last_ts_ns),
        "state_digest": observation.state_digest,
        "period": period.name,
        "period_ns": period.length_ns,
        "periods_per_year": period.periods_per_year,
        "sample_ns": observation.bucket_ns,
        "monte_carlo_draws": value_at_risk.DRAWS,
        "monte_carlo_seed": value_at_risk.SEED,
        "accounts": holdings.accounts_of(observation.state, names),
        "instruments": holdings.instruments_of(observation.state, names),
        "portfolios": [_figures(tape, portfolio) for portfolio in _portfolios(observation, names)],
        "correlation": {
            "instruments": [names.instrument(number).symbol for number in numbers],
            "matrix": price_correlations(closes.ticks[:, numbers]),
        },
    }


def _portfolios(observation: Observation, names: Names) -> list[_Portfolio]:
    by_currency: dict[str, list[int]] = {}
    for number in holdings.defined(observation.state.accounts):
        by_currency.setdefault(names.account(number).currency, []).append(number)
    return [
        _Portfolio(
            currency=currency,
            accounts=accounts,
            decimals=max(names.account(number).money_decimals for number in accounts),
            equity=sum((_equity(observation, names, number) for number in accounts), Decimal(0)),
            worths=holdings.worths_of(observation.state, names, accounts),
        )
        for currency, accounts in by_currency.items()
    ]


def _equity(observation: Observation, names: Names, account: int) -> Decimal:
    return money(int(observation.state.accounts[account]["equity_units"]), names.account(account).money_decimals)


def _figures(tape: _Tape, portfolio: _Portfolio) -> Json:
    series = equity_returns(tape.observation, tape.names, portfolio.accounts, tape.period.length_ns)
    positions: Series | Unknown = Unknown(NO_EQUITY)
    if portfolio.equity > 0:
        weights = {number: float(worth / portfolio.equity) for number, worth in portfolio.worths.items()}
        positions = position_returns(tape.closes, weights)
    return {
        "currency": portfolio.currency,
        "accounts": [tape.names.account(number).name for number in portfolio.accounts],
        "equity": portfolio.text(portfolio.equity),
        **_performance(tape, portfolio, series),
        "value_at_risk": {
            "equity": _tails(series, portfolio),
            "positions": _tails(positions, portfolio),
        },
        "stress": _stress(tape, portfolio),
        "worst_windows": _worst_windows(tape, portfolio),
        "strategies": holdings.strategies_of(tape.observation.state, tape.names, portfolio.accounts),
        "strategy_correlation": _strategy_correlation(tape, portfolio),
    }


def _performance(tape: _Tape, portfolio: _Portfolio, series: Series | Unknown) -> Json:
    own = [trip for trip in tape.trips if trip.account in portfolio.accounts and not trip.is_open]
    nets = [float(money(trip.net_units, tape.names.account(trip.account).money_decimals)) for trip in own]
    kelly = ratios.kelly_fraction([net for net in nets if net > 0], [-net for net in nets if net <= 0])
    if isinstance(series, Unknown):
        return {
            "returns": 0,
            **dict.fromkeys(_OF_RETURNS, series),
            "beta": series,
            "benchmark": None,
            "kelly_fraction": kelly,
        }
    returns, yearly = series.values, tape.period.periods_per_year
    return {
        "returns": len(returns),
        "annual_growth": ratios.annual_growth(returns, yearly),
        "annual_volatility": ratios.annual_volatility(returns, yearly),
        "max_drawdown": ratios.max_drawdown(returns),
        "sharpe_ratio": ratios.sharpe_ratio(returns, yearly),
        "sortino_ratio": ratios.sortino_ratio(returns, yearly),
        "calmar_ratio": ratios.calmar_ratio(returns, yearly),
        **_beta(tape, series),
        "kelly_fraction": kelly,
    }


def _beta(tape: _Tape, series: Series) -> Json:
    """Against the benchmark's returns in the periods that have both; a period without a price has return 0."""
    number = tape.question.benchmark
    if number is None:
        number = min(holdings.defined(tape.observation.state.instruments), default=None)
    if number is None:
        return {"beta": Unknown("there is no instrument"), "benchmark": None}
    symbol = tape.names.instrument(number).symbol
    benchmark = position_returns(tape.closes, {number: 1.0})
    if isinstance(benchmark, Unknown):
        return {"beta": Unknown(f"no two prices of {symbol}"), "benchmark": symbol}
    first = max(series.first, benchmark.first)
    end = min(series.first + len(series.values), benchmark.first + len(benchmark.values))
    if end <= first:
        return {"beta": too_few(0, ratios.RETURNS_MIN), "benchmark": symbol}
    return {"beta": ratios.beta(series.between(first, end), benchmark.between(first, end)), "benchmark": symbol}


def _tails(series: Series | Unknown, portfolio: _Portfolio) -> Json:
    """By level and method: VaR and CVaR as returns, and as amounts of the present equity."""
    figures: Json = {"returns": 0 if isinstance(series, Unknown) else len(series.values)}
    for level in value_at_risk.LEVELS:
        if isinstance(series, Unknown):
            unknown = value_at_risk.Tail(series, series)
            tails = dict.fromkeys(value_at_risk.METHODS, unknown)
        else:
            tails = value_at_risk.tails(series.values, level)
        figures[f"{level:.0%}"] = {
            method: {
                "var": tail.value_at_risk,
                "var_amount": _amount(tail.value_at_risk, portfolio),
                "cvar": tail.conditional,
                "cvar_amount": _amount(tail.conditional, portfolio),
            }
            for method, tail in tails.items()
        }
    return figures


def _amount(part: Figure, portfolio: _Portfolio) -> str | Unknown:
    return part if isinstance(part, Unknown) else portfolio.text(Decimal(part) * portfolio.equity)


def _stress(tape: _Tape, portfolio: _Portfolio) -> list[Json] | Unknown:
    if not portfolio.worths:
        return Unknown(FLAT)
    scenarios: list[tuple[str, Mapping[int, Decimal]]] = [
        (f"all prices {shock:+.0%}", dict.fromkeys(portfolio.worths, shock)) for shock in stress.STANDARD_SHOCKS
    ]
    given = tape.question.shocks
    if given:
        moves = ", ".join(f"{tape.names.instrument(number).symbol} {shock:+%}" for number, shock in given.items())
        scenarios.insert(0, (moves, given))
    return [
        {"scenario": name, **_outcome(portfolio, stress.shocked(portfolio.worths, shocks))}
        for name, shocks in scenarios
    ]


def _outcome(portfolio: _Portfolio, profit: Decimal) -> Json:
    return {
        "profit": portfolio.text(profit),
        "equity_share": float(profit / portfolio.equity) if portfolio.equity > 0 else Unknown(NO_EQUITY),
        "equity_after": portfolio.text(portfolio.equity + profit),
    }


def _worst_windows(tape: _Tape, portfolio: _Portfolio) -> list[Json] | Unknown:
    windows = stress.worst_windows(tape.samples, portfolio.worths)
    if isinstance(windows, Unknown):
        return windows
    return [
        {
            "length": duration_text(window.length_ns),
            "start": time_text(window.start_ts_ns),
            "end": time_text(window.end_ts_ns),
            "moves": {tape.names.instrument(number).symbol: move for number, move in window.moves.items()},
            **_outcome(portfolio, Decimal(window.profit)),
        }
        for window in windows
    ]


def _strategy_correlation(tape: _Tape, portfolio: _Portfolio) -> Json | Unknown:
    """Of what the strategies earned in each period."""
    profits = strategy_profits(tape.observation, portfolio.accounts, tape.closes)
    if len(profits) < _STRATEGIES_MIN:
        return too_few(len(profits), _STRATEGIES_MIN, "strategies that traded")
    numbers = sorted(profits)
    return {
        "strategies": [tape.names.strategy(number) or "none" for number in numbers],
        "matrix": series_correlations(np.column_stack([profits[number] for number in numbers])),
    }
