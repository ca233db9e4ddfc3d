"""Circuit breakers in the twin: what an event concerns is gathered while it is booked, and looked at in the end."""

from dataclasses import dataclass, field

from engine import rules
from engine.kinds import (
    BreakerAction,
    BreakerStatus,
    Condition,
    DecisionKind,
    OperatorAction,
    RearmRule,
    Scope,
    TradingState,
)
from engine.reasons import Reason
from engine.state import Limits
from tests.twin.base import Event, require
from tests.twin.watched import UNKNOWN, Seen, Watched

NOBODY = -1
NOT_ARMED = (BreakerStatus.TRIPPED, BreakerStatus.COOLING, BreakerStatus.LATCHED)
NOT_THERE = (BreakerStatus.NONE, BreakerStatus.DISABLED)
# In the scope of which the next figure counts, whoever it is of.
OF_THE_EVENT = (Condition.REJECTS, Condition.REQUEST_FAILURES, Condition.FILL_SLIPPAGE, Condition.CLOCK_SKEW)
IN_A_WINDOW = (Condition.PRICE_JUMP, Condition.REJECTS, Condition.REQUEST_FAILURES)
# With another one of these a breaker does not watch what tripped it.
_WATCHED = [rules.BREAKER.number(name) for name in ("condition", "scope", "scope_id")]
ALL, ACCOUNT, INSTRUMENT, STRATEGY = Scope
SCOPES = {
    Condition.ACCOUNT_DRAWDOWN: (ALL, ACCOUNT),
    Condition.POSITION_LOSS: (ALL, ACCOUNT, INSTRUMENT),
    Condition.DAILY_LOSS: (ALL, ACCOUNT, STRATEGY),
    Condition.WEEKLY_LOSS: (ALL, ACCOUNT, STRATEGY),
    Condition.LOSING_STREAK: (ALL, ACCOUNT, INSTRUMENT, STRATEGY),
    Condition.VOLATILITY: (ALL, INSTRUMENT),
    Condition.PRICE_JUMP: (ALL, INSTRUMENT),
    Condition.SPREAD: (ALL, INSTRUMENT),
    Condition.STALE_DATA: (ALL, INSTRUMENT),
    Condition.EXPOSURE: (ALL, ACCOUNT),
    Condition.MARGIN_RATIO: (ALL, ACCOUNT),
    Condition.REJECTS: (ALL, ACCOUNT, STRATEGY),
    Condition.REQUEST_FAILURES: (ALL, ACCOUNT),
    Condition.FILL_SLIPPAGE: (ALL, ACCOUNT, INSTRUMENT, STRATEGY),
    Condition.CLOCK_SKEW: (ALL,),
    Condition.RECONCILIATION: (ALL, ACCOUNT, INSTRUMENT),
}


@dataclass
class Breaker:
    """What a breaker is; its rules are kept with the other rules."""

    status: int = BreakerStatus.NONE
    observed: int = 0
    trips: int = 0
    tripped_seq: int = 0
    tripped_ts_ns: int = 0
    due_ts_ns: int = 0
    times: list[int] = field(default_factory=list)
    tripped_by: Seen | None = None


class Breakers(Watched):
    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.breakers: dict[int, Breaker] = {}

    # Looking

    def on_booked(self) -> None:
        """The event is booked and its brackets are up to date: every row in turn looks at what concerns it."""
        self.gather()
        for row in sorted(self.breakers):
            for seen in sorted(self._seen_by(row), key=lambda seen: seen.place):
                if self._makes_sense(row) and self._look(row, seen):
                    break
        for account in sorted(self.accounts_moved()):
            self.update_account_level(account)
        for instrument in self.sampled:
            self.update_instrument_level(instrument)
        self.forget_seen()

    def update_account_level(self, account: int) -> None:
        raise NotImplementedError

    def update_instrument_level(self, instrument: int) -> None:
        raise NotImplementedError

    def _seen_by(self, row: int) -> list[Seen]:
        rule = self.breaker_rules[row]
        condition, scope = rule["condition"], Scope(rule["scope"])
        return [
            self._counted(row, seen)
            for seen in self.seen
            if seen.condition == condition
            and scope in seen.scopes
            and (scope == Scope.EVERYTHING or seen.scopes[scope] == rule["scope_id"])
        ]

    def _counted(self, row: int, seen: Seen) -> Seen:
        """The figure of a count is the breaker's own: how many there were in its window."""
        if seen.condition not in (Condition.REJECTS, Condition.REQUEST_FAILURES):
            return seen
        breaker = self.breakers[row]
        breaker.times = [*breaker.times, *[self.ts_ns] * seen.figure][-rules.RING_TIMES :]
        window = self.breaker_rules[row]["window_ns"]
        return seen.with_figure(sum(self.ts_ns - time < window for time in breaker.times))

    def _look(self, row: int, seen: Seen) -> bool:
        """Trip, or begin to cool where it was this one that tripped; True where the others do not count any more."""
        breaker, rule = self.breakers[row], self.breaker_rules[row]
        reached = seen.figure == UNKNOWN or seen.figure >= rule["limit"]
        if breaker.status == BreakerStatus.ARMED and reached:
            self._trip(row, seen)
            return True
        anyone = rule["condition"] in OF_THE_EVENT or rule["scope"] == Scope.STRATEGY
        the_same = breaker.tripped_by is not None and (anyone or breaker.tripped_by.place == seen.place)
        if breaker.status == BreakerStatus.TRIPPED and the_same and not reached:
            self._begin_cooling(row)
        return False

    def _begin_cooling(self, row: int) -> None:
        self.breakers[row].due_ts_ns = self.ts_ns + self.breaker_rules[row]["cooldown_ns"]
        self._change(row, BreakerStatus.COOLING)

    def _trip(self, row: int, seen: Seen) -> None:
        breaker, rule = self.breakers[row], self.breaker_rules[row]
        self.count("breaker_trips")
        breaker.observed, breaker.tripped_by = seen.figure, seen
        breaker.trips += 1
        breaker.tripped_seq, breaker.tripped_ts_ns = self.seq, self.ts_ns
        breaker.due_ts_ns = 0
        rearm = rule["rearm_rule"]
        if rearm == RearmRule.OPERATOR:
            breaker.status = BreakerStatus.LATCHED
        elif rearm == RearmRule.CLEAR:
            breaker.status = BreakerStatus.TRIPPED
        else:
            breaker.status = BreakerStatus.COOLING
            breaker.due_ts_ns = self.ts_ns + rule["cooldown_ns"]
            if rearm == RearmRule.NEXT_DAY:
                breaker.due_ts_ns = max(breaker.due_ts_ns, self.day_ends_ts_ns)
        self._say_breaker(DecisionKind.BREAKER_TRIPPED, row)
        self._act(row)

    def _change(self, row: int, status: BreakerStatus) -> None:
        if self.breakers[row].status != status:
            self.breakers[row].status = status
            self._say_breaker(DecisionKind.BREAKER_CHANGED, row)

    def _say_breaker(self, kind: DecisionKind, row: int) -> None:
        breaker, rule = self.breakers[row], self.breaker_rules[row]
        fields = {name: rule[name] for name in ("condition", "limit", "actions")}
        if breaker.tripped_by is not None:
            fields |= {"account": breaker.tripped_by.account or 0, "instrument": breaker.tripped_by.instrument or 0}
        if rule["scope"] == Scope.STRATEGY:
            fields["strategy"] = rule["scope_id"] % 256
        self.decide(kind, breaker=row, status=breaker.status, observed=breaker.observed, **fields)

    # Acting

    def _act(self, row: int) -> None:
        actions = self.breaker_rules[row]["actions"]
        numbers = self._instruments_of(row)
        strategy = self._strategy_of(row)
        if actions & BreakerAction.KILL_SWITCH:
            self.trading_state = TradingState.HALTED
        if actions & BreakerAction.CANCEL_ORDERS:
            for number in numbers:
                self.cancel_orders(number, strategy)
        if actions & BreakerAction.REDUCE_ONLY:
            for number in numbers:
                self.cancel_entries(number, strategy)
        if actions & BreakerAction.CLOSE_POSITION:
            for number in numbers:
                self.cancel_entries(number, strategy)
                if strategy is None or self.pairs[strategy, number].book.quantity_lots:
                    self.close_position(number, NOBODY if strategy is None else strategy, Reason.BREAKER_CLOSED, 0)
        if actions & BreakerAction.CLOSE_EVERYTHING:
            self.close_everything(Reason.BREAKER_CLOSED)

    def _strategy_of(self, row: int) -> int | None:
        rule = self.breaker_rules[row]
        return rule["scope_id"] if rule["scope"] == Scope.STRATEGY else None

    def _instruments_of(self, row: int) -> list[int]:
        scope, number = Scope(self.breaker_rules[row]["scope"]), self.breaker_rules[row]["scope_id"]
        if scope == Scope.ACCOUNT:
            return [n for n, instrument in sorted(self.instruments.items()) if instrument.account == number]
        if scope == Scope.INSTRUMENT:
            return [number] if number in self.instruments else []
        return sorted(self.instruments)

    # What checks ask

    def has_breakers(self) -> bool:
        return bool(self.breakers)

    def blocking_breaker(self, instrument: int, strategy: int) -> tuple[int, int] | None:
        ids = {ALL: 0, ACCOUNT: self.instruments[instrument].account, INSTRUMENT: instrument, STRATEGY: strategy}
        for row, breaker in sorted(self.breakers.items()):
            rule = self.breaker_rules[row]
            inside = rule["scope"] == ALL or ids[Scope(rule["scope"])] == rule["scope_id"]
            if inside and breaker.status in NOT_ARMED and rule["actions"] & ~BreakerAction.ALERT:
                return row, breaker.observed
        return None

    # States

    def on_rules_changed(self, setting: int, account: int, instrument: int, row: int) -> None:
        super().on_rules_changed(setting, account, instrument, row)
        if not rules.BREAKER.base <= setting < rules.SETTINGS_MAX:
            return
        breaker, enabled = self.breakers.setdefault(row, Breaker()), self.breaker_rules[row]["enabled"]
        if setting != rules.BREAKER.number("enabled"):
            if breaker.status == BreakerStatus.ARMED:
                self._look_when_armed(row)
            elif breaker.status == BreakerStatus.TRIPPED and setting in _WATCHED:
                self._begin_cooling(row)
        elif enabled and breaker.status in NOT_THERE:
            self._arm(row)
        elif not enabled and breaker.status not in NOT_THERE:
            self._change(row, BreakerStatus.DISABLED)

    def _arm(self, row: int) -> None:
        self.breakers[row].due_ts_ns = 0
        self._change(row, BreakerStatus.ARMED)
        self._look_when_armed(row)

    def _look_when_armed(self, row: int) -> None:
        """At what can be computed at any time; a row that makes no sense trips."""
        rule = self.breaker_rules[row]
        if not self._makes_sense(row):
            self._trip(row, Seen(rule["condition"], UNKNOWN, {}))
            return
        kept, self.seen = self.seen, []
        self.see_what_can_be_computed()
        for seen in sorted(self._seen_by(row), key=lambda seen: seen.place):
            if seen.figure != UNKNOWN and self._look(row, seen):
                break
        self.seen = kept

    def _makes_sense(self, row: int) -> bool:
        rule = self.breaker_rules[row]
        condition, scope, number = rule["condition"], Scope(rule["scope"]), rule["scope_id"]
        defined = {ACCOUNT: self.ledger.accounts, INSTRUMENT: self.instruments, STRATEGY: self.strategies}
        if condition not in set(Condition) or scope not in SCOPES[Condition(condition)]:
            return False
        known = scope == ALL or number in defined[scope]
        return known and rule["limit"] > 0 and (condition not in IN_A_WINDOW or rule["window_ns"] > 0)

    def on_breakers_due(self) -> None:
        super().on_breakers_due()
        for row, breaker in sorted(self.breakers.items()):
            if breaker.status == BreakerStatus.COOLING and breaker.due_ts_ns <= self.ts_ns:
                rule = self.breaker_rules[row]
                if rule["condition"] == Condition.LOSING_STREAK and rule["rearm_rule"] != RearmRule.CLEAR:
                    self._clear(row)
                self._arm(row)

    def on_breaker_command(self, operator: Event) -> None:
        row = operator["target"]
        known = row in self.breakers and self.breakers[row].status != BreakerStatus.NONE
        require(known and operator["operator_hash"], Reason.VALUE_INVALID)
        if operator["operator_action"] == OperatorAction.DISABLE_BREAKER:
            self._change(row, BreakerStatus.DISABLED)
            return
        self._clear(row)
        self._arm(row)

    def _clear(self, row: int) -> None:
        """What would trip it again at once is gone with a reset."""
        rule = self.breaker_rules[row]
        self.breakers[row].times.clear()
        for number in self.ledger.accounts:
            if rule["scope"] == ALL or (rule["scope"] == ACCOUNT and rule["scope_id"] == number):
                self._clear_account(rule["condition"], number)
        for number, strategy in self.strategies.items():
            if rule["scope"] == STRATEGY and rule["scope_id"] == number:
                if rule["condition"] == Condition.LOSING_STREAK:
                    strategy.losing_streak = 0
                if rule["condition"] == Condition.DAILY_LOSS:
                    strategy.day_realized_units = 0
                if rule["condition"] == Condition.WEEKLY_LOSS:
                    strategy.week_realized_units = 0
        for number in self.instruments:
            if rule["scope"] == ALL or (rule["scope"] == INSTRUMENT and rule["scope_id"] == number):
                self._clear_instrument(rule["condition"], number)

    def _clear_account(self, condition: int, number: int) -> None:
        account = self.ledger.accounts[number]
        if condition == Condition.ACCOUNT_DRAWDOWN:
            account.guard_peak_units = account.equity_units
        elif condition == Condition.DAILY_LOSS:
            account.day_equity_units = account.equity_units
        elif condition == Condition.WEEKLY_LOSS:
            account.week_equity_units = account.equity_units
        elif condition == Condition.LOSING_STREAK:
            account.losing_streak = 0

    def _clear_instrument(self, condition: int, number: int) -> None:
        if condition == Condition.PRICE_JUMP and number in self.extremes:
            price = self.last_price[number]
            self.extremes[number].running, self.extremes[number].before = (price, price), None
        if condition == Condition.LOSING_STREAK:
            for (_, instrument), position in self.ledger.positions.items():
                if instrument == number:
                    position.streak = max(position.streak, 0)
