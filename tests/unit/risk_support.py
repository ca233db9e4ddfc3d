"""A machine with an instrument to trade, and short ways to tell it rules, prices, signals and fills."""

from typing import Any

from engine import rules
from engine.kinds import AccountKind, Action, DecisionKind, EventKind, OrderFlag, Setting
from engine.reasons import Reason
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine

EQUITY = 1_000_000


def rule(table: rules.RuleTable, name: str, value: int, row: int = 0, **scope: int) -> dict[str, int]:
    """The event that sets a rule, of account 1, instrument 1 and strategy 1 unless another is named."""
    where = {"account": 1, "instrument": 1, "source": 1} | scope
    return event(EventKind.CONFIGURATION_CHANGED, setting=table.number(name), value=value, row=row, **where)


def instrument_rules(instrument: int = 1, **values: int) -> list[dict[str, int]]:
    return [rule(rules.INSTRUMENT, name, value, instrument=instrument) for name, value in values.items()]


def quote(bid_ticks: int, ask_ticks: int, instrument: int = 1, ts_ns: int = 0) -> dict[str, int]:
    return event(EventKind.QUOTE, ts_ns, instrument=instrument, bid_ticks=bid_ticks, ask_ticks=ask_ticks)


def signal(action: int, source: int = 1, instrument: int = 1, ts_ns: int = 0, **fields: int) -> dict[str, int]:
    return event(EventKind.SIGNAL, ts_ns, action=action, source=source, instrument=instrument, **fields)


def buy(**fields: int) -> dict[str, int]:
    return signal(Action.BUY, **fields)


def sell(**fields: int) -> dict[str, int]:
    return signal(Action.SELL, **fields)


def fill(order: int, lots: int, price_ticks: int = 100, instrument: int = 1, ts_ns: int = 0) -> dict[str, int]:
    """Lots below 0 are sold."""
    where = {"instrument": instrument, "account": 1, "order": order, "fill_flags": int(lots < 0)}
    return event(EventKind.ORDER_FILLED, ts_ns, quantity_lots=abs(lots), price_ticks=price_ticks, **where)


def machine_with(
    *events: dict[str, int], account_kind: int = AccountKind.MARGIN, short_allowed: int = 1, **terms: int
) -> Machine:
    """Strategies 1 to 3; instruments 1 and 2 at 100 bid, 102 ask; account 1 with a million units; then these events."""
    machine = Machine(SMALL_LIMITS)
    sizes = {"tick_lot_units": 1, "quantity_step_lots": 1} | terms
    machine.tell(
        event(EventKind.ACCOUNT_DEFINED, account=1, account_kind=account_kind),
        event(EventKind.CASH_MOVED, account=1, amount_units=EQUITY),
        *[event(EventKind.STRATEGY_DEFINED, source=number) for number in (1, 2, 3)],
    )
    for number in (1, 2):
        machine.tell(
            event(EventKind.INSTRUMENT_DEFINED, instrument=number, account=1, **sizes),
            event(
                EventKind.CONFIGURATION_CHANGED, instrument=number, setting=Setting.SHORT_ALLOWED, value=short_allowed
            ),
            quote(100, 102, number),
        )
    machine.tell(*events)
    assert machine.state.events_refused == 0
    return machine


def only(decisions: list[dict[str, int]], kind: int) -> list[dict[str, int]]:
    return [item for item in decisions if item["kind"] == kind]


def lots_of(decisions: list[dict[str, int]]) -> list[int]:
    """The signed lots of the orders placed."""
    placed = only(decisions, DecisionKind.PLACE_ORDER)
    return [item["quantity_lots"] * (-1 if item.get("order_flags", 0) & OrderFlag.SELL else 1) for item in placed]


def refusals_of(decisions: list[dict[str, int]]) -> list[tuple[Any, ...]]:
    """(reason, limit, observed) of each refusal."""
    found = only(decisions, DecisionKind.REFUSAL)
    return [(Reason(item["reason"]), item.get("limit", 0), item.get("observed", 0)) for item in found]
