"""One event or one decision in words: what happened, to what, at which exact amounts."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from adapters.journal import ConfigurationDocument, Document, TextDocument
from adapters.report.amounts import duration_text, money_text, quantity_text, time_text
from engine import rules
from engine.kinds import (
    Action,
    Aggressor,
    BracketChange,
    Condition,
    DecisionKind,
    EventKind,
    FillFlag,
    FundingBasis,
    GroupKind,
    OperatorAction,
    OrderFlag,
    OrderType,
    RequestFailure,
    Scope,
    Setting,
    SignalMode,
    SizeLimit,
    SizingMethod,
    TimeInForce,
    TradingState,
)
from engine.reasons import Reason
from engine.records import DECISIONS, OVERLAYS
from replay import incidents
from replay.names import Names
from replay.refusals import refusal_text

_TEXT_SHOWN = 300
_PPM = Decimal(10_000)
_RULE_SCOPES = {
    rules.BOOK.base: "everything",
    rules.ACCOUNT.base: "account",
    rules.INSTRUMENT.base: "instrument",
    rules.STRATEGY.base: "strategy",
    rules.PAIR.base: "pair",
    rules.WINDOW.base: "instrument",
    rules.TARGET.base: "instrument",
    rules.RISK_STEP.base: "account",
    rules.BREAKER.base: "breaker",
}


def event_text(event: Any, names: Names, document: Document | None = None) -> str:
    """An event (a row of EVENT) in words, with what its document says."""
    kind = int(event["kind"])
    if kind not in _EVENTS:
        return f"event of the unknown kind {kind}"
    row = np.frombuffer(event.tobytes(), OVERLAYS[EventKind(kind)])[0]
    return _EVENTS[EventKind(kind)](row, names) + _said(document)


def decision_text(decision: Any, names: Names) -> str:
    """A decision (a row of COMMAND) in words."""
    kind = int(decision["kind"])
    if kind not in _DECISIONS:
        return f"decision of the unknown kind {kind}"
    row = np.frombuffer(decision.tobytes(), DECISIONS[DecisionKind(kind)])[0]
    return _DECISIONS[DecisionKind(kind)](row, names)


def kind_word(kind: EventKind | DecisionKind) -> str:
    """What a kind is called, such as `order-filled`."""
    return kind.name.lower().replace("_", "-")


def rule_name(setting: int) -> str:
    """What a CONFIGURATION_CHANGED event sets, by the number in it."""
    return _settings().get(setting, ("", f"setting {setting}"))[1]


@cache
def _settings() -> dict[int, tuple[str, str]]:
    """Scope and name of every setting."""
    own = {int(setting): ("", setting.name.lower()) for setting in Setting}
    own[int(Setting.STRATEGY_ENABLED)] = ("strategy", "strategy_enabled")
    for setting in (Setting.ORDER_QUANTITY_LOTS, Setting.SHORT_ALLOWED):
        own[int(setting)] = ("instrument", setting.name.lower())
    ruled = {table.number(name): (_RULE_SCOPES[table.base], name) for table in rules.TABLES for name in table.bounds}
    return own | ruled


# Parts of sentences


def _word(enum: Any, number: Any) -> str:
    """A number's name as words; the number where it has none."""
    try:
        return str(enum(int(number)).name).lower().replace("_", " ")
    except ValueError:
        return f"{enum.__name__.lower()} {int(number)}"


def _grouped(text: str) -> str:
    return f"{Decimal(text):,f}"


def _price(ticks: Any, row: Any, names: Names) -> str:
    return _grouped(quantity_text(int(ticks), names.instrument(int(row["instrument"])).tick_size))


def _lots(lots: Any, row: Any, names: Names) -> str:
    return _grouped(quantity_text(int(lots), names.instrument(int(row["instrument"])).lot_size))


def _money(units: Any, account: int, names: Names) -> str:
    name = names.account(account)
    return f"{_grouped(money_text(int(units), name.money_decimals))} {name.currency}".rstrip()


def _symbol(row: Any, names: Names) -> str:
    return names.instrument(int(row["instrument"])).symbol


def _share(ppm: Any) -> str:
    return f"{Decimal(int(ppm)) / _PPM:f} %"


def _owner(row: Any, names: Names) -> str:
    return names.account(int(row["account"])).name


def _said(document: Document | None) -> str:
    """What a person or program wrote beside an event, on one line."""
    if isinstance(document, TextDocument):
        return f': "{_shortened(document.text)}" ({document.author})' if document.text else f" ({document.author})"
    if isinstance(document, ConfigurationDocument):
        lines = document.text.strip().splitlines()
        return (
            f" ({len(lines)} lines of {document.format})"
            if len(document.text) > _TEXT_SHOWN
            else f" ({'; '.join(lines)})"
        )
    return ""


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_SHOWN else line[: _TEXT_SHOWN - 1] + "…"


def _terms(row: Any, names: Names, is_sell: bool) -> str:
    """Side, quantity, type and prices of an order."""
    parts = [f"{'sell' if is_sell else 'buy'} {_lots(row['quantity_lots'], row, names)}", _symbol(row, names)]
    parts.append(_word(OrderType, row["order_type"]) if row["order_type"] else "")
    prices = [_price(row[name], row, names) for name in ("limit_ticks", "trigger_ticks") if row[name]]
    parts.append(f"at {', trigger '.join(prices)}" if prices else "")
    if row["time_in_force"] not in (0, TimeInForce.GTC):
        parts.append(TimeInForce(int(row["time_in_force"])).name)
    flags = int(row["order_flags"])
    words = {OrderFlag.POST_ONLY: "post only", OrderFlag.REDUCE_ONLY: "reduce only"}
    parts += [word for flag, word in words.items() if flags & flag]
    parts += ["held by the engine"] if flags & OrderFlag.HELD_BY_ENGINE else []
    return " ".join(part for part in parts if part)


# Events


def _quote(row: Any, names: Names) -> str:
    bid = f"{_price(row['bid_ticks'], row, names)} ({_lots(row['bid_lots'], row, names)})"
    ask = f"{_price(row['ask_ticks'], row, names)} ({_lots(row['ask_lots'], row, names)})"
    return f"quote of {_symbol(row, names)}: bid {bid}, ask {ask}"


def _trade(row: Any, names: Names) -> str:
    taker = "" if row["aggressor"] == Aggressor.UNKNOWN else f", {_word(Aggressor, row['aggressor'])} took"
    size = _lots(row["quantity_lots"], row, names)
    return f"trade of {_symbol(row, names)}: {size} at {_price(row['price_ticks'], row, names)}{taker}"


def _bar(row: Any, names: Names) -> str:
    prices = ", ".join(
        f"{name} {_price(row[f'{name}_ticks'], row, names)}" for name in ("open", "high", "low", "close")
    )
    return f"bar of {_symbol(row, names)}: {prices}, volume {_lots(row['volume_lots'], row, names)}"


def _mark_price(row: Any, names: Names) -> str:
    index = f", index {_price(row['index_ticks'], row, names)}" if row["index_ticks"] else ""
    return f"mark price of {_symbol(row, names)}: {_price(row['mark_ticks'], row, names)}{index}"


def _funding(row: Any, names: Names) -> str:
    if row["basis"] == FundingBasis.AMOUNT:
        amount = _money(row["amount_units"], int(row["account"]), names)
        return f"funding of {_symbol(row, names)}: {amount} to {_owner(row, names)}"
    mark = f" at {_price(row['mark_ticks'], row, names)}" if row["mark_ticks"] else ""
    return f"funding of {_symbol(row, names)}: rate {Decimal(int(row['rate_ppb'])).scaleb(-7).normalize():f} %{mark}"


def _signal(row: Any, names: Names) -> str:
    parts = [f"signal of {names.strategy(int(row['source']))}: {_word(Action, row['action'])} {_symbol(row, names)}"]
    parts += [f"confidence {_share(row['confidence_ppm'])}"] if row["confidence_ppm"] else []
    parts += [f"quantity {_lots(row['quantity_lots'], row, names)}"] if row["quantity_lots"] else []
    parts += [f"{n} {_price(row[f'{n}_ticks'], row, names)}" for n in ("limit", "stop", "target") if row[f"{n}_ticks"]]
    parts += [f"valid for {duration_text(int(row['valid_for_ms']) * 1_000_000)}"] if row["valid_for_ms"] else []
    return ", ".join(parts)


def _timer(row: Any, names: Names) -> str:
    return f"timer {int(row['timer'])}, due {time_text(int(row['due_ts_ns']))}"


def _requested(row: Any, names: Names) -> str:
    kind = int(row["group_kind"])
    group = f", {_word(GroupKind, kind)} group {int(row['group'])}" if kind else ""
    terms = _terms(row, names, bool(int(row["order_flags"]) & OrderFlag.SELL))
    return f"order requested by {names.strategy(int(row['source']))}: {terms}{group}"


def _report(what: str) -> Callable[[Any, Names], str]:
    def text(row: Any, names: Names) -> str:
        why = f": {_word(Reason, row['reason'])}" if row["reason"] else ""
        return f"order {int(row['order'])} at {_symbol(row, names)} {what}{why}"

    return text


def _accepted(row: Any, names: Names) -> str:
    number = f" as {int(row['exchange_order_id'])}" if row["exchange_order_id"] else ""
    return _report(f"accepted{number}")(row, names)


def _amended(row: Any, names: Names) -> str:
    terms = [f"quantity {_lots(row['quantity_lots'], row, names)}"] if row["quantity_lots"] else []
    terms += [f"price {_price(row['price_ticks'], row, names)}"] if row["price_ticks"] else []
    return _report("amended")(row, names) + (f", now {', '.join(terms)}" if terms else "")


def _fill(row: Any, names: Names) -> str:
    flags = int(row["fill_flags"])
    did = "sold" if flags & FillFlag.SELL else "bought"
    name = names.instrument(int(row["instrument"]))
    what = f"{_lots(row['quantity_lots'], row, names)} {name.symbol} at {_price(row['price_ticks'], row, names)}"
    fee = _money(row["fee"], int(row["account"]), names)
    if flags & FillFlag.FEE_IN_BASE:
        fee = f"{_lots(row['fee'], row, names)} {name.symbol.partition('/')[0]}"
    maker = ", maker" if flags & FillFlag.MAKER else ""
    whose = f"order {int(row['order'])}" if row["order"] else "an order that is not of this tape"
    return f"fill of {whose}: {did} {what}, fee {fee}, trade {int(row['trade_id'])}{maker}"


def _configuration(row: Any, names: Names) -> str:
    setting = int(row["setting"])
    scope = _settings().get(setting, ("", ""))[0]
    strategy, symbol = names.strategy(int(row["source"])), _symbol(row, names)
    whose = {
        "account": f" of {_owner(row, names)}",
        "instrument": f" of {symbol}",
        "strategy": f" of {strategy}",
        "pair": f" of {strategy} at {symbol}",
        "breaker": f" of breaker {names.breaker(int(row['row']))}",
    }.get(scope, "")
    rows = (rules.WINDOW, rules.TARGET, rules.RISK_STEP)
    place = f" {int(row['row']) + 1}" if any(t.base <= setting < t.base + len(t.bounds) for t in rows) else ""
    return f"rule {_without_unit(rule_name(setting))}{place}{whose} set to {_value(row, scope, names)}"


_CHOICES = {"sizing_method": SizingMethod, "signal_mode": SignalMode, "condition": Condition, "scope": Scope}
_UNITS = ("_units", "_ppm", "_ns", "_lots", "_ticks")


def _without_unit(name: str) -> str:
    return next((name.removesuffix(unit) for unit in _UNITS if name.endswith(unit)), name).replace("_", " ")


def _value(row: Any, scope: str, names: Names) -> str:
    """The value of a setting in the unit that its name ends with."""
    name, value = rule_name(int(row["setting"])), int(row["value"])
    if name == "trading_state" or name in _CHOICES:
        return _word(_CHOICES.get(name, TradingState), value)
    if name.endswith("_units"):
        account = names.instrument(int(row["instrument"])).account if scope == "instrument" else int(row["account"])
        return _money(value, account, names)
    if name.endswith("_ppm"):
        return _share(value)
    if name.endswith("_ns"):
        return duration_text(value) if value > 0 else f"{value} ns"
    if name.endswith("_lots"):
        return _lots(value, row, names)
    return _price(value, row, names) if name.endswith("_ticks") else f"{value:,}"


def _instrument(row: Any, names: Names) -> str:
    name = names.instrument(int(row["instrument"]))
    sizes = f"tick {_grouped(str(name.tick_size))}, lot {_grouped(str(name.lot_size))}"
    return f"instrument {int(row['instrument'])} is {name.symbol} of {_owner(row, names)}: {sizes}"


def _instrument_terms(row: Any, names: Names) -> str:
    margins = f"margin {_share(row['margin_initial_ppm'])} and {_share(row['margin_maintenance_ppm'])}"
    fees = f"maker fee {_share(row['maker_fee_ppm'])}, taker fee {_share(row['taker_fee_ppm'])}"
    return f"terms of {_symbol(row, names)}: {margins}, {fees}"


def _account(row: Any, names: Names) -> str:
    return f"account {int(row['account'])} is {_owner(row, names)} in {names.account(int(row['account'])).currency}"


def _strategy(row: Any, names: Names) -> str:
    return f"strategy {int(row['source'])} is {names.strategy(int(row['source']))}"


def _operator(row: Any, names: Names) -> str:
    action = int(row["operator_action"])
    what = ""
    if action == OperatorAction.CLOSE:
        what = f" {_symbol(row, names)}"
    elif action in (OperatorAction.RESET_BREAKER, OperatorAction.DISABLE_BREAKER):
        what = f" {names.breaker(int(row['target']))}"
    elif action == OperatorAction.ENABLE_STRATEGY:
        what = f" {names.strategy(int(row['target']))}"
    return f"operator's command: {_word(OperatorAction, action)}{what}"


def _request_failed(row: Any, names: Names) -> str:
    about = f" about order {int(row['order'])}" if row["order"] else ""
    status = f", HTTP {int(row['http_status'])}" if row["http_status"] else ""
    wait = f", again in {duration_text(int(row['retry_after_ms']) * 1_000_000)}" if row["retry_after_ms"] else ""
    why = _word(RequestFailure, row["failure"])
    return f"request of {_owner(row, names)}{about} failed: {why}{status}{wait}"


def _connection(what: str) -> Callable[[Any, Names], str]:
    def text(row: Any, names: Names) -> str:
        stream = f", stream {int(row['stream'])}" if row["stream"] else ""
        gap = f", gone since {time_text(int(row['gap_started_ns']))}" if row["gap_started_ns"] else ""
        why = f": {_word(RequestFailure, row['reason'])}" if row["reason"] else ""
        return f"connection of {_owner(row, names)} {what}{why}{stream}{gap}"

    return text


def _balance(row: Any, names: Names) -> str:
    account = int(row["account"])
    total, available = (_money(row[name], account, names) for name in ("total_units", "available_units"))
    return f"balance of {_owner(row, names)} reported: {total}, {available} available"


def _position(row: Any, names: Names) -> str:
    entry = f" at {_price(row['entry_ticks'], row, names)}" if row["entry_ticks"] else ""
    size = _lots(row["quantity_lots"], row, names)
    return f"position of {_owner(row, names)} reported: {size} {_symbol(row, names)}{entry}"


def _cash(row: Any, names: Names) -> str:
    amount = _money(abs(int(row["amount_units"])), int(row["account"]), names)
    return f"{amount} {'taken out of' if row['amount_units'] < 0 else 'paid in to'} {_owner(row, names)}"


_EVENTS: dict[EventKind, Callable[[Any, Names], str]] = {
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
    EventKind.CONFIGURATION_CHANGED: _configuration,
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
}


# Decisions


def _placed(row: Any, names: Names) -> str:
    whose = names.strategy(int(row["strategy"]))
    terms = _terms(row, names, bool(int(row["order_flags"]) & OrderFlag.SELL))
    return f"order {int(row['order'])} placed for {whose}: {terms}"


def _command(what: str) -> Callable[[Any, Names], str]:
    return lambda row, names: f"order {int(row['order'])} at {_symbol(row, names)} {what}"


def _amend(row: Any, names: Names) -> str:
    terms = [f"quantity {_lots(row['quantity_lots'], row, names)}"] if row["quantity_lots"] else []
    terms += [f"{n} {_price(row[f'{n}_ticks'], row, names)}" for n in ("limit", "trigger") if row[f"{n}_ticks"]]
    return _command("to be amended")(row, names) + (f": {', '.join(terms)}" if terms else "")


def _refused(row: Any, names: Names) -> str:
    return f"refused: {refusal_text(row, names)}"


def _combined(row: Any, names: Names) -> str:
    mask = int(row["contributors"])
    voices = [name for number, name in sorted(names.strategies.items()) if mask >> min(number, 63) & 1]
    what = f"{_word(Action, row['action'])} {_symbol(row, names)}"
    return f"signals of {', '.join(voices) or 'nobody'} combined: {what}, strength {_share(row['strength_ppm'])}"


def _sized(row: Any, names: Names) -> str:
    wanted, size = _lots(row["wanted_lots"], row, names), _lots(row["quantity_lots"], row, names)
    limit = int(row["size_limit"])
    bound = f", bound by {_word(SizeLimit, limit)}" if limit else ""
    account = names.instrument(int(row["instrument"])).account
    equity = f", equity {_money(row['equity_units'], account, names)}" if row["equity_units"] else ""
    price = f", price {_price(row['reference_ticks'], row, names)}" if row["reference_ticks"] else ""
    method = _word(SizingMethod, row["sizing_method"])
    return f"sized by {method}: {size} {_symbol(row, names)} of {wanted} wanted{bound}{equity}{price}"


def _bracket(row: Any, names: Names) -> str:
    change = _word(BracketChange, row["bracket_change"])
    stop = f", stop {_price(row['stop_ticks'], row, names)}" if row["stop_ticks"] else ""
    order = f", order {int(row['order'])}" if row["order"] else ""
    why = f": {_word(Reason, row['reason'])}" if row["reason"] else ""
    held = f"holds {_lots(row['held_lots'], row, names)}"
    return f"bracket {int(row['bracket'])} at {_symbol(row, names)} {change}{why}, {held}{stop}{order}"


_DECISIONS: dict[DecisionKind, Callable[[Any, Names], str]] = {
    DecisionKind.PLACE_ORDER: _placed,
    DecisionKind.CANCEL_ORDER: _command("to be canceled"),
    DecisionKind.AMEND_ORDER: _amend,
    DecisionKind.RELEASE_ORDER: _command("released to the exchange"),
    DecisionKind.REFUSAL: _refused,
    DecisionKind.ALERT: incidents.decision_text,
    DecisionKind.SIGNALS_COMBINED: _combined,
    DecisionKind.ORDER_SIZED: _sized,
    DecisionKind.BREAKER_TRIPPED: incidents.decision_text,
    DecisionKind.BREAKER_CHANGED: incidents.decision_text,
    DecisionKind.RISK_LEVEL_CHANGED: incidents.decision_text,
    DecisionKind.BRACKET_CHANGED: _bracket,
    DecisionKind.TRANSPORT_CHANGED: incidents.decision_text,
}
