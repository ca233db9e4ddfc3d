"""A small desk for tests of breakers and figures: two accounts, three instruments, two strategies."""

from typing import Any

from engine.kinds import (
    Action,
    BreakerAction,
    Condition,
    DecisionKind,
    EventKind,
    OperatorAction,
    RearmRule,
    Scope,
    Setting,
)
from engine.rules import ACCOUNT, BOOK, BREAKER, INSTRUMENT
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine

LIMITS = SMALL_LIMITS
DEPOSIT_UNITS = 10_000
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
OPERATOR = 77


class Desk:
    """A machine with instruments 0 and 1 on account 0, 2 on account 1: one unit a tick and lot, short sales allowed."""

    def __init__(self, deposit_units: int = DEPOSIT_UNITS) -> None:
        self.machine = Machine(LIMITS)
        self.ts_ns = DAY_NS
        for account in (0, 1):
            self.tell(EventKind.ACCOUNT_DEFINED, account=account, account_kind=1)
            self.tell(EventKind.CASH_MOVED, account=account, amount_units=deposit_units)
        for number in (0, 1, 2):
            sizes = {"tick_lot_units": 1, "quantity_step_lots": 1, "instrument_kind": 1}
            self.tell(EventKind.INSTRUMENT_DEFINED, instrument=number, account=number // 2, **sizes)
            self.set(Setting.SHORT_ALLOWED, 1, instrument=number)
        for strategy in (0, 1):
            self.tell(EventKind.STRATEGY_DEFINED, source=strategy)

    @property
    def state(self) -> Any:
        return self.machine.state

    def tell(self, kind: EventKind, **fields: int) -> list[dict[str, int]]:
        return self.machine.tell(event(kind, self.ts_ns, **fields))

    def at(self, ts_ns: int) -> "Desk":
        self.ts_ns = ts_ns
        return self

    def after(self, delay_ns: int) -> "Desk":
        return self.at(self.ts_ns + delay_ns)

    def set(self, setting: int, value: int, **scope: int) -> list[dict[str, int]]:
        return self.tell(EventKind.CONFIGURATION_CHANGED, setting=setting, value=value, **scope)

    def book_rule(self, name: str, value: int) -> list[dict[str, int]]:
        return self.set(BOOK.number(name), value)

    def account_rule(self, name: str, value: int, account: int = 0) -> list[dict[str, int]]:
        return self.set(ACCOUNT.number(name), value, account=account)

    def instrument_rule(self, name: str, value: int, instrument: int = 0) -> list[dict[str, int]]:
        return self.set(INSTRUMENT.number(name), value, instrument=instrument)

    def breaker(
        self,
        condition: Condition,
        limit: int,
        row: int = 0,
        scope: Scope = Scope.EVERYTHING,
        scope_id: int = 0,
        actions: int = BreakerAction.ALERT | BreakerAction.BLOCK_ENTRIES,
        rearm: RearmRule = RearmRule.OPERATOR,
        window_ns: int = 0,
        cooldown_ns: int = 0,
        enabled: int = 1,
    ) -> list[dict[str, int]]:
        """Set up a row, `enabled` last; returns what was decided then."""
        words = {"condition": condition, "scope": scope, "scope_id": scope_id, "actions": actions, "limit": limit}
        words |= {"window_ns": window_ns, "rearm_rule": rearm, "cooldown_ns": cooldown_ns, "enabled": enabled}
        decided: list[dict[str, int]] = []
        for name, value in words.items():
            decided = self.breaker_rule(name, value, row)
        return decided

    def breaker_rule(self, name: str, value: int, row: int = 0) -> list[dict[str, int]]:
        return self.set(BREAKER.number(name), value, row=row)

    def operator(self, action: OperatorAction, target: int = 0, name: int = OPERATOR) -> list[dict[str, int]]:
        return self.tell(EventKind.OPERATOR_COMMAND, operator_action=action, target=target, operator_hash=name)

    def reset(self, row: int = 0) -> list[dict[str, int]]:
        return self.operator(OperatorAction.RESET_BREAKER, row)

    def quote(self, bid: int, ask: int = 0, instrument: int = 0, **fields: int) -> list[dict[str, int]]:
        return self.tell(EventKind.QUOTE, instrument=instrument, bid_ticks=bid, ask_ticks=ask or bid, **fields)

    def fill(
        self, lots: int, price: int, instrument: int = 0, order: int = 0, account: int | None = None, fee: int = 0
    ) -> list[dict[str, int]]:
        """A fill of no order (or of this one) of so many lots, sold where below 0."""
        return self.tell(
            EventKind.ORDER_FILLED,
            instrument=instrument,
            account=instrument // 2 if account is None else account,
            order=order,
            quantity_lots=abs(lots),
            price_ticks=price,
            fill_flags=int(lots < 0),
            fee=fee,
        )

    def signal(
        self, action: Action, lots: int = 10, limit: int = 0, instrument: int = 0, strategy: int = 0
    ) -> list[dict[str, int]]:
        """A signal that has no say in the next second."""
        sizes = {"quantity_lots": lots, "limit_ticks": limit, "valid_for_ms": 1}
        return self.tell(EventKind.SIGNAL, instrument=instrument, source=strategy, action=action, **sizes)

    def order(self, action: Action, lots: int = 10, limit: int = 0, instrument: int = 0, strategy: int = 0) -> int:
        """The number of the order that a signal leads to."""
        decided = self.signal(action, lots, limit, instrument, strategy)
        (placed,) = [item for item in decided if item["kind"] == DecisionKind.PLACE_ORDER]
        return placed["order"]

    def report(self, kind: EventKind, order: int, instrument: int = 0, **fields: int) -> list[dict[str, int]]:
        return self.tell(kind, order=order, instrument=instrument, account=instrument // 2, **fields)

    def row(self, number: int = 0) -> Any:
        return self.state.breakers[number]

    def status(self, number: int = 0) -> int:
        return int(self.row(number).status)


def of_kind(decided: list[dict[str, int]], kind: DecisionKind) -> list[dict[str, int]]:
    return [item for item in decided if item["kind"] == kind]


def trips(decided: list[dict[str, int]]) -> list[int]:
    """The figures that were observed at the trips among these decisions."""
    return [item.get("observed", 0) for item in of_kind(decided, DecisionKind.BREAKER_TRIPPED)]
