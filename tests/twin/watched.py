"""What breakers look at, in the twin: every figure that an event concerns, with whose it is."""

from dataclasses import dataclass, replace
from math import isqrt

from engine.kinds import Condition, EventKind, OrderType, Scope
from engine.state import Limits
from tests.twin.base import PPM, Event
from tests.twin.figures import Figures, prices_of
from tests.twin.ledger import Position
from tests.twin.orders import Order

UNKNOWN = -1
PPM_MAX = 10**12
ALL, ACCOUNT, INSTRUMENT, STRATEGY = Scope
OF_ACCOUNTS = (
    Condition.ACCOUNT_DRAWDOWN,
    Condition.DAILY_LOSS,
    Condition.WEEKLY_LOSS,
    Condition.LOSING_STREAK,
    Condition.EXPOSURE,
    Condition.MARGIN_RATIO,
)
OF_EQUITY = (Condition.ACCOUNT_DRAWDOWN, Condition.DAILY_LOSS, Condition.WEEKLY_LOSS)
OF_PRICES = (Condition.VOLATILITY, Condition.PRICE_JUMP, Condition.SPREAD)


@dataclass(frozen=True)
class Seen:
    """A figure of a condition, and the scopes that watch it; -1 where it cannot be computed."""

    condition: int
    figure: int
    scopes: dict[Scope, int]
    account: int | None = None
    instrument: int | None = None

    @property
    def place(self) -> tuple[int, int]:
        return (self.account or 0, self.instrument or 0)

    def with_figure(self, figure: int) -> "Seen":
        return replace(self, figure=figure)


@dataclass
class Extremes:
    """The highest and lowest price of the running window, and of the one before where there was one."""

    window: int
    running: tuple[int, int]
    before: tuple[int, int] | None = None


def ppm_of(part: int, whole: int) -> int:
    """A figure in ppm: 0 where there is no loss, -1 where there is nothing to measure it by."""
    return min(max(part, 0) * PPM // whole, PPM_MAX) if whole > 0 else UNKNOWN


class Watched(Figures):
    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.seen: list[Seen] = []
        self.extremes: dict[int, Extremes] = {}
        self.jump_window_ns: dict[int, int] = {}
        self.last_price: dict[int, int] = {}
        self.equity_before: dict[int, int] = {}
        self.sampled: list[int] = []
        self.forget_seen()

    def forget_seen(self) -> None:
        """Begin a new event."""
        self.seen, self.sampled = [], []
        # Whom the event concerns: accounts, positions, strategies; and accounts whose losses a new day begins.
        self.accounts_seen: set[int] = set()
        self.positions_seen: set[tuple[int, int]] = set()
        self.strategies_seen: set[int] = set()
        self.day_began = False
        self.filled: set[int] = set()
        self.equity_before = {number: account.equity_units for number, account in self.ledger.accounts.items()}
        self.marks_before = {number: self._marks(number) for number in self.instruments}

    def _marks(self, number: int) -> tuple[int, int]:
        return self.instruments[number].long_mark_ticks, self.instruments[number].short_mark_ticks

    def accounts_moved(self) -> set[int]:
        """The accounts whose equity is another than before the event, or that had a fill."""
        equity = {number: account.equity_units for number, account in self.ledger.accounts.items()}
        moved = {number for number, units in equity.items() if units != self.equity_before.get(number, 0)}
        return moved | self.filled

    def gather(self) -> None:
        """The figures of everyone whom the event concerns, as they are now."""
        moved = self.accounts_moved()
        for account in sorted(self.ledger.accounts):
            if account in self.accounts_seen:
                self._see_account(account, OF_ACCOUNTS)
            elif account in moved or self.day_began:
                self._see_account(account, OF_EQUITY)
        for account, instrument in sorted(self.positions_seen):
            self._see_position(account, instrument)
        strategies = set(self.strategies) if self.day_began else self.strategies_seen
        for strategy in sorted(strategies):
            self._see_strategy(strategy)

    def see_what_can_be_computed(self) -> None:
        for account, row in sorted(self.ledger.accounts.items()):
            if row.equity_units > 0:
                self._see_account(account, OF_ACCOUNTS)
        for account, instrument in sorted(self.ledger.positions):
            self._see_position(account, instrument)
        for strategy in sorted(self.strategies):
            self._see_strategy(strategy)

    # Figures of the state

    def _see_account(self, account: int, conditions: tuple[Condition, ...]) -> None:
        scopes = {ALL: 0, ACCOUNT: account}
        for condition in conditions:
            self.seen.append(Seen(condition, self._account_figure(condition, account), scopes, account=account))

    def _account_figure(self, condition: int, number: int) -> int:
        account = self.ledger.accounts[number]
        equity = account.equity_units
        if condition == Condition.LOSING_STREAK:
            return account.losing_streak
        if equity <= 0:
            return UNKNOWN
        if condition == Condition.ACCOUNT_DRAWDOWN:
            return ppm_of(account.guard_peak_units - equity, account.guard_peak_units)
        if condition == Condition.DAILY_LOSS:
            return ppm_of(account.day_equity_units - equity, account.day_equity_units)
        if condition == Condition.WEEKLY_LOSS:
            return ppm_of(account.week_equity_units - equity, account.week_equity_units)
        if condition == Condition.EXPOSURE:
            return ppm_of(account.long_units + account.short_units, equity)
        return ppm_of(self._maintenance_margin(number), equity)

    def _maintenance_margin(self, account: int) -> int:
        """Of what is held, rounded up for each instrument."""
        return sum(
            -(-abs(position.worth_units) * self.instruments[number].margin_maintenance_ppm // PPM)
            for (owner, number), position in self.ledger.positions.items()
            if owner == account
        )

    def _see_position(self, account: int, instrument: int) -> None:
        position = self.ledger.position(account, instrument)
        scopes = {ALL: 0, ACCOUNT: account, INSTRUMENT: instrument}
        of = {"account": account, "instrument": instrument}
        self.seen.append(Seen(Condition.POSITION_LOSS, loss_of(position), scopes, **of))
        streak = {INSTRUMENT: instrument}
        self.seen.append(Seen(Condition.LOSING_STREAK, max(-position.streak, 0), streak, **of))

    def _see_strategy(self, number: int) -> None:
        strategy, scopes = self.strategies[number], {STRATEGY: number}
        accounts = self.ledger.accounts.values()
        day = min(sum(max(account.day_equity_units, 0) for account in accounts), 2**60)
        week = min(sum(max(account.week_equity_units, 0) for account in accounts), 2**60)
        self.seen += [
            Seen(Condition.DAILY_LOSS, ppm_of(-strategy.day_realized_units, day), scopes),
            Seen(Condition.WEEKLY_LOSS, ppm_of(-strategy.week_realized_units, week), scopes),
            Seen(Condition.LOSING_STREAK, strategy.losing_streak, scopes),
        ]

    # What events concern

    def _see_instrument(self, condition: Condition, number: int, figure: int) -> None:
        self.seen.append(Seen(condition, figure, {ALL: 0, INSTRUMENT: number}, instrument=number))

    def _positions_in(self, number: int) -> set[tuple[int, int]]:
        return {(account, number) for account in self.ledger.accounts}

    def _held_in(self, number: int) -> set[tuple[int, int]]:
        return {place for place in self._positions_in(number) if self.ledger.position(*place).quantity_lots}

    def on_day_due(self) -> None:
        began = self.ts_ns >= self.day_ends_ts_ns
        super().on_day_due()
        self.day_began = self.day_began or began

    def on_filled(self, fill: Event, order: Order | None) -> None:
        super().on_filled(fill, order)
        account, instrument = fill["account"], fill["instrument"]
        self.filled.add(account)
        self.accounts_seen.add(account)
        self.positions_seen |= self._positions_in(instrument)
        if order is None:
            return
        self.strategies_seen.add(order.strategy)
        if order.order_type in (OrderType.MARKET, OrderType.STOP):
            reference = order.trigger_ticks if order.order_type == OrderType.STOP else order.reference_ticks
            worse = ppm_of(order.side * (fill["price_ticks"] - reference), reference)
            scopes = {ALL: 0, ACCOUNT: account, INSTRUMENT: instrument, STRATEGY: order.strategy}
            self.seen.append(Seen(Condition.FILL_SLIPPAGE, worse, scopes, account=account, instrument=instrument))

    def on_order_reported(self, report: Event, order: Order | None) -> None:
        super().on_order_reported(report, order)
        if report["kind"] == EventKind.ORDER_REJECTED:
            scopes, of = {ALL: 0, ACCOUNT: report["account"]}, {"account": report["account"]}
            if order is not None:
                scopes = {ALL: 0, ACCOUNT: order.account, STRATEGY: order.strategy}
                of = {"account": order.account, "instrument": order.instrument}
            self.seen.append(Seen(Condition.REJECTS, 1, scopes, **of))

    def on_request_failed(self, failure: Event) -> None:
        super().on_request_failed(failure)
        known = failure["account"] in self.ledger.accounts
        scopes = {ALL: 0, ACCOUNT: failure["account"]} if known else {ALL: 0}
        account = failure["account"] if known else None
        self.seen.append(Seen(Condition.REQUEST_FAILURES, 1, scopes, account=account))

    def on_position_reported(self, report: Event) -> None:
        super().on_position_reported(report)
        account, instrument = report["account"], report["instrument"]
        held = self.ledger.position(account, instrument).quantity_lots
        scopes = {ALL: 0, ACCOUNT: account, INSTRUMENT: instrument}
        of = {"account": account, "instrument": instrument}
        self.seen.append(Seen(Condition.RECONCILIATION, abs(report["quantity_lots"] - held), scopes, **of))

    def on_exchange_time(self, event: Event) -> None:
        super().on_exchange_time(event)
        if event["kind"] != EventKind.BAR and event["kind"] < EventKind.CASH_MOVED and event["ts_exchange_ns"] > 0:
            skew = abs(self.ts_ns - event["ts_exchange_ns"])
            self.seen.append(Seen(Condition.CLOCK_SKEW, skew, {ALL: 0}))

    def on_timer(self) -> None:
        super().on_timer()
        self.accounts_seen |= set(self.ledger.accounts)
        self.strategies_seen |= set(self.strategies)
        for number, instrument in sorted(self.instruments.items()):
            self.positions_seen |= self._positions_in(number)
            never = instrument.market_events == 0
            age = UNKNOWN if never else self.ts_ns - instrument.market_ts_ns
            self._see_instrument(Condition.STALE_DATA, number, age)
            if never:
                for condition in OF_PRICES:
                    self._see_instrument(condition, number, UNKNOWN)
        for account in self.ledger.accounts:
            self.seen.append(Seen(Condition.REQUEST_FAILURES, 0, {ACCOUNT: account}))
            self.seen.append(Seen(Condition.REJECTS, 0, {ACCOUNT: account}))
        for strategy in self.strategies:
            self.seen.append(Seen(Condition.REJECTS, 0, {STRATEGY: strategy}))
        self.seen += [Seen(Condition.REQUEST_FAILURES, 0, {ALL: 0}), Seen(Condition.REJECTS, 0, {ALL: 0})]

    def on_price_invalid(self, instrument: int) -> None:
        super().on_price_invalid(instrument)
        for condition in OF_PRICES:
            self._see_instrument(condition, instrument, UNKNOWN)
        for account, number in sorted(self._held_in(instrument)):
            scopes = {ALL: 0, ACCOUNT: account, INSTRUMENT: number}
            self.seen.append(Seen(Condition.POSITION_LOSS, UNKNOWN, scopes, account=account, instrument=number))

    def on_sample(self, instrument: int) -> None:
        super().on_sample(instrument)
        self.sampled.append(instrument)
        row = self.instruments[instrument]
        if row.samples >= (self.instrument_rules[instrument]["volatility_samples_min"] or 20):
            self._see_instrument(Condition.VOLATILITY, instrument, isqrt(row.variance_ppb2) // 1000)

    def on_market_event(self, event: Event) -> None:
        super().on_market_event(event)
        number = event["instrument"]
        if self._marks(number) != self.marks_before.get(number):
            self.positions_seen |= self._held_in(number)
        if event["kind"] == EventKind.QUOTE:
            middle = (event["bid_ticks"] + event["ask_ticks"]) // 2
            self._see_instrument(Condition.SPREAD, number, ppm_of(event["ask_ticks"] - event["bid_ticks"], middle))
        prices = prices_of(event)
        if prices is not None:
            self.last_price[number] = prices[2]
            self._see_jump(number, *prices)

    def _see_jump(self, number: int, high: int, low: int, price: int) -> None:
        """How far the price is from the extremes of the last whole window and the running one."""
        length = self.longest_window(number)
        if length == 0:
            self.extremes.pop(number, None)
            return
        if self.jump_window_ns.get(number) != length:
            self.extremes.pop(number, None)
            self.jump_window_ns[number] = length
        window = self.ts_ns // length
        seen = self.extremes.setdefault(number, Extremes(window, (high, low)))
        if window != seen.window:
            seen.before = seen.running if window == seen.window + 1 else None
            seen.window, seen.running = window, (high, low)
        seen.running = (max(seen.running[0], high), min(seen.running[1], low))
        extremes = [seen.running] + ([seen.before] if seen.before is not None else [])
        highest, lowest = max(high for high, _ in extremes), min(low for _, low in extremes)
        jump = max(ppm_of(highest - price, highest), ppm_of(price - lowest, lowest))
        self._see_instrument(Condition.PRICE_JUMP, number, jump)

    def longest_window(self, instrument: int) -> int:
        """Of the price jump breakers that watch the instrument."""
        windows = [
            rule["window_ns"]
            for rule in self.breaker_rules.values()
            if rule["condition"] == Condition.PRICE_JUMP
            and (rule["scope"] == ALL or (rule["scope"] == INSTRUMENT and rule["scope_id"] == instrument))
        ]
        return max(windows, default=0)


def loss_of(position: Position) -> int:
    """What a position has lost, in ppm of what it cost; nothing where nothing is held."""
    return ppm_of(-position.unrealized_units, abs(position.cost_units)) if position.quantity_lots else 0
