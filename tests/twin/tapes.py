"""Tapes made up as they go: what happens next is chosen in view of what the twin knows.

`choose(n)` returns a number below n: drawn by hypothesis, or from a seeded generator. 0 is the plain choice.
"""

import random
from collections.abc import Callable

import numpy as np

from engine.kinds import Action, EventKind, FillFlag, OperatorAction, Setting
from engine.reasons import Reason
from tests.twin import tapes_risk, tapes_rules
from tests.twin.engine import Twin
from tests.twin.events import encode, event
from tests.twin.machine import SMALL_LIMITS
from tests.twin.orders import Order
from tests.twin.tapes_rules import HOUR_NS

Choose = Callable[[int], int]
Event = dict[str, int]

# A tape begins with many rules.
_RULES_UNTIL = 40

# Tick × lot in units, step, minimum, maximum, smallest notional: plain, coarse, and with every limit.
_TERMS = [(1, 1, 0, 0, 0), (7, 3, 0, 0, 0), (1000, 1, 2, 40, 50_000)]


def prologue() -> list[Event]:
    """Two accounts, three instruments of which the second is linear and may be sold short, two strategies."""
    events = [
        event(EventKind.ACCOUNT_DEFINED, account=0, account_kind=0, money_decimals=2),
        event(EventKind.ACCOUNT_DEFINED, account=1, account_kind=1, money_decimals=8),
        event(EventKind.CASH_MOVED, account=0, amount_units=1_000_000),
        event(EventKind.CASH_MOVED, account=1, amount_units=250_000),
        event(EventKind.STRATEGY_DEFINED, source=0),
        event(EventKind.STRATEGY_DEFINED, source=1),
    ]
    for number, terms in enumerate(_TERMS):
        names = ("tick_lot_units", "quantity_step_lots", "quantity_min_lots", "quantity_max_lots", "notional_min_units")
        sizes = dict(zip(names, terms, strict=True))
        kind, account = int(number == 1), int(number == 1)
        define = EventKind.INSTRUMENT_DEFINED
        events.append(event(define, instrument=number, account=account, instrument_kind=kind, **sizes))
        change = EventKind.CONFIGURATION_CHANGED
        events.append(event(change, instrument=number, setting=Setting.ORDER_QUANTITY_LOTS, value=10))
    events.append(event(change, instrument=1, setting=Setting.SHORT_ALLOWED, value=1))
    return events


def next_event(twin: Twin, choose: Choose) -> Event:
    """Something that may happen now, or now and then something that may not."""
    maker = _MAKERS[choose(len(_MAKERS))]
    if twin.seq < _RULES_UNTIL and choose(3):
        maker = tapes_rules.rule
    made = twin.planned.pop(0) if twin.planned else maker(twin, choose)
    step = (0, 1, 1, 5, 3, 20, 200, 1_000)[choose(8)]
    if choose(25) == 24:
        step = (10**6, HOUR_NS * (1 + choose(30)))[choose(2)]
    made["ts_ns"] = max(twin.ts_ns + step - (2 if choose(40) == 39 else 0), 0)
    if choose(60) == 59:
        made["instrument"] = 3 + choose(2) * 65_000
    return made


def _place(choose: Choose) -> dict[str, int]:
    instrument = choose(3)
    account = int(instrument == 1)
    if choose(12) == 11:
        account = choose(4)
    return {"instrument": instrument, "account": account}


def _price(choose: Choose) -> int:
    return 100 + choose(40) - 20 if choose(25) else choose(3) - 1


def _quote(twin: Twin, choose: Choose) -> Event:
    bid = _price(choose)
    ask = bid + choose(6) - (1 if choose(25) == 24 else 0)
    sizes = {"bid_lots": choose(50), "ask_lots": choose(50) - (50 if choose(40) == 39 else 0)}
    return event(EventKind.QUOTE, bid_ticks=bid, ask_ticks=ask, **sizes, **_place(choose))


def _trade(twin: Twin, choose: Choose) -> Event:
    lots = choose(30) - (30 if choose(40) == 39 else 0)
    return event(EventKind.TRADE, price_ticks=_price(choose), quantity_lots=lots, **_place(choose))


def _bar(twin: Twin, choose: Choose) -> Event:
    opened, closed = _price(choose), _price(choose)
    high, low = max(opened, closed) + choose(5), min(opened, closed) - choose(5)
    if choose(20) == 19:
        high, low = low, high
    prices = {"open_ticks": opened, "high_ticks": high, "low_ticks": low, "close_ticks": closed}
    return event(EventKind.BAR, **prices, volume_lots=choose(30) - choose(2), **_place(choose))


def _mark_price(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.MARK_PRICE, mark_ticks=_price(choose), **_place(choose))


def _funding(twin: Twin, choose: Choose) -> Event:
    rate = (choose(3) - 1) * (100_000, 12_345, 1_000_000_000, 1_000_000_001)[choose(4)]
    basis = (0, 0, 1, 2)[choose(4)]
    amounts = {"rate_ppb": rate, "mark_ticks": choose(4) * 33 - (1 if choose(20) == 19 else 0)}
    return event(EventKind.FUNDING, basis=basis, amount_units=choose(2000) - 1000, **amounts, **_place(choose))


def _payment(twin: Twin, choose: Choose) -> Event:
    """Funding as an exchange books it, by its id, which may come again."""
    numbers = {"amount_units": choose(2000) - 1000, "payment_id": choose(6)}
    return event(EventKind.FUNDING, basis=1, **numbers, **_place(choose))


def _adopted(twin: Twin, choose: Choose) -> Event:
    """An order that the exchange has, mostly one that is held for ended."""
    flags = choose(8) if choose(20) else 8
    terms = {"limit_ticks": _price(choose), "trigger_ticks": choose(2) * 90, "order_type": choose(8)}
    lots = {"quantity_lots": 1 + choose(20), "filled_lots": choose(4)}
    where = _of_order(_some_order(twin, choose), choose)
    return event(EventKind.ORDER_ADOPTED, source=flags, ts_exchange_ns=choose(2) * twin.ts_ns, **terms, **lots, **where)


def _notice(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.NOTICE, reason=698 + choose(103), order=choose(3), observed=choose(9), **_place(choose))


def next_of_books(twin: Twin, choose: Choose) -> Event:
    """What exchanges are asked for beside all the rest."""
    made = next_event(twin, choose)
    if choose(4):
        return made
    asked = (_payment, _adopted, _notice)[choose(3)](twin, choose)
    return asked | {"ts_ns": made["ts_ns"]}


def _signal(twin: Twin, choose: Choose) -> Event:
    buy, sell = Action.BUY, Action.SELL
    action = (buy, sell, Action.CLOSE, buy, sell, buy, sell, Action.HOLD)[choose(8)] if choose(50) != 49 else 7
    quantity = (0, 0, 0, 1, 5, 12, 30)[choose(7)] if choose(25) else (-1, 2**60 + 1)[choose(2)]
    source = choose(2) if choose(20) else 2 + choose(300)
    prices = {"limit_ticks": _price(choose) if choose(3) == 1 else 0}
    if choose(6) == 5:
        side = 1 if action == Action.BUY else -1
        prices |= {"stop_ticks": 100 - side * choose(30), "target_ticks": (100 + side * choose(30)) * choose(2)}
    if choose(40) == 39:
        prices |= {"stop_ticks": -1}
    sure = (0, 1_000_000, 800_000, 500_000, 0, 0, 1, 1_000_001)[choose(8) if choose(4) else 0]
    fields = {"confidence_ppm": sure, "valid_for_ms": (0, 0, 0, 1, 5_000)[choose(5)]}
    return event(
        EventKind.SIGNAL, source=source, action=action, quantity_lots=quantity, **prices, **fields, **_place(choose)
    )


def _some_order(twin: Twin, choose: Choose) -> Order | None:
    """One of the orders that are known, or none."""
    known = list(twin.orders.known.values())
    place = choose(len(known) + 1) if choose(15) else len(known)
    return known[-1 - place] if place < len(known) else None


def _of_order(order: Order | None, choose: Choose) -> dict[str, int]:
    if order is None:
        return {"order": choose(60), **_place(choose)}
    where = _place(choose) if choose(40) == 39 else {"instrument": order.instrument, "account": order.account}
    return {"order": order.order, **where}


def _report(kind: EventKind) -> Callable[[Twin, Choose], Event]:
    def make(twin: Twin, choose: Choose) -> Event:
        order = _some_order(twin, choose)
        fields = {"exchange_order_id": choose(2) * 77, "price_ticks": _price(choose)}
        reason = (0, Reason.EXCHANGE_OTHER, Reason.EXCHANGE_ORDER_UNKNOWN)[choose(3)]
        return event(kind, quantity_lots=choose(40), reason=reason, **fields, **_of_order(order, choose))

    return make


def _fill(twin: Twin, choose: Choose) -> Event:
    order = _some_order(twin, choose)
    left = order.left_lots if order is not None else 10
    quantity = (left, 1, left - 1, left // 2, left + 3, 5)[choose(6)]
    selling = order is not None and order.side < 0
    if choose(30) == 29:
        selling = not selling
    in_base = choose(4) == 3
    fee = choose(4) - 1 if in_base else choose(60) - 10
    flags = (FillFlag.SELL if selling else 0) | (FillFlag.FEE_IN_BASE if in_base else 0)
    flags |= FillFlag.MAKER if choose(2) else 0
    trade_id = 0 if choose(8) == 7 else 1 + (twin.counts.get("fills", 0) if choose(5) else choose(4))
    fields = {"price_ticks": _price(choose), "quantity_lots": quantity, "fee": fee, "trade_id": trade_id}
    return event(EventKind.ORDER_FILLED, fill_flags=flags, **fields, **_of_order(order, choose))


def _cash(twin: Twin, choose: Choose) -> Event:
    """A little; now and then nearly everything, or more than there is."""
    where = _place(choose)
    amount = choose(200) * 100 - 10_000
    if choose(5) == 4 and where["account"] in twin.ledger.accounts:
        amount = choose(3) * 1_000 - 1_000 - twin.ledger.accounts[where["account"]].equity_units
    elif choose(2):
        amount = (1_000_000, 250_000, 0, 0)[where["account"]]
    return event(EventKind.CASH_MOVED, amount_units=amount, **where)


def _setting(twin: Twin, choose: Choose) -> Event:
    setting = (Setting.ORDER_QUANTITY_LOTS, Setting.SHORT_ALLOWED, Setting.STRATEGY_ENABLED, Setting.TRADING_STATE)
    value = (10, 1, 0, 3, -1)[choose(5)]
    number = setting[choose(4)] if choose(20) else 9
    if number == Setting.TRADING_STATE and choose(3):
        value = 0
    return event(EventKind.CONFIGURATION_CHANGED, setting=number, value=value, source=choose(4), **_place(choose))


def _resume(twin: Twin, choose: Choose) -> Event:
    """Mostly back to trading, so that a tape does not stay halted."""
    actions = (*[OperatorAction.RESUME] * 7, *[OperatorAction.ENABLE_STRATEGY] * 3)
    actions += (OperatorAction.KILL, OperatorAction.REDUCE_ONLY, OperatorAction.CANCEL_ALL, 99)
    who = {"operator_hash": 7 if choose(8) else 0, "target": choose(2) if choose(8) else choose(9) - 2}
    return event(EventKind.OPERATOR_COMMAND, operator_action=actions[choose(len(actions))], **who)


def _define(twin: Twin, choose: Choose) -> Event:
    if choose(2):
        number = choose(5)
        kind = EventKind.ACCOUNT_DEFINED if choose(2) else EventKind.STRATEGY_DEFINED
        if kind == EventKind.STRATEGY_DEFINED:
            return event(kind, source=number)
        return event(kind, account=number, account_kind=choose(3), money_decimals=choose(22) - 1)
    sizes = {"quantity_min_lots": choose(5) - 1, "quantity_max_lots": choose(60), "quantity_step_lots": choose(4)}
    kind, unit = choose(3), (1, 7, 1000, 0)[choose(4)]
    terms = {"notional_min_units": choose(5000), "instrument_kind": kind, "tick_lot_units": unit}
    return event(EventKind.INSTRUMENT_DEFINED, **sizes, **terms, **_place(choose))


def _terms(twin: Twin, choose: Choose) -> Event:
    fees = {"maker_fee_ppm": choose(500) - 100, "taker_fee_ppm": choose(500)}
    margins = {"margin_initial_ppm": choose(10) - 1, "margin_maintenance_ppm": choose(10)}
    return event(EventKind.INSTRUMENT_TERMS_DEFINED, **fees, **margins, **_place(choose))


def _failure(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.REQUEST_FAILED, failure=1, **_of_order(_some_order(twin, choose), choose))


def _balance(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.BALANCE_REPORTED, total_units=choose(900), available_units=choose(500), **_place(choose))


def _held(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.POSITION_REPORTED, quantity_lots=choose(9) - 4, **_place(choose))


def _timer(twin: Twin, choose: Choose) -> Event:
    return event(EventKind.TIMER)


def _anything(twin: Twin, choose: Choose) -> Event:
    kinds = (0, 6, 12, 29, 60, EventKind.TIMER, EventKind.CONNECTION_LOST, EventKind.CONNECTION_RESTORED)
    return event(kinds[choose(len(kinds))], **_place(choose))


def _of_brackets(twin: Twin, choose: Choose) -> Event:
    """Something of the other half: brackets, groups, breakers."""
    flavours = tapes_risk.OF_BRACKETS + tapes_risk.OF_BREAKERS
    makers = flavours[choose(len(flavours))]
    return makers[choose(len(makers))](twin, choose)


_MAKERS = [
    *[_quote] * 4,
    *[_signal] * 24,
    *[_fill] * 6,
    *[tapes_risk.fill] * 4,
    *[tapes_risk.answer] * 6,
    *[tapes_rules.rule] * 10,
    *[tapes_rules.mildly] * 4,
    *[_of_brackets] * 4,
    *[_report(EventKind.ORDER_ACCEPTED)] * 2,
    *[_report(EventKind.ORDER_CANCELED)] * 2,
    _report(EventKind.ORDER_SENT),
    _report(EventKind.ORDER_REJECTED),
    _report(EventKind.ORDER_EXPIRED),
    _report(EventKind.ORDER_AMENDED),
    _report(EventKind.CANCEL_REJECTED),
    _report(EventKind.ORDER_TRIGGERED),
    *[_failure] * 2,
    *[_resume] * 4,
    *[_bar] * 3,
    *[_timer] * 2,
    _trade,
    _mark_price,
    _funding,
    _cash,
    _setting,
    _define,
    _terms,
    _balance,
    _held,
    _anything,
]


def seeded_choices(seed: int) -> Choose:
    """Choices that are the same for the same seed under every version of Python."""
    chance = random.Random(seed)
    return lambda below: int(chance.random() * below)


def seeded_tape(seed: int, count: int) -> np.ndarray:
    """The bytes of `count` events, the same for the same seed: half of them about brackets and breakers, then all."""
    choose = seeded_choices(seed)
    twin = Twin(SMALL_LIMITS)
    flavours = tapes_risk.OF_BRACKETS + tapes_risk.OF_BREAKERS
    told = tapes_risk.prologue()
    events: list[Event] = []
    while len(events) < count:
        if len(events) == count // 2:
            told = prologue()
        if told:
            made = told.pop(0) | {"ts_ns": twin.ts_ns}
        elif len(events) < count // 2:
            made = tapes_risk.next_event(twin, choose, flavours[len(events) // 100 % len(flavours)])
        else:
            made = next_event(twin, choose)
        twin.fold(made)
        events.append(made)
    return encode(*events)
