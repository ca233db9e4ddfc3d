"""The columns of a kind of record, made of its fields: the number as it is recorded, and beside it what a person reads.

The end of a field's name says its unit, and so which column stands beside it: `*_ticks` a price, `*_lots` a quantity,
`*_units` money, `*_ns` a time. Numbers that have names are shown by their names, and as they are in `*_code`.
"""

from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa

from engine import kinds
from engine.kinds import FillFlag, OrderFlag
from engine.reasons import Reason
from replay.audit.rule_words import rule_name
from replay.audit.tables.columns import (
    INTEGER,
    NO_NUMBER,
    TIME,
    Chunk,
    Column,
    Vocabulary,
    amount,
    bits_of,
    boolean,
    either,
    fixed,
    integer,
    price,
    quantity,
    text,
    time,
    times,
    vocabulary_of,
)
from replay.audit.tables.scales import Mask, decimals, distinct

_FEW_NAMES = 10
# What SQL reads as a word of its own.
_RENAMED = {"order": "order_number", "group": "group_number", "limit": "limit_value", "observed": "observed_value"}
_NAMED = {
    "action": kinds.Action,
    "aggressor": kinds.Aggressor,
    "order_type": kinds.OrderType,
    "time_in_force": kinds.TimeInForce,
    "group_kind": kinds.GroupKind,
    "reason": Reason,
    "failure": kinds.RequestFailure,
    "operator_action": kinds.OperatorAction,
    "basis": kinds.FundingBasis,
    "instrument_kind": kinds.InstrumentKind,
    "account_kind": kinds.AccountKind,
    "sizing_method": kinds.SizingMethod,
    "size_limit": kinds.SizeLimit,
    "condition": kinds.Condition,
    "risk_level": kinds.RiskLevel,
    "level_before": kinds.RiskLevel,
    "bracket_change": kinds.BracketChange,
    "transport_status": kinds.TransportStatus,
    "order_role": kinds.OrderRole,
}
_VOCABULARIES = {name: vocabulary_of(enum) for name, enum in _NAMED.items()}
_ACTIONS = bits_of(kinds.BreakerAction)
_SETTINGS = Vocabulary([], rule_name)
_MEANINGS = {
    "_ticks": "in ticks of the instrument",
    "_lots": "in lots of the instrument",
    "_units": "in the smallest units of the account's money",
    "_ppm": "in millionths",
    "_ppb": "in billionths",
    "_ns": "in nanoseconds since 1970 UTC",
    "_ms": "in milliseconds",
}


def seq_columns(what: str) -> list[Column]:
    """The sequence number and the time that every table of records begins with."""
    return [
        Column("seq", f"sequence number of {what}", fixed(INTEGER), lambda chunk: pa.array(chunk.seqs)),
        Column(
            "ts_ns", "its time, in nanoseconds since 1970 UTC", fixed(INTEGER), lambda c: pa.array(np.array(c.ts_ns))
        ),
        Column("time", "the same as a time, UTC", fixed(TIME), lambda chunk: times(np.array(chunk.ts_ns))),
    ]


def owner_columns() -> list[Column]:
    """Whose a record is."""
    return [
        integer("instrument", f"number of the instrument; {NO_NUMBER} for none"),
        text("symbol", "the instrument's symbol; null for none", lambda tape: tape.symbols, "instrument"),
        integer("account", "number of the account"),
        text("account_name", "the account's name", lambda tape: tape.accounts, "account"),
    ]


def strategy_columns(field: str) -> list[Column]:
    return [
        integer("strategy", "number of the strategy", field),
        text("strategy_name", "the strategy's name", lambda tape: tape.strategies, field),
    ]


def exchange_time_columns() -> list[Column]:
    return [
        integer("ts_exchange_ns", "the exchange's own time, in nanoseconds since 1970 UTC; of a bar, when it opened"),
        time("exchange_time", "the same as a time, UTC; null for 0", "ts_exchange_ns"),
    ]


def field_columns(field: str) -> list[Column]:
    """The columns of one field of a record."""
    special = _SPECIAL.get(field)
    if special is not None:
        return special()
    if field in _NAMED:
        return [
            text(field, _choices(_NAMED[field]), lambda _: _VOCABULARIES[field], field),
            integer(f"{field}_code", f"number of `{field}`", field),
        ]
    name = _RENAMED.get(field, field)
    unit = next((unit for unit in _MEANINGS if field.endswith(unit)), "")
    columns = [integer(name, _MEANINGS.get(unit, _OTHER_MEANINGS.get(name, "as recorded")), field)]
    stem = field.removesuffix(unit) if unit else field
    if unit == "_ticks":
        columns.append(price("price" if stem == "price" else f"{stem}_price", field))
    elif unit == "_lots":
        columns.append(quantity("quantity" if stem == "quantity" else f"{stem}_quantity", field))
    elif unit == "_units":
        columns.append(amount("amount" if stem == "amount" else f"{stem}_amount", field))
    elif unit == "_ns":
        columns.append(time(f"{stem.removesuffix('_ts')}_time", f"`{field}` as a time, UTC; null for 0", field))
    return columns


def _choices(enum: type[IntEnum]) -> str:
    """What a name may be, where there are few."""
    return ", ".join(member.name.lower() for member in enum) if len(enum) <= _FEW_NAMES else "its name"


_OTHER_MEANINGS = {
    "order_number": "number of the order on this tape",
    "limit_value": "what the rule allows, in the rule's own unit",
    "observed_value": "what was seen, in the rule's own unit; -1 where it could not be computed",
    "trade_id": "the exchange's number of the trade; 0 where it gave none",
    "exchange_order_id": "the exchange's number of the order",
    "exchange_sequence": "the exchange's own number of the record",
    "bracket": "number of the bracket on this tape",
    "stream": "the stream; 0 is everything of the account",
    "value": "the new value, in the setting's own unit",
    "row": "row of the window, target, step or breaker, from 0",
    "http_status": "status of the answer; 0 for none",
    "failures": "failures in a row",
    "money_decimals": "digits of the account's smallest unit",
    "contributors": "a bit for each strategy below 63 whose signal counted, 63 for any other",
}


def _flag(flag: int, field: str) -> Any:
    def mask(rows: Any) -> Mask:
        return np.asarray(rows[field] & rows.dtype[field].type(flag) != 0)

    return mask


def order_flag_columns() -> list[Column]:
    flags = [flag for flag in OrderFlag if flag != OrderFlag.SELL]
    return [
        either("side", "buy or sell", _flag(OrderFlag.SELL, "order_flags"), "sell", "buy"),
        *(boolean(flag.name.lower(), "a flag of the order", _flag(flag, "order_flags")) for flag in flags),
    ]


def _fill_flags() -> list[Column]:
    return [
        either("side", "buy or sell", _flag(FillFlag.SELL, "fill_flags"), "sell", "buy"),
        either("liquidity", "maker or taker", _flag(FillFlag.MAKER, "fill_flags"), "maker", "taker"),
        boolean("fee_in_base", "whether the fee is of the base currency", _flag(FillFlag.FEE_IN_BASE, "fill_flags")),
    ]


def _fee() -> list[Column]:
    meaning = "the fee in the smallest units of the account's money, or in lots where `fee_in_base`"
    return [
        integer("fee_units", meaning, "fee"),
        Column("fee", "the same as a decimal of that currency", lambda scales: _fee_type(scales), _fees),
    ]


def _fee_type(scales: Any) -> Any:
    return pa.decimal128(scales.money.type.precision, max(scales.money.decimals, scales.quantities.decimals))


def _fees(chunk: Chunk) -> Any:
    """Money of the account, or lots of the instrument."""
    scales, rows = chunk.tape.scales, chunk.rows
    in_base = _flag(FillFlag.FEE_IN_BASE, "fill_flags")(rows)
    type_ = _fee_type(scales)
    numbers = np.where(in_base, rows["instrument"].astype(np.int64) + (1 << 16), rows["account"].astype(np.int64))
    found, places = distinct(numbers)
    factors = [
        scales.quantities.factor(number - (1 << 16)) * 10 ** (type_.scale - scales.quantities.decimals)
        if number >= 1 << 16
        else scales.money.factor(number) * 10 ** (type_.scale - scales.money.decimals)
        for number in found.tolist()
    ]
    return decimals(chunk.int64s("fee"), factors, places, type_)


def _breaker() -> list[Column]:
    return [
        integer("breaker", "row of the breaker, from 0"),
        text("breaker_name", "the breaker's name", lambda tape: tape.breakers, "breaker"),
    ]


def _actions() -> list[Column]:
    return [
        text("actions", "what it does, by name, with commas between", lambda _: _ACTIONS, "actions"),
        integer("actions_bits", "the same as bits", "actions"),
    ]


def _setting() -> list[Column]:
    return [
        text("setting", "name of the rule or state that is set", lambda _: _SETTINGS, "setting"),
        integer("setting_code", "its number", "setting"),
    ]


def _status() -> list[Column]:
    words = vocabulary_of(kinds.BreakerStatus)
    return [
        text("status", "what the breaker is then", lambda _: words, "status"),
        integer("status_code", "its number", "status"),
    ]


_SPECIAL = {
    "order_flags": order_flag_columns,
    "fill_flags": _fill_flags,
    "fee": _fee,
    "breaker": _breaker,
    "actions": _actions,
    "setting": _setting,
    "status": _status,
}
