"""Figures beside the ledger, naively: days and weeks, drawdowns, streaks, each strategy's own book, the estimates."""

from dataclasses import dataclass
from fractions import Fraction
from math import trunc
from typing import Any

from engine import rules
from engine.kinds import EventKind
from tests.twin.base import Event, Instrument, Rules
from tests.twin.hooks import Hooks
from tests.twin.ledger import Account, Position
from tests.twin.orders import Order

DAY_NS = 86_400 * 10**9
WEEK_NS = 7 * DAY_NS
# The first Monday of the epoch is its fifth day.
FIRST_MONDAY_NS = 4 * DAY_NS
RETURN_MAX_PPB = 2 * 10**9


@dataclass
class Sample:
    """What an instrument's price did since the running sample began."""

    high: int
    low: int
    close: int
    ends_ts_ns: int


def prices_of(event: Event) -> tuple[int, int, int] | None:
    """The highest, lowest and last price that a market event brings; None where it brings none."""
    kind = event["kind"]
    if kind == EventKind.QUOTE:
        price = (event["bid_ticks"] + event["ask_ticks"]) // 2
        return price, price, price
    if kind == EventKind.TRADE:
        return (event["price_ticks"],) * 3
    if kind == EventKind.BAR:
        return event["high_ticks"], event["low_ticks"], event["close_ticks"]
    if kind == EventKind.MARK_PRICE:
        return (event["mark_ticks"],) * 3
    return None


def add_up(row: Any, books: list[Position], last: Position) -> None:
    """The closed trades of an account or strategy are those of its books; `last` has just closed one."""
    for name in ("trades", "trades_won", "profit_units", "loss_units"):
        setattr(row, name, sum(getattr(book, name) for book in books))
    row.streak = max(row.streak, 0) + 1 if last.streak > 0 else min(row.streak, 0) - 1
    row.losing_streak = row.losing_streak + 1 if last.streak < 0 else 0


class Figures(Hooks):
    """Days, drawdowns, trades and estimates."""

    def __init__(self, limits: Any) -> None:
        super().__init__(limits)
        self.day_ends_ts_ns = 0
        self.week_ends_ts_ns = 0
        self.running: dict[int, Sample] = {}
        self.last_close: dict[int, int] = {}
        self.equity_settled: dict[int, int] = {}

    # Days and weeks

    def on_day_due(self) -> None:
        """A new day begins, and on Monday a new week, where the last one is over."""
        if self.ts_ns < self.day_ends_ts_ns:
            return
        new_week = self.ts_ns >= self.week_ends_ts_ns
        self.set_day_ends()
        self.counts["entries_today"] = 0
        for instrument in self.instruments.values():
            instrument.entries_today = 0
        for account in self.ledger.accounts.values():
            account.entries_today = 0
            account.day_equity_units = account.equity_units
            if new_week:
                account.week_equity_units = account.equity_units
        for strategy in self.strategies.values():
            strategy.day_realized_units = 0
            if new_week:
                strategy.week_realized_units = 0

    def set_day_ends(self) -> None:
        today = self.ts_ns - self.book["day_offset_ns"]
        self.day_ends_ts_ns = (today // DAY_NS + 1) * DAY_NS + self.book["day_offset_ns"]
        weeks = (today - FIRST_MONDAY_NS) // WEEK_NS + 1
        self.week_ends_ts_ns = weeks * WEEK_NS + FIRST_MONDAY_NS + self.book["day_offset_ns"]

    def on_rules_changed(self, setting: int, account: int, instrument: int, row: int) -> None:
        """A changed offset moves the end of the present day; a changed interval drops the running samples."""
        super().on_rules_changed(setting, account, instrument, row)
        if setting == rules.BOOK.number("day_offset_ns"):
            self.set_day_ends()
        if setting == rules.BOOK.number("sample_interval_ns"):
            self.running.clear()

    # Accounts

    def on_cash_moved(self, account: int, amount: int) -> None:
        """Neither a deposit nor a withdrawal is a gain: what gains are measured from moves along."""
        row = self.ledger.accounts[account]
        row.guard_peak_units += amount
        row.day_equity_units += amount
        row.week_equity_units += amount

    def on_valued(self) -> None:
        """Worth, exposures and the guarded peak."""
        for (_, number), position in self.ledger.positions.items():
            instrument = self.instruments[number]
            lots = position.quantity_lots
            mark = instrument.long_mark_ticks if lots > 0 else instrument.short_mark_ticks
            position.worth_units = lots * mark * instrument.tick_lot_units
        for number, account in self.ledger.accounts.items():
            worth = [p.worth_units for (owner, _), p in self.ledger.positions.items() if owner == number]
            account.long_units = sum(units for units in worth if units > 0)
            account.short_units = -sum(units for units in worth if units < 0)
            account.guard_peak_units = max(account.guard_peak_units, account.equity_units)
            self._follow_drawdown(number, account)

    def _follow_drawdown(self, number: int, account: Account) -> None:
        """How long the equity has been below its peak, as far as it moved."""
        before, self.equity_settled[number] = self.equity_settled.get(number, 0), account.equity_units
        if account.equity_units == before:
            return
        if account.equity_units >= account.peak_equity_units:
            account.peak_ts_ns = self.ts_ns
        else:
            account.max_drawdown_ns = max(account.max_drawdown_ns, self.ts_ns - account.peak_ts_ns)

    # Trades

    def book_strategy_fill(self, fill: Event, order: Order | None) -> None:
        """A fill of an order belongs to the order's strategy, at average cost; one of no order to none."""
        if order is None:
            return
        unit = self.instruments[fill["instrument"]].tick_lot_units
        strategy, book = self.strategies[order.strategy], self.pairs[order.strategy, fill["instrument"]].book
        delta = -fill["quantity_lots"] if fill["fill_flags"] & 1 else fill["quantity_lots"]
        fee = fill["fee"]
        if fill["fill_flags"] & 4:
            delta, fee = delta - fee, fee * fill["price_ticks"] * unit
        trades = book.trades
        realized = book.trade(delta, fill["price_ticks"], fee, unit, self.ts_ns)
        strategy.realized_units += realized
        strategy.fees_units += fee
        strategy.day_realized_units += realized - fee
        strategy.week_realized_units += realized - fee
        if book.trades != trades:
            add_up(strategy, [pair.book for (owner, _), pair in self.pairs.items() if owner == order.strategy], book)

    def on_trade_closed(self, fill: Event, order: Order | None) -> None:
        """A fill closed a round trip of its position: the account's trades are those of its positions."""
        super().on_trade_closed(fill, order)
        number, last = fill["account"], self.ledger.position(fill["account"], fill["instrument"])
        books = [position for (owner, _), position in self.ledger.positions.items() if owner == number]
        add_up(self.ledger.accounts[number], books, last)
        if last.streak < 0:
            self.instruments[fill["instrument"]].last_loss_ts_ns = self.ts_ns

    # Estimates

    def on_market_event(self, event: Event) -> None:
        super().on_market_event(event)
        prices = prices_of(event)
        if prices is None:
            return
        number, interval = event["instrument"], self.book["sample_interval_ns"]
        high, low, close = prices
        if interval == 0:
            if event["kind"] == EventKind.BAR:
                self.close_sample(number, high, low, close)
            return
        running = self.running.get(number)
        if running is not None and self.ts_ns < running.ends_ts_ns:
            running.high, running.low, running.close = max(running.high, high), min(running.low, low), close
            return
        self.running[number] = Sample(high, low, close, (self.ts_ns // interval + 1) * interval)
        if running is not None:
            self.close_sample(number, running.high, running.low, running.close)

    def close_sample(self, number: int, high: int, low: int, close: int) -> None:
        instrument, rules = self.instruments[number], self.instrument_rules[number]
        before, self.last_close[number] = self.last_close.get(number), close
        instrument.samples += 1
        if before is not None:
            _estimate(instrument, rules, before, high, low, close)
        self.on_sample(number)

    def on_sample(self, instrument: int) -> None:
        """A sample was closed."""


def _estimate(instrument: Instrument, rules: Rules, before: int, high: int, low: int, close: int) -> None:
    """RiskMetrics' variance and Wilder's average true range; the first return sets them."""
    gain = trunc(Fraction((close - before) * 10**9, before))
    square = max(-RETURN_MAX_PPB, min(RETURN_MAX_PPB, gain)) ** 2
    true_range = (max(high, before) - min(low, before)) * 10**6
    if instrument.samples == 2:
        instrument.variance_ppb2 = instrument.slow_variance_ppb2 = square
        instrument.atr_microticks = true_range
        return
    fast, slow = rules["variance_weight_ppm"] or 60_000, rules["slow_variance_weight_ppm"] or 6_000
    instrument.variance_ppb2 += trunc(Fraction((square - instrument.variance_ppb2) * fast, 10**6))
    instrument.slow_variance_ppb2 += trunc(Fraction((square - instrument.slow_variance_ppb2) * slow, 10**6))
    instrument.atr_microticks += trunc(Fraction(true_range - instrument.atr_microticks, rules["atr_samples"] or 14))
