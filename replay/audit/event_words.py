"""Each kind of event in words."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from adapters.report.amounts import duration_text, time_text
from engine.kinds import (
    Action,
    Aggressor,
    EventKind,
    FillFlag,
    FundingBasis,
    GroupKind,
    OperatorAction,
    OrderFlag,
    OrderType,
    RequestFailure,
)
from engine.reasons import Reason
from replay.audit.rule_words import rule_text
from replay.audit.words import (
    grouped,
    lots_text,
    owner_of,
    price_text,
    share_text,
    symbol_of,
    terms_text,
    units_text,
    word_of,
)
from replay.names import Names


def _quote(row: Any, names: Names) -> str:
    bid = f"{price_text(row['bid_ticks'], row, names)} ({lots_text(row['bid_lots'], row, names)})"
    ask = f"{price_text(row['ask_ticks'], row, names)} ({lots_text(row['ask_lots'], row, names)})"
    return f"quote of {symbol_of(row, names)}: bid {bid}, ask {ask}"


def _trade(row: Any, names: Names) -> str:
    taker = "" if row["aggressor"] == Aggressor.UNKNOWN else f", {word_of(Aggressor, row['aggressor'])} took"
    size = lots_text(row["quantity_lots"], row, names)
    return f"trade of {symbol_of(row, names)}: {size} at {price_text(row['price_ticks'], row, names)}{taker}"


def _bar(row: Any, names: Names) -> str:
    prices = ", ".join(
        f"{name} {price_text(row[f'{name}_ticks'], row, names)}" for name in ("open", "high", "low", "close")
    )
    return f"bar of {symbol_of(row, names)}: {prices}, volume {lots_text(row['volume_lots'], row, names)}"


def _mark_price(row: Any, names: Names) -> str:
    index = f", index {price_text(row['index_ticks'], row, names)}" if row["index_ticks"] else ""
    return f"mark price of {symbol_of(row, names)}: {price_text(row['mark_ticks'], row, names)}{index}"


def _funding(row: Any, names: Names) -> str:
    if row["basis"] == FundingBasis.AMOUNT:
        amount = units_text(row["amount_units"], int(row["account"]), names)
        return f"funding of {symbol_of(row, names)}: {amount} to {owner_of(row, names)}"
    mark = f" at {price_text(row['mark_ticks'], row, names)}" if row["mark_ticks"] else ""
    return f"funding of {symbol_of(row, names)}: rate {Decimal(int(row['rate_ppb'])).scaleb(-7).normalize():f} %{mark}"


def _signal(row: Any, names: Names) -> str:
    parts = [
        f"signal of {names.strategy(int(row['source']))}: {word_of(Action, row['action'])} {symbol_of(row, names)}"
    ]
    parts += [f"confidence {share_text(row['confidence_ppm'])}"] if row["confidence_ppm"] else []
    parts += [f"quantity {lots_text(row['quantity_lots'], row, names)}"] if row["quantity_lots"] else []
    parts += [
        f"{n} {price_text(row[f'{n}_ticks'], row, names)}" for n in ("limit", "stop", "target") if row[f"{n}_ticks"]
    ]
    parts += [f"valid for {duration_text(int(row['valid_for_ms']) * 1_000_000)}"] if row["valid_for_ms"] else []
    return ", ".join(parts)


def _timer(row: Any, names: Names) -> str:
    return f"timer {int(row['timer'])}, due {time_text(int(row['due_ts_ns']))}"


def _requested(row: Any, names: Names) -> str:
    kind = int(row["group_kind"])
    group = f", {word_of(GroupKind, kind)} group {int(row['group'])}" if kind else ""
    terms = terms_text(row, names, bool(int(row["order_flags"]) & OrderFlag.SELL))
    return f"order requested by {names.strategy(int(row['source']))}: {terms}{group}"


def _report(what: str) -> Callable[[Any, Names], str]:
    def text(row: Any, names: Names) -> str:
        why = f": {word_of(Reason, row['reason'])}" if row["reason"] else ""
        return f"order {int(row['order'])} at {symbol_of(row, names)} {what}{why}"

    return text


def _accepted(row: Any, names: Names) -> str:
    number = f" as {int(row['exchange_order_id'])}" if row["exchange_order_id"] else ""
    return _report(f"accepted{number}")(row, names)


def _amended(row: Any, names: Names) -> str:
    terms = [f"quantity {lots_text(row['quantity_lots'], row, names)}"] if row["quantity_lots"] else []
    terms += [f"price {price_text(row['price_ticks'], row, names)}"] if row["price_ticks"] else []
    return _report("amended")(row, names) + (f", now {', '.join(terms)}" if terms else "")


def _fill(row: Any, names: Names) -> str:
    flags = int(row["fill_flags"])
    did = "sold" if flags & FillFlag.SELL else "bought"
    name = names.instrument(int(row["instrument"]))
    what = (
        f"{lots_text(row['quantity_lots'], row, names)} {name.symbol} at {price_text(row['price_ticks'], row, names)}"
    )
    fee = units_text(row["fee"], int(row["account"]), names)
    if flags & FillFlag.FEE_IN_BASE:
        fee = f"{lots_text(row['fee'], row, names)} {name.symbol.partition('/')[0]}"
    maker = ", maker" if flags & FillFlag.MAKER else ""
    whose = f"order {int(row['order'])}" if row["order"] else "an order that is not of this tape"
    return f"fill of {whose}: {did} {what}, fee {fee}, trade {int(row['trade_id'])}{maker}"


def _instrument(row: Any, names: Names) -> str:
    name = names.instrument(int(row["instrument"]))
    sizes = f"tick {grouped(str(name.tick_size))}, lot {grouped(str(name.lot_size))}"
    return f"instrument {int(row['instrument'])} is {name.symbol} of {owner_of(row, names)}: {sizes}"


def _instrument_terms(row: Any, names: Names) -> str:
    margins = f"margin {share_text(row['margin_initial_ppm'])} and {share_text(row['margin_maintenance_ppm'])}"
    fees = f"maker fee {share_text(row['maker_fee_ppm'])}, taker fee {share_text(row['taker_fee_ppm'])}"
    return f"terms of {symbol_of(row, names)}: {margins}, {fees}"


def _account(row: Any, names: Names) -> str:
    return f"account {int(row['account'])} is {owner_of(row, names)} in {names.account(int(row['account'])).currency}"


def _strategy(row: Any, names: Names) -> str:
    return f"strategy {int(row['source'])} is {names.strategy(int(row['source']))}"


def _operator(row: Any, names: Names) -> str:
    action = int(row["operator_action"])
    what = ""
    if action == OperatorAction.CLOSE:
        what = f" {symbol_of(row, names)}"
    elif action in (OperatorAction.RESET_BREAKER, OperatorAction.DISABLE_BREAKER):
        what = f" {names.breaker(int(row['target']))}"
    elif action == OperatorAction.ENABLE_STRATEGY:
        what = f" {names.strategy(int(row['target']))}"
    return f"operator's command: {word_of(OperatorAction, action)}{what}"


def _request_failed(row: Any, names: Names) -> str:
    about = f" about order {int(row['order'])}" if row["order"] else ""
    status = f", HTTP {int(row['http_status'])}" if row["http_status"] else ""
    wait = f", again in {duration_text(int(row['retry_after_ms']) * 1_000_000)}" if row["retry_after_ms"] else ""
    why = word_of(RequestFailure, row["failure"])
    return f"request of {owner_of(row, names)}{about} failed: {why}{status}{wait}"


def _connection(what: str) -> Callable[[Any, Names], str]:
    def text(row: Any, names: Names) -> str:
        stream = f", stream {int(row['stream'])}" if row["stream"] else ""
        gap = f", gone since {time_text(int(row['gap_started_ns']))}" if row["gap_started_ns"] else ""
        why = f": {word_of(RequestFailure, row['reason'])}" if row["reason"] else ""
        return f"connection of {owner_of(row, names)} {what}{why}{stream}{gap}"

    return text


def _balance(row: Any, names: Names) -> str:
    account = int(row["account"])
    total, available = (units_text(row[name], account, names) for name in ("total_units", "available_units"))
    return f"balance of {owner_of(row, names)} reported: {total}, {available} available"


def _position(row: Any, names: Names) -> str:
    entry = f" at {price_text(row['entry_ticks'], row, names)}" if row["entry_ticks"] else ""
    size = lots_text(row["quantity_lots"], row, names)
    return f"position of {owner_of(row, names)} reported: {size} {symbol_of(row, names)}{entry}"


def _cash(row: Any, names: Names) -> str:
    amount = units_text(abs(int(row["amount_units"])), int(row["account"]), names)
    return f"{amount} {'taken out of' if row['amount_units'] < 0 else 'paid in to'} {owner_of(row, names)}"


def _adopted(row: Any, names: Names) -> str:
    side = "sell" if int(row["source"]) & OrderFlag.SELL else "buy"
    size = f"{lots_text(row['quantity_lots'], row, names)} {symbol_of(row, names)}"
    filled = f", {lots_text(row['filled_lots'], row, names)} filled" if row["filled_lots"] else ""
    limit = f" at {price_text(row['limit_ticks'], row, names)}" if row["limit_ticks"] else ""
    trigger = f", trigger {price_text(row['trigger_ticks'], row, names)}" if row["trigger_ticks"] else ""
    kind = word_of(OrderType, row["order_type"])
    return f"order {int(row['order'])} taken over from the exchange: {side} {size} {kind}{limit}{trigger}{filled}"


def _notice(row: Any, names: Names) -> str:
    about = f", order {int(row['order'])}" if row["order"] else ""
    seen = f", seen {int(row['observed'])}" if row["observed"] else ""
    return f"notice of {owner_of(row, names)}: {word_of(Reason, row['reason'])}{about}{seen}"


# By kind: what takes the event as a row of its own kind.
EVENT_WORDS: dict[EventKind, Callable[[Any, Names], str]] = {
    EventKind.QUOTE: _quote,
    EventKind.TRADE: _trade,
    EventKind.BAR: _bar,
    EventKind.MARK_PRICE: _mark_price,
    EventKind.FUNDING: _funding,
    EventKind.SIGNAL: _signal,
    EventKind.TIMER: _timer,
    EventKind.ORDER_REQUESTED: _requested,
    EventKind.ORDER_SENT: _report("sent"),
    EventKind.ORDER_ACCEPTED: _accepted,
    EventKind.ORDER_REJECTED: _report("rejected"),
    EventKind.ORDER_FILLED: _fill,
    EventKind.ORDER_CANCELED: _report("canceled"),
    EventKind.ORDER_EXPIRED: _report("expired"),
    EventKind.ORDER_AMENDED: _amended,
    EventKind.CANCEL_REJECTED: _report("not canceled"),
    EventKind.ORDER_TRIGGERED: _report("triggered"),
    EventKind.CONFIGURATION_CHANGED: rule_text,
    EventKind.INSTRUMENT_DEFINED: _instrument,
    EventKind.INSTRUMENT_TERMS_DEFINED: _instrument_terms,
    EventKind.ACCOUNT_DEFINED: _account,
    EventKind.STRATEGY_DEFINED: _strategy,
    EventKind.OPERATOR_COMMAND: _operator,
    EventKind.REQUEST_FAILED: _request_failed,
    EventKind.CONNECTION_LOST: _connection("lost"),
    EventKind.CONNECTION_RESTORED: _connection("restored"),
    EventKind.BALANCE_REPORTED: _balance,
    EventKind.POSITION_REPORTED: _position,
    EventKind.CASH_MOVED: _cash,
    EventKind.ORDER_ADOPTED: _adopted,
    EventKind.NOTICE: _notice,
}
