"""The records of the tape: 64-byte events and decisions, each kind under names of its own.

Every event starts with the same 24-byte header and has 40 bytes of its own. Prices are in ticks, sizes in
lots, money in units of the account's currency, ratios in ppm or ppb, times in nanoseconds since 1970 UTC.
A field named `reserved*` is zero.

The second word of the header is the exchange's own time for what an exchange said (`ts_exchange_ns`; for a
bar, the time it opened), and for what people and strategies said the first eight bytes of the hash of the
document that belongs to the event (`document_hash`, 0 for none).
"""

from typing import Any

import numpy as np

from engine.kinds import DecisionKind, EventKind

EVENT_BYTES = 64
DECISION_BYTES = 64


def record(fields: list[Any]) -> np.dtype[Any]:
    """A packed record type whose rows read `row.field`, compiled and interpreted alike."""
    dtype = np.dtype((np.record, fields))
    assert dtype.names is not None
    named = sum(dtype[name].itemsize for name in dtype.names)
    assert named == dtype.itemsize, "padding bytes would break digests"
    hidden = [name for name in dtype.names if hasattr(np.record, name)]
    assert not hidden, f"interpreted rows would not read the fields {hidden}"
    return dtype


def _event(second_word: str, byte: str, payload: list[Any]) -> np.dtype[Any]:
    header = [
        ("ts_ns", "<i8"),
        (second_word, "<i8"),
        ("kind", "u1"),
        (byte, "u1"),
        ("source", "<u2"),
        ("instrument", "<u2"),
        ("account", "<u2"),
    ]
    dtype = record(header + payload)
    assert dtype.itemsize == EVENT_BYTES, "an event is 64 bytes"
    return dtype


def _reported(byte: str, payload: list[Any]) -> np.dtype[Any]:
    return _event("ts_exchange_ns", byte, payload)


def _stated(byte: str, payload: list[Any]) -> np.dtype[Any]:
    return _event("document_hash", byte, payload)


def _words(*names: str) -> list[Any]:
    reserved = [f"reserved{i}" for i in range(5 - len(names))]
    return [(name, "<i8") for name in (*names, *reserved)]


EVENT = _reported("detail", [("payload", "<i8", (5,))])

# Market data. `source` is the number of the feed or file the record came from.
QUOTE = _reported("reserved", _words("bid_ticks", "ask_ticks", "bid_lots", "ask_lots", "exchange_sequence"))
TRADE = _reported("aggressor", _words("price_ticks", "quantity_lots", "trade_id"))
BAR = _reported("reserved", _words("open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume_lots"))
MARK_PRICE = _reported("reserved", _words("mark_ticks", "index_ticks"))
# `payment_id` is the exchange's, of an amount: what has one is booked once.
FUNDING = _reported("basis", _words("rate_ppb", "mark_ticks", "amount_units", "payment_id"))

# Strategies and time. `source` of a signal is the strategy's number.
SIGNAL = _stated(
    "action",
    [
        ("confidence_ppm", "<u4"),
        ("valid_for_ms", "<u4"),
        ("quantity_lots", "<i8"),
        ("limit_ticks", "<i8"),
        ("stop_ticks", "<i8"),
        ("target_ticks", "<i8"),
    ],
)
TIMER = _stated("reserved", _words("timer", "due_ts_ns"))
# One order as it is, alone or as a member of a group: orders of one `group` number and strategy belong together.
ORDER_REQUEST = _stated(
    "order_type",
    [
        ("order_flags", "u1"),
        ("time_in_force", "u1"),
        ("group_kind", "u1"),
        ("reserved", "u1"),
        ("group", "<u4"),
        ("quantity_lots", "<i8"),
        ("limit_ticks", "<i8"),
        ("trigger_ticks", "<i8"),
        ("expire_ts_ns", "<i8"),
    ],
)

# Orders, as an exchange or the transport reports them.
ORDER_REPORT = _reported("reserved", _words("order", "exchange_order_id", "reason", "quantity_lots", "price_ticks"))
FILL = _reported("fill_flags", _words("order", "trade_id", "price_ticks", "quantity_lots", "fee"))

# Definitions, settings and people. `source` is the strategy's number where a setting belongs to one.
CONFIGURATION = _stated("reserved", _words("setting", "value", "row"))
INSTRUMENT = _stated(
    "instrument_kind",
    _words("tick_lot_units", "quantity_step_lots", "quantity_min_lots", "quantity_max_lots", "notional_min_units"),
)
INSTRUMENT_TERMS = _stated(
    "reserved", _words("margin_initial_ppm", "margin_maintenance_ppm", "maker_fee_ppm", "taker_fee_ppm")
)
ACCOUNT_DEFINITION = _stated("account_kind", _words("money_decimals"))
STRATEGY_DEFINITION = _stated("reserved", _words("memory_bytes"))
OPERATOR = _stated("operator_action", _words("operator_hash", "target", "value"))

# Transport and reconciliation.
REQUEST_FAILURE = _reported("reserved", _words("order", "failure", "http_status", "retry_after_ms", "endpoint"))
CONNECTION = _reported("stream", _words("reason", "gap_started_ns"))
BALANCE = _reported("reserved", _words("total_units", "available_units"))
POSITION_REPORT = _reported("reserved", _words("quantity_lots", "entry_ticks", "mark_ticks", "unrealized_units"))
CASH = _stated("reserved", _words("amount_units"))
# An order as the exchange has it that the engine did not know to be open. `source` is its OrderFlags; quantity and what
# is filled of it are whole, those of trades since `ts_exchange_ns`.
ADOPTION = _reported("order_type", _words("order", "quantity_lots", "filled_lots", "limit_ticks", "trigger_ticks"))
# What a client found at the exchange and a person should hear of; `reason` is one of 700..799.
NOTICE = _reported("reserved", _words("reason", "order", "observed"))

OVERLAYS: dict[EventKind, np.dtype[Any]] = {
    EventKind.QUOTE: QUOTE,
    EventKind.TRADE: TRADE,
    EventKind.BAR: BAR,
    EventKind.MARK_PRICE: MARK_PRICE,
    EventKind.FUNDING: FUNDING,
    EventKind.SIGNAL: SIGNAL,
    EventKind.TIMER: TIMER,
    EventKind.ORDER_REQUESTED: ORDER_REQUEST,
    EventKind.ORDER_SENT: ORDER_REPORT,
    EventKind.ORDER_ACCEPTED: ORDER_REPORT,
    EventKind.ORDER_REJECTED: ORDER_REPORT,
    EventKind.ORDER_FILLED: FILL,
    EventKind.ORDER_CANCELED: ORDER_REPORT,
    EventKind.ORDER_EXPIRED: ORDER_REPORT,
    EventKind.ORDER_AMENDED: ORDER_REPORT,
    EventKind.CANCEL_REJECTED: ORDER_REPORT,
    EventKind.ORDER_TRIGGERED: ORDER_REPORT,
    EventKind.CONFIGURATION_CHANGED: CONFIGURATION,
    EventKind.INSTRUMENT_DEFINED: INSTRUMENT,
    EventKind.INSTRUMENT_TERMS_DEFINED: INSTRUMENT_TERMS,
    EventKind.ACCOUNT_DEFINED: ACCOUNT_DEFINITION,
    EventKind.STRATEGY_DEFINED: STRATEGY_DEFINITION,
    EventKind.OPERATOR_COMMAND: OPERATOR,
    EventKind.REQUEST_FAILED: REQUEST_FAILURE,
    EventKind.CONNECTION_LOST: CONNECTION,
    EventKind.CONNECTION_RESTORED: CONNECTION,
    EventKind.BALANCE_REPORTED: BALANCE,
    EventKind.POSITION_REPORTED: POSITION_REPORT,
    EventKind.CASH_MOVED: CASH,
    EventKind.ORDER_ADOPTED: ADOPTION,
    EventKind.NOTICE: NOTICE,
}


def _decision(payload: list[Any]) -> np.dtype[Any]:
    header = [
        ("kind", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("order_flags", "u1"),
        ("instrument", "<u2"),
        ("account", "u1"),
        ("strategy", "u1"),
        ("seq", "<i8"),
    ]
    dtype = record(header + payload)
    assert dtype.itemsize == DECISION_BYTES, "a decision is 64 bytes"
    return dtype


# What the fold decided. `seq` is the sequence number of the event that it was decided on.
COMMAND = _decision(
    [
        ("order", "<i8"),
        ("quantity_lots", "<i8"),
        ("limit_ticks", "<i8"),
        ("trigger_ticks", "<i8"),
        ("trail_ticks", "<i8"),
        ("expire_ts_ns", "<i8"),
    ]
)
REFUSAL = _decision(
    [
        ("order", "<i8"),
        ("reason", "<i8"),
        ("limit", "<i8"),
        ("observed", "<i8"),
        ("reserved0", "<i8"),
        ("reserved1", "<i8"),
    ]
)

# Decisions that explain: the numbers the engine compared, for people and programs that ask why.
# `action` is an Action; `contributors` has a bit for each strategy below 63 whose signal counted, 63 for any other.
COMBINED = _decision(
    [
        ("action", "<i8"),
        ("strength_ppm", "<i8"),
        ("contributors", "<i8"),
        ("weight_total_ppm", "<i8"),
        ("reserved0", "<i8"),
        ("reserved1", "<i8"),
    ]
)
# `wanted_lots` is what the method gives, `quantity_lots` what is left after the cuts, bound by `size_limit`.
SIZED = _decision(
    [
        ("sizing_method", "<i8"),
        ("wanted_lots", "<i8"),
        ("quantity_lots", "<i8"),
        ("size_limit", "<i8"),
        ("equity_units", "<i8"),
        ("reference_ticks", "<i8"),
    ]
)
# A breaker's trip or change of status; `limit` and `observed` are in the unit of its condition, observed -1 where
# it could not be computed. `breaker` counts from 0.
BREAKER_DECISION = _decision(
    [
        ("breaker", "<i8"),
        ("status", "<i8"),
        ("condition", "<i8"),
        ("limit", "<i8"),
        ("observed", "<i8"),
        ("actions", "<i8"),
    ]
)
# An account's (`instrument` 65535) or an instrument's risk level; `reason` is the rule that moved it.
RISK_LEVEL_DECISION = _decision(
    [
        ("risk_level", "<i8"),
        ("level_before", "<i8"),
        ("reason", "<i8"),
        ("limit", "<i8"),
        ("observed", "<i8"),
        ("scale_ppm", "<i8"),
    ]
)
# What happened to a bracket; `bracket` is its number, counted from 1 over the whole tape.
BRACKET_DECISION = _decision(
    [
        ("bracket", "<i8"),
        ("bracket_change", "<i8"),
        ("held_lots", "<i8"),
        ("stop_ticks", "<i8"),
        ("order", "<i8"),
        ("reason", "<i8"),
    ]
)
TRANSPORT_DECISION = _decision(
    [
        ("transport_status", "<i8"),
        ("failures", "<i8"),
        ("failure", "<i8"),
        ("until_ts_ns", "<i8"),
        ("reserved0", "<i8"),
        ("reserved1", "<i8"),
    ]
)
# How each kind of decision is read.
DECISIONS: dict[DecisionKind, np.dtype[Any]] = {
    DecisionKind.PLACE_ORDER: COMMAND,
    DecisionKind.CANCEL_ORDER: COMMAND,
    DecisionKind.AMEND_ORDER: COMMAND,
    DecisionKind.RELEASE_ORDER: COMMAND,
    DecisionKind.REFUSAL: REFUSAL,
    DecisionKind.ALERT: REFUSAL,
    DecisionKind.SIGNALS_COMBINED: COMBINED,
    DecisionKind.ORDER_SIZED: SIZED,
    DecisionKind.BREAKER_TRIPPED: BREAKER_DECISION,
    DecisionKind.BREAKER_CHANGED: BREAKER_DECISION,
    DecisionKind.RISK_LEVEL_CHANGED: RISK_LEVEL_DECISION,
    DecisionKind.BRACKET_CHANGED: BRACKET_DECISION,
    DecisionKind.TRANSPORT_CHANGED: TRANSPORT_DECISION,
}
