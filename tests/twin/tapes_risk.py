"""Events for random tapes about brackets, groups, breakers and connections, made in view of what the twin knows.

As in `tapes`: `choose(n)` returns a number below n, and 0 is the plain choice.
"""

from collections.abc import Callable

from engine import rules
from engine.kinds import (
    BreakerAction,
    Condition,
    Distance,
    EventKind,
    FillFlag,
    GroupKind,
    OperatorAction,
    OrderFlag,
    OrderStatus,
    OrderType,
    Scope,
    Setting,
)
from engine.reasons import Reason
from engine.rules import RuleTable
from tests.twin.engine import Twin
from tests.twin.events import event
from tests.twin.orders import Order

Choose = Callable[[int], int]
Event = dict[str, int]
Maker = Callable[[Twin, Choose], Event]

INSTRUMENTS = 2
# So many breakers have their rules before anything else happens.
BREAKERS = 2
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS


def setting(table: RuleTable, name: str, value: int, **scope: int) -> Event:
    """A configuration event for one rule."""
    return event(EventKind.CONFIGURATION_CHANGED, setting=table.number(name), value=value, **scope)


def prologue() -> list[Event]:
    """Two accounts with an instrument each, the second on margin, and two strategies that trade with brackets."""
    events = [
        event(EventKind.ACCOUNT_DEFINED, account=0, account_kind=0, money_decimals=2),
        event(EventKind.ACCOUNT_DEFINED, account=1, account_kind=1, money_decimals=2),
        event(EventKind.CASH_MOVED, account=0, amount_units=20_000),
        event(EventKind.CASH_MOVED, account=1, amount_units=9_000),
        event(EventKind.STRATEGY_DEFINED, source=0),
        event(EventKind.STRATEGY_DEFINED, source=1),
    ]
    for number in range(INSTRUMENTS):
        sizes = {"tick_lot_units": (1, 3)[number], "quantity_step_lots": (1, 2)[number], "quantity_min_lots": 1}
        kind = {"instrument": number, "account": number, "instrument_kind": number}
        events.append(event(EventKind.INSTRUMENT_DEFINED, **kind, **sizes))
        for place, value in ((Setting.ORDER_QUANTITY_LOTS, 10), (Setting.SHORT_ALLOWED, 1)):
            events.append(event(EventKind.CONFIGURATION_CHANGED, instrument=number, setting=place, value=value))
        values = {"bracketed": 1, "stop_distance": Distance.TICKS, "stop_value": 4, "entries_max": 2}
        events += [setting(rules.INSTRUMENT, name, value, instrument=number) for name, value in values.items()]
        values = {"target_distance": Distance.TICKS, "target_value": 5, "target_share_ppm": 400_000}
        events += [setting(rules.TARGET, name, value, instrument=number, row=0) for name, value in values.items()]
        values = {"target_distance": Distance.PPM, "target_value": 80_000, "target_share_ppm": 600_000}
        events += [setting(rules.TARGET, name, value, instrument=number, row=1) for name, value in values.items()]
    margins = {"margin_initial_ppm": 200_000, "margin_maintenance_ppm": 100_000, "taker_fee_ppm": 500}
    return [*events, event(EventKind.INSTRUMENT_TERMS_DEFINED, instrument=1, **margins)]


def next_event(twin: Twin, choose: Choose, makers: list[Maker]) -> Event:
    """Something that may happen to what is open, or to what watches it."""
    made = twin.planned.pop(0) if twin.planned else makers[choose(len(makers))](twin, choose)
    made["ts_ns"] = twin.ts_ns + step_of_time(twin, choose)
    if "ts_exchange_ns" in made and made["kind"] != EventKind.BAR and choose(4) == 3:
        made["ts_exchange_ns"] = max(made["ts_ns"] + choose(9) - 4, 1)
    return made


def step_of_time(twin: Twin, choose: Choose) -> int:
    """Mostly a little; now and then to what is due next, or to the next day."""
    kind = choose(24)
    if kind < 16:
        return (0, 1, 3, 7)[kind % 4]
    if kind < 20:
        return 10 * (1 + choose(6))
    due = [breaker.due_ts_ns for breaker in twin.breakers.values()]
    due += [connection.until_ts_ns for connection in twin.connections.values()]
    due += [row.expire_ts_ns for row in twin.live_rows()]
    due += [row.exit_due_ts_ns for row in twin.live_brackets()]
    due += [left.due_ts_ns for left in twin.leftovers.values()]
    ahead = [time - twin.ts_ns for time in due if time > twin.ts_ns]
    if kind < 23 and ahead:
        return ahead[choose(len(ahead))] - (0, 0, 1)[choose(3)]
    return max(twin.day_ends_ts_ns - twin.ts_ns, 0) if kind == 23 and choose(3) == 0 else 100


# Prices


def _near(twin: Twin, number: int, choose: Choose) -> int:
    """A price beside the last one, at a leg of an open bracket, or far down."""
    instrument = twin.instruments.get(number)
    last = instrument.long_mark_ticks if instrument is not None and instrument.long_mark_ticks else 100
    kind = choose(12)
    if kind < 6:
        return max(last + choose(7) - 3, 1)
    if kind < 8:
        return 90 + choose(21)
    prices = [leg.price_ticks for row in twin.live_rows(number) for leg in row.legs if leg.price_ticks]
    if kind < 11 and prices:
        return max(prices[choose(len(prices))] + choose(3) - 1, 1)
    return max(last * (100 - choose(45)) // 100, 1) if kind == 11 else last + choose(12)


def quote(twin: Twin, choose: Choose) -> Event:
    number = choose(INSTRUMENTS)
    bid = _near(twin, number, choose) if choose(25) else 0
    spread = choose(3) if choose(12) else 4 + choose(30)
    prices = {"bid_ticks": bid, "ask_ticks": bid + spread, "bid_lots": 5, "ask_lots": 5}
    return event(EventKind.QUOTE, instrument=number, account=number, **prices)


def trade(twin: Twin, choose: Choose) -> Event:
    number = choose(INSTRUMENTS)
    price = _near(twin, number, choose) if choose(25) else 0
    return event(EventKind.TRADE, instrument=number, price_ticks=price, quantity_lots=1)


def bar(twin: Twin, choose: Choose) -> Event:
    number = choose(INSTRUMENTS)
    opened, closed = _near(twin, number, choose), _near(twin, number, choose)
    prices = {"open_ticks": opened, "close_ticks": closed}
    prices |= {"high_ticks": max(opened, closed) + choose(4), "low_ticks": max(min(opened, closed) - choose(4), 1)}
    return event(EventKind.BAR, instrument=number, volume_lots=1, **prices)


# Orders


def _open_order(twin: Twin, choose: Choose) -> Order | None:
    """An open order, rather one of a row; now and then one that is closed."""
    orders = twin.orders.open() if choose(14) else list(twin.orders.known.values())
    ours = [order for order in orders if order.bracket is not None]
    orders = ours if ours and choose(4) else orders
    return orders[-1 - choose(min(len(orders), 6))] if orders else None


def _of(order: Order | None, choose: Choose) -> dict[str, int]:
    number = choose(INSTRUMENTS) if order is None else order.instrument
    return {"order": 0 if order is None else order.order, "instrument": number, "account": number}


def fill(twin: Twin, choose: Choose) -> Event:
    order = _open_order(twin, choose)
    left = max(order.left_lots, 1) if order is not None else 4
    quantity = (left, left, 1, max(left // 2, 1), left + 3)[choose(5 if choose(5) == 4 else 4)]
    price = _near(twin, order.instrument if order is not None else 0, choose)
    if order is not None and choose(3):
        price = order.limit_ticks or order.trigger_ticks or price
    flags = FillFlag.SELL if order is not None and order.side < 0 else 0
    trade_id = 1 + twin.counts.get("fills", 0) if choose(8) else 1 + choose(4)
    fields = {"price_ticks": price, "quantity_lots": quantity, "fee": choose(3), "trade_id": trade_id}
    if choose(30) == 29:
        fields |= {"fee": 1, "fill_flags": flags | FillFlag.FEE_IN_BASE}
    return event(EventKind.ORDER_FILLED, **{"fill_flags": flags} | fields, **_of(order, choose))


def outside_fill(twin: Twin, choose: Choose) -> Event:
    """A fill that no order of ours explains: somebody sold elsewhere, a liquidation."""
    number = choose(INSTRUMENTS)
    held = twin.position(number).quantity_lots if number in twin.instruments else 0
    flags = 0 if held < 0 else int(FillFlag.SELL)
    fields = {"price_ticks": _near(twin, number, choose), "quantity_lots": 1 + choose(8), "fill_flags": flags}
    return event(EventKind.ORDER_FILLED, instrument=number, account=number, **fields)


def answer(twin: Twin, choose: Choose) -> Event:
    """What an exchange that does as it is told answers to what is under way."""
    waiting = [order for order in twin.orders.open() if order.amending or order.status in _UNANSWERED]
    if not waiting:
        return quote(twin, choose)
    order = waiting[choose(len(waiting))]
    if order.status == OrderStatus.PENDING_CANCEL:
        return event(EventKind.ORDER_CANCELED, **_of(order, choose))
    if order.amending:
        price = order.asked_limit_ticks or order.asked_trigger_ticks
        terms = {"quantity_lots": order.asked_lots, "price_ticks": price}
        return event(EventKind.ORDER_AMENDED, **terms, **_of(order, choose))
    return event(EventKind.ORDER_ACCEPTED, **_of(order, choose))


_UNANSWERED = (OrderStatus.PENDING, OrderStatus.SENT, OrderStatus.UNKNOWN, OrderStatus.PENDING_CANCEL)


def report(kind: EventKind) -> Callable[[Twin, Choose], Event]:
    """A report of this kind about an open order."""

    def make(twin: Twin, choose: Choose) -> Event:
        order = _open_order(twin, choose)
        terms = {}
        if kind == EventKind.ORDER_AMENDED:
            terms = {"quantity_lots": choose(14), "price_ticks": 95 + choose(10)}
        elif kind == EventKind.ORDER_REJECTED:
            terms = {"reason": (Reason.EXCHANGE_OTHER, Reason.EXCHANGE_ORDER_UNKNOWN)[choose(2)]}
        return event(kind, **terms, **_of(order, choose))

    return make


def failure(twin: Twin, choose: Choose) -> Event:
    retry = (0, 0, 1)[choose(3)]
    order = _open_order(twin, choose) if choose(2) else None
    return event(EventKind.REQUEST_FAILED, failure=choose(6), retry_after_ms=retry, **_of(order, choose))


# Intents


def signal(twin: Twin, choose: Choose) -> Event:
    number = choose(INSTRUMENTS)
    held = twin.position(number).quantity_lots if number in twin.instruments else 0
    action = (1, 1, 1, 2, 3)[choose(5)] if held >= 0 else (2, 2, 2, 1, 3)[choose(5)]
    side = 1 if action == 1 else -1
    last = twin.instruments[number].touch(side) if number in twin.instruments else 0
    limit = last + choose(5) - 2 if choose(3) == 0 else 0
    stop = last - side * (2 + choose(6) - (6 if choose(12) == 11 else 0)) if choose(4) == 0 else 0
    target = last + side * (2 + choose(6) - (6 if choose(12) == 11 else 0)) if choose(4) == 0 else 0
    prices = {"limit_ticks": limit, "stop_ticks": stop, "target_ticks": target}
    prices = {name: max(price, 0) for name, price in prices.items()}
    quantity = (0, 0, 6, 20)[choose(4)]
    who = {"source": choose(2), "instrument": number, "account": number}
    return event(EventKind.SIGNAL, action=action, quantity_lots=quantity, **prices, **who)


def request(twin: Twin, choose: Choose) -> Event:
    """An order as it is, alone or in a group; mostly with terms that go together."""
    number, order_type = choose(INSTRUMENTS), 1 + choose(4 if choose(10) else 8)
    price = _near(twin, number, choose)
    with_limit = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    with_trigger = order_type not in (OrderType.MARKET, OrderType.LIMIT)
    flags = choose(2) * OrderFlag.SELL | (OrderFlag.REDUCE_ONLY if choose(3) == 2 else 0)
    expires = choose(5) == 4
    terms = {"limit_ticks": price if with_limit else 0, "trigger_ticks": price + 1 if with_trigger else 0}
    terms |= {"time_in_force": 4 if expires else 1, "expire_ts_ns": twin.ts_ns + 500 if expires else 0}
    if choose(15) == 14:
        terms |= {"limit_ticks": choose(2) * 90}
    group = (GroupKind.OCO, GroupKind.OTO, GroupKind.NONE, GroupKind.OCO, GroupKind.BRACKET)[
        choose(5 if choose(9) else 4)
    ]
    source = choose(2)
    who = {
        "source": source,
        "instrument": number,
        "account": number,
        "group_kind": group,
        "group": twin.last_group.get(source, 0) + choose(3),
    }
    quantity = 2 * (1 + choose(6)) if choose(20) else 0
    return event(
        EventKind.ORDER_REQUESTED, order_type=order_type, order_flags=flags, quantity_lots=quantity, **terms, **who
    )


def far_order(twin: Twin, choose: Choose) -> Event:
    """A buy far below the market, alone: many of them leave no room."""
    number = choose(INSTRUMENTS)
    terms = {"order_type": int(OrderType.LIMIT), "limit_ticks": 1 + choose(9), "time_in_force": 1, "quantity_lots": 2}
    return event(EventKind.ORDER_REQUESTED, source=choose(2), instrument=number, account=number, **terms)


# Rules


_DISTANCE_VALUES = {
    Distance.NONE: (0,),
    Distance.SIGNAL: (0, 5),
    Distance.TICKS: (3, 1, 8, 0),
    Distance.PPM: (30_000, 1, 90_000, 0),
    Distance.ATR: (1_000_000, 2_500_000, 1, 0),
}


# Rules of brackets that do something only together.
_TOGETHER: list[dict[str, tuple[int, ...]]] = [
    {
        "trail_distance": (2,),
        "trail_value": (1, 3, 8),
        "trail_activation_ppm": (0, 0, 10_000),
        "trail_step_ticks": (0, 1),
    },
    {"trail_distance": (3,), "trail_value": (20_000, 60_000), "trail_activation_ppm": (0, 20_000)},
    {"trail_distance": (4,), "trail_value": (1_000_000, 2_500_000), "atr_samples": (2, 5)},
    {"stop_optional": (1,), "stop_distance": (0, 2), "break_even_ppm": (10_000, 40_000)},
    {"held_by_engine": (1,), "trail_distance": (2,), "trail_value": (2, 5)},
    {"leg_policy": (0, 0, 1), "leg_replacements_max": (1, 2, 0)},
]


def bracket_rule(twin: Twin, choose: Choose) -> Event:
    """How brackets of an instrument are made."""
    number = choose(INSTRUMENTS)
    if choose(6) == 5:
        names = _TOGETHER[choose(len(_TOGETHER))]
        made = [
            setting(rules.INSTRUMENT, name, _one(values, choose), instrument=number) for name, values in names.items()
        ]
        twin.planned += made[1:]
        return made[0]
    if choose(4) == 3:
        row = choose(4)
        name = ("target_distance", "target_value", "target_share_ppm")[choose(3)]
        kind = twin.target_rules[number][row]["target_distance"]
        values = {"target_distance": (2, 3, 4, 1, 0), "target_value": _DISTANCE_VALUES[Distance(kind)]}
        values["target_share_ppm"] = (200_000, 400_000, 600_000, 0)
        return setting(rules.TARGET, name, _one(values[name], choose), instrument=number, row=row)
    own = twin.instrument_rules[number]
    values = {
        "bracketed": (1, 1, 0),
        "stop_distance": (2, 3, 4, 1, 0),
        "stop_value": _DISTANCE_VALUES[Distance(own["stop_distance"])],
        "trail_distance": (2, 3, 4, 0),
        "trail_value": _DISTANCE_VALUES[Distance(own["trail_distance"])],
        "trail_activation_ppm": (0, 10_000, 40_000),
        "trail_step_ticks": (0, 1, 3),
        "break_even_ppm": (20_000, 0, 50_000),
        "break_even_offset_ticks": (0, 1, 4),
        "time_limit_ns": (0, 40, 200),
        "held_by_engine": (0, 1),
        "leg_policy": (0, 0, 1),
        "leg_replacements_max": (0, 1, 2),
        "stop_optional": (0, 0, 1),
        "entries_max": (0, 1, 2, 3),
        "atr_samples": (0, 2, 5),
        "volatility_samples_min": (2, 0, 3),
        "variance_weight_ppm": (0, 300_000),
    }
    name = list(values)[choose(len(values))]
    return setting(rules.INSTRUMENT, name, _one(values[name], choose), instrument=number)


def _one(values: tuple[int, ...], choose: Choose) -> int:
    return values[choose(len(values))]


_LIMITS = {
    Condition.LOSING_STREAK: (1, 2, 3),
    Condition.STALE_DATA: (5, 50, 500),
    Condition.REJECTS: (1, 2, 3),
    Condition.REQUEST_FAILURES: (1, 2, 3),
    Condition.CLOCK_SKEW: (2, 4, 1),
    Condition.RECONCILIATION: (1, 3, 9),
    Condition.EXPOSURE: (50_000, 200_000, 1_000_000),
    Condition.MARGIN_RATIO: (10_000, 50_000, 200_000),
}
_LIMITS_PPM = (20_000, 5_000, 100_000)
_SCOPES = {
    Condition.ACCOUNT_DRAWDOWN: (0, 1),
    Condition.POSITION_LOSS: (0, 1, 2),
    Condition.DAILY_LOSS: (0, 1, 3),
    Condition.WEEKLY_LOSS: (0, 1, 3),
    Condition.LOSING_STREAK: (0, 1, 2, 3),
    Condition.VOLATILITY: (0, 2),
    Condition.PRICE_JUMP: (0, 2),
    Condition.SPREAD: (0, 2),
    Condition.STALE_DATA: (0, 2),
    Condition.EXPOSURE: (0, 1),
    Condition.MARGIN_RATIO: (0, 1),
    Condition.REJECTS: (0, 1, 3),
    Condition.REQUEST_FAILURES: (0, 1),
    Condition.FILL_SLIPPAGE: (0, 1, 2, 3),
    Condition.CLOCK_SKEW: (0,),
    Condition.RECONCILIATION: (0, 1, 2),
}
_ACTIONS = (1, 2, 3, 4, 8, 16, 18, 20, 32, int(BreakerAction.KILL_SWITCH), 8 | 16)


def breaker_rule(twin: Twin, choose: Choose) -> Event:
    """The next rule of a breaker that is not complete, or another value for one that is."""
    begun = unfinished(twin)
    row = begun[0] if begun else choose(BREAKERS + 1)
    own = twin.breaker_rules.get(row, {})
    missing = [name for name in rules.BREAKER.bounds if name not in own]
    name = missing[0] if missing else ("limit", "enabled", "enabled", "actions", "cooldown_ns")[choose(5)]
    condition = own.get("condition", 0)
    scopes = _SCOPES.get(Condition(condition), (0,)) if condition else (0,)
    values = {
        "condition": tuple(range(1, 17)),
        "scope": scopes,
        "scope_id": (0, 1) if own.get("scope", 0) != Scope.EVERYTHING else (0,),
        "actions": _ACTIONS,
        "limit": _LIMITS.get(Condition(condition), _LIMITS_PPM) if condition else (1,),
        "window_ns": (50, 10, 300),
        "rearm_rule": (2, 1, 0, 3),
        "cooldown_ns": (20, 5, 100, 0),
        "enabled": (1, 1, 1, 0),
    }
    return setting(rules.BREAKER, name, _one(values[name], choose), row=row)


def other_rule(twin: Twin, choose: Choose) -> Event:
    """Connections, samples and days."""
    if choose(2):
        values = {
            "transport_failures_max": (2, 1, 3, 0),
            "transport_backoff_ns": (20, 60, 0),
            "transport_backoff_max_ns": (50, 0, 200),
        }
        name = list(values)[choose(len(values))]
        return setting(rules.ACCOUNT, name, _one(values[name], choose), account=choose(2))
    values = {"sample_interval_ns": (0, 10, 40), "day_offset_ns": (0, 3600 * SECOND_NS, -DAY_NS // 2)}
    name = list(values)[choose(len(values))]
    return setting(rules.BOOK, name, _one(values[name], choose))


def operator(twin: Twin, choose: Choose) -> Event:
    kinds = (OperatorAction.RESET_BREAKER, OperatorAction.RESUME, OperatorAction.RESET_BREAKER, OperatorAction.CLOSE)
    kinds += (OperatorAction.FLATTEN, OperatorAction.CANCEL_ALL, OperatorAction.DISABLE_BREAKER, OperatorAction.RESUME)
    action = kinds[choose(len(kinds))]
    latched = [row for row, breaker in twin.breakers.items() if breaker.status > 2]
    target = latched[choose(len(latched))] if latched and choose(8) else choose(twin.limits.breakers + 1)
    who = {"operator_hash": 0 if choose(10) == 9 else 77, "source": choose(2), "instrument": choose(INSTRUMENTS)}
    return event(EventKind.OPERATOR_COMMAND, operator_action=action, target=target, **who)


def position_report(twin: Twin, choose: Choose) -> Event:
    number = choose(INSTRUMENTS)
    held = twin.position(number).quantity_lots if number in twin.instruments else 0
    lots = held + (0, 0, 1, -4, 12)[choose(5)]
    return event(EventKind.POSITION_REPORTED, instrument=number, account=number, quantity_lots=lots)


def timer(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.TIMER, timer=1)


def cash(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.CASH_MOVED, account=choose(2), amount_units=(500, -300, 2_000, -9_000)[choose(4)])


def unfinished(twin: Twin) -> list[int]:
    """Breakers whose rules are not all set."""
    return [row for row in range(BREAKERS) if "enabled" not in twin.breaker_rules.get(row, {})]


_ORDERS: list[Maker] = [
    *[quote] * 12,
    *[answer] * 8,
    *[fill] * 14,
    *[signal] * 6,
    bar,
    trade,
    report(EventKind.ORDER_REJECTED),
    report(EventKind.ORDER_CANCELED),
    report(EventKind.CANCEL_REJECTED),
    failure,
    timer,
    outside_fill,
    operator,
]
_REPORTS: list[Maker] = [
    *[report(EventKind.ORDER_REJECTED)] * 3,
    *[report(EventKind.ORDER_EXPIRED)] * 2,
    report(EventKind.ORDER_AMENDED),
    report(EventKind.ORDER_ACCEPTED),
]
# Much that happens to brackets: in good order, with rules that change all the time, at an exchange that refuses, beside
# groups of requested orders, and with many orders, so that the table is full.
OF_BRACKETS: list[list[Maker]] = [
    [*_ORDERS, *[bracket_rule] * 4],
    [*_ORDERS, *[bracket_rule] * 14, *[bar] * 4],
    [*_ORDERS, *_REPORTS, *_REPORTS, bracket_rule],
    [*_ORDERS, *_REPORTS, *[request] * 14],
    [*[quote] * 6, *[fill] * 5, *[signal] * 12, *[far_order] * 14, *_REPORTS, timer, *[answer] * 4],
]
# Much that breakers look at.
OF_BREAKERS: list[list[Maker]] = [
    [*_ORDERS, *[breaker_rule] * 4, *[operator] * 3, *[bar] * 3, *[trade] * 2, timer, cash],
    [*_ORDERS, *[breaker_rule] * 4, *_REPORTS, *[failure] * 8, *[other_rule] * 4, *[position_report] * 4, *[timer] * 3],
]
