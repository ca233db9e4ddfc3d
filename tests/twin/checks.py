"""The checks before an order that opens, in the twin: one after the other, every figure counted anew."""

from collections.abc import Iterator
from typing import Any

from engine.arithmetic import MONEY_MAX
from engine.kinds import AccountKind, OrderRole, OrderStatus, TradingState
from engine.reasons import Reason
from engine.state import Limits
from tests.twin.base import PPM, Refusal
from tests.twin.exposure import Exposure, ceil_div
from tests.twin.levels import Levels
from tests.twin.pace import DAY_NS, Pace

# (whether the rule is set and has a figure to compare, whether it fails, reason, limit, observed)
Check = tuple[Any, Any, int, int, int]


class Checks(Exposure, Pace, Levels):
    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        # What entries were asked on the last event and passed: (reason, limit, observed), in order.
        self.passed: list[Refusal] = []

    def check_entry(
        self, instrument: int, strategy: int, side: int, quantity: int, price: int, limit: int, closing: int
    ) -> Refusal | None:
        """(reason, limit, observed) of the first check that fails; `closing` lots of the position are gone."""
        checks = (
            self._check_state(instrument, strategy),
            self._check_market(instrument, side, limit),
            self._check_repetition(instrument, strategy, side, quantity, limit),
            self._check_size(instrument, side, quantity, price, closing),
            self._check_exposure(instrument, side, quantity, price, closing),
            self._check_funds(instrument, side, quantity, price, closing),
            self._check_counts(instrument),
            self._check_losses(instrument, strategy),
            self._check_rates(),
        )
        for group in checks:
            for asked, fails, reason, allowed, observed in group:
                if fails:
                    return reason, allowed, observed
                if asked:
                    self.passed.append((int(reason), int(allowed), int(observed)))
        return None

    def _check_state(self, number: int, strategy: int) -> Iterator[Check]:
        state = self.trading_state
        yield True, state == TradingState.HALTED, Reason.TRADING_HALTED, 0, state
        yield True, state == TradingState.REDUCE_ONLY, Reason.TRADING_REDUCE_ONLY, 0, state
        yield True, self.instrument_rules[number]["blocked"], Reason.INSTRUMENT_NOT_ALLOWED, 0, number
        breaker = self.blocking_breaker(number, strategy)
        yield self.has_breakers(), breaker is not None, Reason.BREAKER_TRIPPED, *(breaker or (-1, 0))
        account = self.instruments[number].account
        transport = self.transport_refusal(account)
        yield True, transport is not None, Reason.TRANSPORT_OPEN, self.closed_until(account), self.ts_ns

    def _check_market(self, number: int, side: int, limit: int) -> Iterator[Check]:
        instrument, rules = self.instruments[number], self.instrument_rules[number]
        local = self.ts_ns + rules["zone_offset_ns"]
        outside = rules["windows"] and not self._in_window(number, local)
        yield rules["windows"], outside, Reason.OUTSIDE_WINDOW, 0, local % DAY_NS
        oldest, age = rules["reference_age_max_ns"], self.ts_ns - instrument.market_ts_ns
        yield oldest, age > oldest > 0, Reason.REFERENCE_STALE, oldest, age
        mark = instrument.touch(side)
        worse = max(min(ceil_div((limit - mark) * side * PPM, mark), MONEY_MAX), 0)
        collar = rules["collar_ppm"]
        yield collar and limit, collar and limit and worse > collar, Reason.PRICE_OUTSIDE_COLLAR, collar, worse

    def _in_window(self, number: int, local: int) -> bool:
        """The first day of the epoch was a Thursday."""
        weekday = (local // DAY_NS + 3) % 7
        rows = [self.windows[number][row] for row in range(self.instrument_rules[number]["windows"])]
        return any(row["days"] >> weekday & 1 and row["starts_ns"] <= local % DAY_NS < row["ends_ns"] for row in rows)

    def _check_repetition(self, number: int, strategy: int, side: int, quantity: int, limit: int) -> Iterator[Check]:
        instrument, rules = self.instruments[number], self.instrument_rules[number]
        for name, last, reason in (
            ("cooldown_ns", instrument.last_entry_ts_ns, Reason.COOLDOWN),
            ("loss_cooldown_ns", instrument.last_loss_ts_ns, Reason.LOSS_COOLDOWN),
        ):
            since = self.ts_ns - last
            yield last and rules[name], last and since < rules[name], reason, rules[name], since
        same = [when for when, intent in self.intents if intent == (strategy, number, side, quantity, limit)]
        since, window = self.ts_ns - max(same, default=0), self.book["duplicate_window_ns"]
        yield same and window, same and since < window, Reason.DUPLICATE_INTENT, window, since
        price = limit or instrument.touch(side)
        met = [
            order.limit_ticks
            for order in self.orders.open(number)
            if order.side == -side
            and order.limit_ticks
            and not order.trigger_ticks
            and order.status != OrderStatus.HELD
            and (price - order.limit_ticks) * side >= 0
        ]
        best = min(met, key=lambda ticks: ticks * side, default=0)
        yield rules["self_cross_refused"], rules["self_cross_refused"] and met, Reason.SELF_CROSS, best, price

    def _check_size(self, number: int, side: int, quantity: int, price: int, closing: int) -> Iterator[Check]:
        rules = self.instrument_rules[number]
        lots, notional = rules["order_quantity_max_lots"], rules["order_notional_max_units"]
        worth = quantity * price * self.instruments[number].tick_lot_units
        yield lots, lots and quantity > lots, Reason.ORDER_QUANTITY_MAX, lots, quantity
        yield notional, notional and worth > notional, Reason.ORDER_NOTIONAL_MAX, notional, worth
        most = rules["position_max_lots"]
        after = abs(self.after_lots(number, side, quantity, closing))
        yield most, most and after > most, Reason.POSITION_QUANTITY_MAX, most, after
        weight, equity = rules["position_weight_max_ppm"], self.equity(number)
        allowed = max(equity, 0) * weight // PPM
        after = self.after_units(number, side, quantity, price, closing)
        yield weight, weight and (equity <= 0 or after > allowed), Reason.POSITION_WEIGHT_MAX, allowed, after

    def _check_exposure(self, number: int, side: int, quantity: int, price: int, closing: int) -> Iterator[Check]:
        account = self.instruments[number].account
        equity = self.ledger.accounts[account].equity_units
        equities = sum(row.equity_units for row in self.ledger.accounts.values())
        scopes = (
            ("ACCOUNT", self.account_rules[account], [account], equity),
            ("TOTAL", self.book, sorted(self.ledger.accounts), equities),
        )
        for scope, rules, accounts, own in scopes:
            figures = self.exposures(accounts, number, side, quantity, price, closing)
            for name in ("gross", "net", "long", "short"):
                most, reason = rules[f"{name}_max_units"], Reason[f"{scope}_{name.upper()}_MAX"]
                yield most, most and figures[name] > most, reason, most, figures[name]
            leverage, gross = rules["leverage_max_ppm"], figures["gross"]
            allowed, reason = max(own, 0) * leverage // PPM, Reason[f"{scope}_LEVERAGE_MAX"]
            yield leverage, leverage and (own <= 0 or gross > allowed), reason, allowed, gross

    def _check_funds(self, number: int, side: int, quantity: int, price: int, closing: int) -> Iterator[Check]:
        account = self.instruments[number].account
        sells_cash = self.ledger.accounts[account].account_kind == AccountKind.CASH and side < 0
        if self.account_rules[account]["funds_checked"] and not sells_cash:
            free, needed = self.funds(number, side, quantity, price, closing)
            yield True, free < needed, Reason.FUNDS_INSUFFICIENT, free, needed

    def _check_counts(self, number: int) -> Iterator[Check]:
        most, orders = self.book["open_orders_max"], len(self.orders.open())
        yield most, most and orders >= most, Reason.OPEN_ORDERS_MAX, most, orders
        most, held = self.book["open_positions_max"], self.positions_held_or_entered()
        account = self.instruments[number].account
        fresh = (account, number) not in held
        yield most and fresh, most and fresh and len(held) >= most, Reason.OPEN_POSITIONS_MAX, most, len(held)
        most, today = self.book["entries_per_day_max"], self.counts.get("entries_today", 0)
        yield most, most and today >= most, Reason.ENTRIES_PER_DAY_MAX, most, today
        most = self.instrument_rules[number]["entries_per_day_max"]
        today = self.instruments[number].entries_today
        yield most, most and today >= most, Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX, most, today

    def _check_losses(self, number: int, strategy: int) -> Iterator[Check]:
        account = self.ledger.accounts[self.instruments[number].account]
        rules, equity = self.account_rules[self.instruments[number].account], account.equity_units
        loss = account.day_equity_units - equity
        most = rules["daily_loss_max_units"]
        yield most, most and (equity <= 0 or loss >= most), Reason.DAILY_LOSS_MAX, most, loss
        share = rules["daily_loss_max_ppm"]
        most = ceil_div(max(account.day_equity_units, 0) * share, PPM)
        yield share, share and (equity <= 0 or loss >= most), Reason.DAILY_LOSS_MAX, most, loss
        share, drawdown = rules["drawdown_max_ppm"], account.guard_peak_units - equity
        most = ceil_div(max(account.guard_peak_units, 0) * share, PPM)
        yield share, share and (equity <= 0 or drawdown >= most), Reason.DRAWDOWN_MAX, most, drawdown
        most, loss = self.strategy_rules[strategy]["loss_max_units"], -self.strategy_gain(strategy)
        yield most, most and loss >= most, Reason.STRATEGY_LOSS_MAX, most, loss
        level = self.risk_level(number)
        yield True, self.scale_ppm(number) == 0, Reason.RISK_STOPPED, 0, level

    def strategy_gain(self, strategy: int) -> int:
        """What a strategy has made, with what it holds at the mark."""
        row = self.strategies[strategy]
        gain = row.realized_units - row.fees_units
        for (owner, number), pair in self.pairs.items():
            if owner == strategy and pair.book.quantity_lots:
                gain += self.worth(number, pair.book.quantity_lots) - pair.book.cost_units
        return gain

    def _check_rates(self) -> Iterator[Check]:
        for bucket, reason in (
            (self.order_bucket, Reason.ORDER_RATE_MAX),
            (self.cancel_bucket, Reason.CANCEL_RATE_MAX),
        ):
            rate, waits = bucket.until_next(self.book, self.ts_ns)
            yield bucket.is_there(self.book), waits, reason, rate, waits

    # Executions

    def note_execution(self, order: Any) -> None:
        """The first fill of an entry order counts; as many within the window as there may be throttle the strategy."""
        if order.order_role != OrderRole.ENTRY or order.fills != 1:
            return
        rules, strategy = self.strategy_rules[order.strategy], self.strategies[order.strategy]
        times = self.executions.setdefault(order.strategy, [])
        times.append(self.ts_ns)
        most, window = rules["executions_max"], rules["executions_window_ns"]
        lately = [when for when in times if self.ts_ns - when < window]
        if most and window and len(lately) >= most and not strategy.throttled:
            strategy.throttled = 1
            self.alert(order.instrument, order.strategy, order.order, Reason.EXECUTIONS_THROTTLED, most)

    def forget_executions(self, strategy: int) -> None:
        self.strategies[strategy].throttled = 0
        self.executions[strategy] = []
