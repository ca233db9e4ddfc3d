"""Each kind of decision in words."""

from collections.abc import Callable
from typing import Any

from engine.kinds import Action, BracketChange, DecisionKind, OrderFlag, SizeLimit, SizingMethod
from engine.reasons import Reason
from replay import incidents
from replay.audit.words import lots_text, price_text, share_text, symbol_of, terms_text, units_text, word_of
from replay.names import Names
from replay.refusals import refusal_text


def _placed(row: Any, names: Names) -> str:
    whose = names.strategy(int(row["strategy"]))
    terms = terms_text(row, names, bool(int(row["order_flags"]) & OrderFlag.SELL))
    return f"order {int(row['order'])} placed for {whose}: {terms}"


def _command(what: str) -> Callable[[Any, Names], str]:
    return lambda row, names: f"order {int(row['order'])} at {symbol_of(row, names)} {what}"


def _amend(row: Any, names: Names) -> str:
    terms = [f"quantity {lots_text(row['quantity_lots'], row, names)}"] if row["quantity_lots"] else []
    terms += [f"{n} {price_text(row[f'{n}_ticks'], row, names)}" for n in ("limit", "trigger") if row[f"{n}_ticks"]]
    return _command("to be amended")(row, names) + (f": {', '.join(terms)}" if terms else "")


def _refused(row: Any, names: Names) -> str:
    return f"refused: {refusal_text(row, names)}"


def _combined(row: Any, names: Names) -> str:
    mask = int(row["contributors"])
    voices = [name for number, name in sorted(names.strategies.items()) if mask >> min(number, 63) & 1]
    what = f"{word_of(Action, row['action'])} {symbol_of(row, names)}"
    return f"signals of {', '.join(voices) or 'nobody'} combined: {what}, strength {share_text(row['strength_ppm'])}"


def _sized(row: Any, names: Names) -> str:
    wanted, size = lots_text(row["wanted_lots"], row, names), lots_text(row["quantity_lots"], row, names)
    limit = int(row["size_limit"])
    bound = f", bound by {word_of(SizeLimit, limit)}" if limit else ""
    account = names.instrument(int(row["instrument"])).account
    equity = f", equity {units_text(row['equity_units'], account, names)}" if row["equity_units"] else ""
    price = f", price {price_text(row['reference_ticks'], row, names)}" if row["reference_ticks"] else ""
    method = word_of(SizingMethod, row["sizing_method"])
    return f"sized by {method}: {size} {symbol_of(row, names)} of {wanted} wanted{bound}{equity}{price}"


def _bracket(row: Any, names: Names) -> str:
    change = word_of(BracketChange, row["bracket_change"])
    stop = f", stop {price_text(row['stop_ticks'], row, names)}" if row["stop_ticks"] else ""
    order = f", order {int(row['order'])}" if row["order"] else ""
    why = f": {word_of(Reason, row['reason'])}" if row["reason"] else ""
    held = f"holds {lots_text(row['held_lots'], row, names)}"
    return f"bracket {int(row['bracket'])} at {symbol_of(row, names)} {change}{why}, {held}{stop}{order}"


# By kind: what takes the decision as a row of its own kind.
DECISION_WORDS: dict[DecisionKind, Callable[[Any, Names], str]] = {
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
