"""Accounts and positions, naively: every valuation is made anew from what is held and what it cost."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor, trunc


@dataclass
class Account:
    defined: int = 0
    account_kind: int = 0
    money_decimals: int = 0
    deposits_units: int = 0
    realized_units: int = 0
    fees_units: int = 0
    funding_units: int = 0
    unrealized_units: int = 0
    cost_units: int = 0
    equity_units: int = 0
    peak_equity_units: int = 0
    max_drawdown_units: int = 0
    max_drawdown_ppm: int = 0
    reported_total_units: int = 0
    reported_available_units: int = 0
    long_units: int = 0
    short_units: int = 0
    peak_ts_ns: int = 0
    max_drawdown_ns: int = 0
    guard_peak_units: int = 0
    day_equity_units: int = 0
    week_equity_units: int = 0
    entries_today: int = 0
    trades: int = 0
    trades_won: int = 0
    profit_units: int = 0
    loss_units: int = 0
    streak: int = 0
    losing_streak: int = 0
    risk_level: int = 0
    risk_level_ts_ns: int = 0

    def settle(self) -> None:
        """Equity is deposits + realized - fees + funding + unrealized; the drawdown is measured from its peak."""
        gains = self.realized_units + self.funding_units + self.unrealized_units
        self.equity_units = self.deposits_units + gains - self.fees_units
        self.peak_equity_units = max(self.peak_equity_units, self.equity_units)
        drawdown = self.peak_equity_units - self.equity_units
        self.max_drawdown_units = max(self.max_drawdown_units, drawdown)
        if self.peak_equity_units > 0:
            ppm = min(drawdown * 10**6 // self.peak_equity_units, 10**12)
            self.max_drawdown_ppm = max(self.max_drawdown_ppm, ppm)

    def move_cash(self, amount: int) -> None:
        """Neither a deposit nor a withdrawal is a gain: the peak moves along."""
        self.deposits_units += amount
        self.peak_equity_units += amount


@dataclass
class Position:
    quantity_lots: int = 0
    cost_units: int = 0
    realized_units: int = 0
    fees_units: int = 0
    funding_units: int = 0
    unrealized_units: int = 0
    bought_lots: int = 0
    sold_lots: int = 0
    fills: int = 0
    trades: int = 0
    trades_won: int = 0
    trade_units: int = 0
    opened_ts_ns: int = 0
    reported_lots: int = 0
    worth_units: int = 0
    profit_units: int = 0
    loss_units: int = 0
    streak: int = 0

    def trade(self, delta: int, price: int, fee_units: int, unit: int, ts_ns: int) -> int:
        """Buy or sell at a price; returns the profit realized. What is closed leaves at its average cost."""
        closing = min(abs(self.quantity_lots), abs(delta)) if self.quantity_lots * delta < 0 else 0
        realized, fee_closing = 0, 0
        if closing:
            sign = 1 if self.quantity_lots > 0 else -1
            cost = trunc(Fraction(self.cost_units * closing, abs(self.quantity_lots)))
            realized = sign * closing * price * unit - cost
            fee_closing = trunc(Fraction(fee_units * closing, abs(delta)))
            self.quantity_lots -= sign * closing
            self.cost_units -= cost
            self.realized_units += realized
            self.trade_units += realized - fee_closing
            if self.quantity_lots == 0:
                self._close_trade()
        opening = abs(delta) - closing
        if opening:
            if self.quantity_lots == 0:
                self.opened_ts_ns = ts_ns
            signed = opening if delta > 0 else -opening
            self.quantity_lots += signed
            self.cost_units += signed * price * unit
            self.trade_units -= fee_units - fee_closing
        self.fees_units += fee_units
        return realized

    def _close_trade(self) -> None:
        """A round trip is over; it is won where it left something after fees and funding."""
        won = self.trade_units > 0
        self.trades += 1
        self.trades_won += won
        if won:
            self.profit_units += self.trade_units
            self.streak = max(self.streak, 0) + 1
        else:
            self.loss_units -= self.trade_units
            self.streak = min(self.streak, 0) - 1
        self.trade_units = 0


@dataclass
class Ledger:
    """Accounts by number, positions by account and instrument."""

    accounts: dict[int, Account] = field(default_factory=dict)
    positions: dict[tuple[int, int], Position] = field(default_factory=dict)

    def position(self, account: int, instrument: int) -> Position:
        return self.positions.setdefault((account, instrument), Position())

    def fill(self, fill: dict[str, int], unit: int, ts_ns: int) -> None:
        """Book a fill; a fee in the base is taken out of what is held, and is worth what it costs here."""
        account = self.accounts[fill["account"]]
        position = self.position(fill["account"], fill["instrument"])
        selling, in_base = fill["fill_flags"] & 1, fill["fill_flags"] & 4
        price, quantity = fill["price_ticks"], fill["quantity_lots"]
        delta = -quantity if selling else quantity
        fee_units = fill["fee"]
        if in_base:
            delta -= fill["fee"]
            fee_units = fill["fee"] * price * unit
        account.realized_units += position.trade(delta, price, fee_units, unit, ts_ns)
        account.fees_units += fee_units
        position.fills += 1
        if selling:
            position.sold_lots += quantity
        else:
            position.bought_lots += quantity

    def pay_funding(self, account: int, instrument: int, amount: int) -> None:
        position = self.position(account, instrument)
        position.funding_units += amount
        position.trade_units += amount
        self.accounts[account].funding_units += amount

    def pay_funding_rate(self, instrument: int, mark: int, unit: int, rate_ppb: int) -> None:
        """Every holder pays quantity * mark * unit * rate, rounded against the holder."""
        for (account, number), position in self.positions.items():
            if number == instrument and position.quantity_lots:
                worth = position.quantity_lots * mark * unit
                self.pay_funding(account, instrument, floor(-Fraction(worth * rate_ppb, 10**9)))

    def value(self, marks: dict[int, tuple[int, int, int]]) -> None:
        """Value everything anew at (long mark, short mark, unit) of each instrument."""
        for (_, number), position in self.positions.items():
            long_mark, short_mark, unit = marks[number]
            mark = long_mark if position.quantity_lots > 0 else short_mark
            position.worth_units = position.quantity_lots * mark * unit
            position.unrealized_units = position.worth_units - position.cost_units
        for account_number, account in self.accounts.items():
            held = [position for (owner, _), position in self.positions.items() if owner == account_number]
            account.unrealized_units = sum(position.unrealized_units for position in held)
            account.cost_units = sum(position.cost_units for position in held)
            account.long_units = sum(max(position.worth_units, 0) for position in held)
            account.short_units = sum(max(-position.worth_units, 0) for position in held)
            account.settle()
