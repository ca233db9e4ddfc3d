"""The records of the tape, as bytes: their sizes, their order, and the numbers that never change."""

import numpy as np
import pytest

from engine import kinds, records
from engine.jit import kernel, overlay
from engine.kinds import EventKind
from engine.reasons import Reason
from engine.records import COMMAND, DECISION_BYTES, EVENT, EVENT_BYTES, OVERLAYS, QUOTE, REFUSAL, record
from tests.twin.events import encode, event

# A number never changes its meaning: a change here makes old tapes say something else. Only add.
PINNED: dict[str, dict[str, int]] = {
    "EventKind": {
        "QUOTE": 1,
        "TRADE": 2,
        "BAR": 3,
        "MARK_PRICE": 4,
        "FUNDING": 5,
        "SIGNAL": 10,
        "TIMER": 11,
        "ORDER_REQUESTED": 12,
        "ORDER_SENT": 20,
        "ORDER_ACCEPTED": 21,
        "ORDER_REJECTED": 22,
        "ORDER_FILLED": 23,
        "ORDER_CANCELED": 24,
        "ORDER_EXPIRED": 25,
        "ORDER_AMENDED": 26,
        "CANCEL_REJECTED": 27,
        "ORDER_TRIGGERED": 28,
        "CONFIGURATION_CHANGED": 30,
        "INSTRUMENT_DEFINED": 31,
        "INSTRUMENT_TERMS_DEFINED": 32,
        "ACCOUNT_DEFINED": 33,
        "STRATEGY_DEFINED": 34,
        "OPERATOR_COMMAND": 35,
        "REQUEST_FAILED": 40,
        "CONNECTION_LOST": 41,
        "CONNECTION_RESTORED": 42,
        "BALANCE_REPORTED": 50,
        "POSITION_REPORTED": 51,
        "CASH_MOVED": 52,
        "ORDER_ADOPTED": 53,
        "NOTICE": 54,
    },
    "DecisionKind": {
        "PLACE_ORDER": 1,
        "CANCEL_ORDER": 2,
        "AMEND_ORDER": 3,
        "RELEASE_ORDER": 4,
        "REFUSAL": 10,
        "ALERT": 11,
        "SIGNALS_COMBINED": 12,
        "ORDER_SIZED": 13,
        "BREAKER_TRIPPED": 14,
        "BREAKER_CHANGED": 15,
        "RISK_LEVEL_CHANGED": 16,
        "BRACKET_CHANGED": 17,
        "TRANSPORT_CHANGED": 18,
    },
    "Side": {"SELL": -1, "BUY": 1},
    "Aggressor": {"UNKNOWN": 0, "BUYER": 1, "SELLER": 2},
    "OrderType": {
        "MARKET": 1,
        "LIMIT": 2,
        "STOP": 3,
        "STOP_LIMIT": 4,
        "TAKE_PROFIT": 5,
        "TAKE_PROFIT_LIMIT": 6,
        "TRAILING_STOP": 7,
    },
    "TimeInForce": {"GTC": 1, "IOC": 2, "FOK": 3, "GTD": 4},
    "OrderFlag": {"SELL": 1, "POST_ONLY": 2, "REDUCE_ONLY": 4, "HELD_BY_ENGINE": 8},
    "FillFlag": {"SELL": 1, "MAKER": 2, "FEE_IN_BASE": 4},
    "OrderStatus": {
        "NONE": 0,
        "PENDING": 1,
        "SENT": 2,
        "ACCEPTED": 3,
        "PARTIALLY_FILLED": 4,
        "FILLED": 5,
        "PENDING_CANCEL": 6,
        "CANCELED": 7,
        "REJECTED": 8,
        "EXPIRED": 9,
        "UNKNOWN": 10,
        "HELD": 11,
    },
    "Action": {"HOLD": 0, "BUY": 1, "SELL": 2, "CLOSE": 3},
    "InstrumentKind": {"SPOT": 0, "LINEAR": 1},
    "AccountKind": {"CASH": 0, "MARGIN": 1},
    "TradingState": {"ACTIVE": 0, "REDUCE_ONLY": 1, "HALTED": 2},
    "OperatorAction": {
        "KILL": 1,
        "RESUME": 2,
        "REDUCE_ONLY": 3,
        "CANCEL_ALL": 4,
        "CLOSE": 5,
        "FLATTEN": 6,
        "RESET_BREAKER": 7,
        "ENABLE_STRATEGY": 8,
        "DISABLE_BREAKER": 9,
    },
    "FundingBasis": {"RATE": 0, "AMOUNT": 1},
    "OrderRole": {"ENTRY": 0, "EXIT": 1, "STOP": 2, "TARGET": 3, "GROUPED": 4},
    "SignalMode": {"ENTRIES": 0, "TARGETS": 1},
    "SizingMethod": {
        "FIXED_QUANTITY": 0,
        "FIXED_AMOUNT": 1,
        "FIXED_FRACTION": 2,
        "RISK_BASED": 3,
        "VOLATILITY_BASED": 4,
        "KELLY": 5,
    },
    "SizeLimit": {
        "NONE": 0,
        "POSITION_WEIGHT": 1,
        "POSITION_QUANTITY": 2,
        "ORDER_QUANTITY": 3,
        "ORDER_NOTIONAL": 4,
        "FUNDS": 5,
        "LOT_STEP": 6,
    },
    "Distance": {"NONE": 0, "SIGNAL": 1, "TICKS": 2, "PPM": 3, "ATR": 4},
    "GroupKind": {"NONE": 0, "BRACKET": 1, "OCO": 2, "OTO": 3},
    "BracketStatus": {"NONE": 0, "WAITING": 1, "OPEN": 2, "CLOSING": 3, "CLOSED": 4},
    "BracketChange": {
        "OPENED": 1,
        "STOP_MOVED": 2,
        "BREAK_EVEN": 3,
        "TIME_LIMIT": 4,
        "LEG_LOST": 5,
        "CUT": 6,
        "REPAIRED": 7,
        "CLOSED": 8,
    },
    "LegPolicy": {"REPLACE": 0, "CLOSE": 1},
    "RiskLevel": {"NORMAL": 0, "REDUCED": 1, "MINIMAL": 2, "STOPPED": 3},
    "Scope": {"EVERYTHING": 0, "ACCOUNT": 1, "INSTRUMENT": 2, "STRATEGY": 3},
    "Condition": {
        "ACCOUNT_DRAWDOWN": 1,
        "POSITION_LOSS": 2,
        "DAILY_LOSS": 3,
        "WEEKLY_LOSS": 4,
        "LOSING_STREAK": 5,
        "VOLATILITY": 6,
        "PRICE_JUMP": 7,
        "SPREAD": 8,
        "STALE_DATA": 9,
        "EXPOSURE": 10,
        "MARGIN_RATIO": 11,
        "REJECTS": 12,
        "REQUEST_FAILURES": 13,
        "FILL_SLIPPAGE": 14,
        "CLOCK_SKEW": 15,
        "RECONCILIATION": 16,
    },
    "BreakerAction": {
        "ALERT": 1,
        "BLOCK_ENTRIES": 2,
        "REDUCE_ONLY": 4,
        "CANCEL_ORDERS": 8,
        "CLOSE_POSITION": 16,
        "CLOSE_EVERYTHING": 32,
        "KILL_SWITCH": 64,
    },
    "BreakerStatus": {"NONE": 0, "DISABLED": 1, "ARMED": 2, "TRIPPED": 3, "COOLING": 4, "LATCHED": 5},
    "RearmRule": {"OPERATOR": 0, "COOLDOWN": 1, "CLEAR": 2, "NEXT_DAY": 3},
    "TransportStatus": {"CLOSED": 0, "OPEN": 1, "HALF_OPEN": 2},
    "RequestFailure": {"OTHER": 0, "TIMEOUT": 1, "RATE_LIMITED": 2, "SERVER_ERROR": 3, "MALFORMED": 4, "CONNECTION": 5},
    "Setting": {"TRADING_STATE": 1, "STRATEGY_ENABLED": 2, "ORDER_QUANTITY_LOTS": 3, "SHORT_ALLOWED": 4},
}

PINNED_REASONS = {
    "NONE": 0,
    "EVENT_KIND_UNKNOWN": 1,
    "TIME_WENT_BACK": 2,
    "INSTRUMENT_UNKNOWN": 3,
    "ACCOUNT_UNKNOWN": 4,
    "STRATEGY_UNKNOWN": 5,
    "SETTING_UNKNOWN": 6,
    "PRICE_INVALID": 7,
    "QUANTITY_INVALID": 8,
    "VALUE_INVALID": 9,
    "DEFINITION_CONFLICT": 10,
    "ORDER_TABLE_FULL": 100,
    "INSTRUMENT_TABLE_FULL": 101,
    "ACCOUNT_TABLE_FULL": 102,
    "STRATEGY_TABLE_FULL": 103,
    "MONEY_OVERFLOW": 104,
    "BRACKET_TABLE_FULL": 105,
    "BREAKER_TABLE_FULL": 106,
    "TRADING_HALTED": 200,
    "TRADING_REDUCE_ONLY": 201,
    "STRATEGY_DISABLED": 202,
    "ORDER_QUANTITY_UNSET": 203,
    "NO_REFERENCE_PRICE": 204,
    "QUANTITY_BELOW_MINIMUM": 206,
    "QUANTITY_ABOVE_MAXIMUM": 207,
    "NOTIONAL_BELOW_MINIMUM": 208,
    "ALREADY_AT_TARGET": 209,
    "ACTION_UNKNOWN": 211,
    "CONFIDENCE_BELOW_MINIMUM": 212,
    "STRENGTH_BELOW_MINIMUM": 213,
    "STOP_MISSING": 215,
    "STOP_INVALID": 216,
    "TARGET_INVALID": 217,
    "NO_VOLATILITY": 218,
    "KELLY_NOT_POSITIVE": 219,
    "KELLY_TRADES_TOO_FEW": 220,
    "SIZE_ZERO": 221,
    "EQUITY_NOT_POSITIVE": 222,
    "WITHIN_BAND": 223,
    "TRADE_BELOW_MINIMUM": 224,
    "ENTRIES_MAX": 225,
    "GROUP_INVALID": 226,
    "ORDER_INVALID": 227,
    "REDUCE_ONLY_WOULD_INCREASE": 228,
    "SIZING_VALUE_UNSET": 229,
    "EXCHANGE_PRICE_OFF_TICK": 300,
    "EXCHANGE_QUANTITY_OFF_LOT": 301,
    "EXCHANGE_QUANTITY_BELOW_MINIMUM": 302,
    "EXCHANGE_QUANTITY_ABOVE_MAXIMUM": 303,
    "EXCHANGE_NOTIONAL_BELOW_MINIMUM": 304,
    "EXCHANGE_BALANCE_INSUFFICIENT": 305,
    "EXCHANGE_MARGIN_INSUFFICIENT": 306,
    "EXCHANGE_POST_ONLY_WOULD_TAKE": 307,
    "EXCHANGE_REDUCE_ONLY_WOULD_INCREASE": 308,
    "EXCHANGE_FOK_NOT_FILLABLE": 309,
    "EXCHANGE_IOC_REMAINDER": 310,
    "EXCHANGE_NO_MARKET": 311,
    "EXCHANGE_ORDER_UNKNOWN": 312,
    "EXCHANGE_ORDER_INVALID": 313,
    "EXCHANGE_ORDER_TABLE_FULL": 314,
    "EXCHANGE_TRIGGER_INVALID": 315,
    "EXCHANGE_EXPIRED": 316,
    "EXCHANGE_CANCELED_ON_REQUEST": 317,
    "EXCHANGE_INSTRUMENT_UNKNOWN": 318,
    "EXCHANGE_NOT_ASKED": 319,
    "EXCHANGE_OTHER": 399,
    "INSTRUMENT_NOT_ALLOWED": 400,
    "REFERENCE_STALE": 401,
    "PRICE_OUTSIDE_COLLAR": 402,
    "ORDER_QUANTITY_MAX": 403,
    "ORDER_NOTIONAL_MAX": 404,
    "POSITION_QUANTITY_MAX": 405,
    "POSITION_WEIGHT_MAX": 406,
    "ACCOUNT_GROSS_MAX": 407,
    "ACCOUNT_NET_MAX": 408,
    "ACCOUNT_LONG_MAX": 409,
    "ACCOUNT_SHORT_MAX": 410,
    "ACCOUNT_LEVERAGE_MAX": 411,
    "TOTAL_GROSS_MAX": 412,
    "TOTAL_NET_MAX": 413,
    "TOTAL_LONG_MAX": 414,
    "TOTAL_SHORT_MAX": 415,
    "TOTAL_LEVERAGE_MAX": 416,
    "FUNDS_INSUFFICIENT": 417,
    "OPEN_ORDERS_MAX": 418,
    "OPEN_POSITIONS_MAX": 419,
    "ENTRIES_PER_DAY_MAX": 420,
    "INSTRUMENT_ENTRIES_PER_DAY_MAX": 421,
    "COOLDOWN": 422,
    "LOSS_COOLDOWN": 423,
    "OUTSIDE_WINDOW": 424,
    "DAILY_LOSS_MAX": 425,
    "DRAWDOWN_MAX": 426,
    "STRATEGY_LOSS_MAX": 427,
    "ORDER_RATE_MAX": 428,
    "CANCEL_RATE_MAX": 429,
    "DUPLICATE_INTENT": 430,
    "SELF_CROSS": 431,
    "RISK_STOPPED": 432,
    "BREAKER_TRIPPED": 433,
    "TRANSPORT_OPEN": 434,
    "EXECUTIONS_THROTTLED": 435,
    "LEG_REJECTED": 500,
    "LEG_LOST": 501,
    "POSITION_WITHOUT_STOP": 502,
    "EXIT_OVERFILLED": 503,
    "POSITION_SMALLER_THAN_BRACKET": 504,
    "TIME_LIMIT_REACHED": 505,
    "ENTRY_UNPROTECTED": 506,
    "EXIT_REJECTED": 507,
    "STOP_REACHED": 508,
    "TARGET_REACHED": 509,
    "SIGNAL_CLOSED": 510,
    "OPERATOR_CLOSED": 511,
    "BREAKER_CLOSED": 512,
    "ENTRY_ENDED_UNFILLED": 513,
    "RISK_BY_DRAWDOWN": 600,
    "RISK_BY_VOLATILITY": 601,
    "RISK_BY_LOSING_STREAK": 602,
    "FEE_CURRENCY_UNKNOWN": 700,
    "QUANTITY_OFF_LOT": 701,
    "ORDER_FOREIGN": 702,
    "ORDER_TAKEN_OVER": 703,
}


@pytest.mark.parametrize("name", PINNED)
def test_the_numbers_of_the_tape_never_change(name: str) -> None:
    enum = getattr(kinds, name)
    members = {member: int(number) for member, number in enum.__members__.items()}
    assert members == PINNED[name], f"{name}: numbers of old tapes may only be added to, and pinned here"
    assert len(set(members.values())) == len(members)


def test_reason_codes_never_change() -> None:
    members = {name: int(number) for name, number in Reason.__members__.items()}
    assert members == PINNED_REASONS, "reason codes of old tapes may only be added to, and pinned here"
    assert len(set(members.values())) == len(members)


def test_every_enum_of_the_tape_is_pinned() -> None:
    found = {name for name, item in vars(kinds).items() if isinstance(item, type) and item.__module__ == kinds.__name__}
    assert found == set(PINNED)


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_has_an_overlay_of_64_bytes_with_the_same_header(kind: EventKind) -> None:
    overlay_type = OVERLAYS[kind]
    assert overlay_type.itemsize == EVENT_BYTES == EVENT.itemsize
    places = {name: (overlay_type.fields[name][0], overlay_type.fields[name][1]) for name in overlay_type.names}
    for name in ("ts_ns", "kind", "source", "instrument", "account"):
        assert places[name] == (EVENT.fields[name][0], EVENT.fields[name][1]), name
    assert overlay_type.names[1] in {"ts_exchange_ns", "document_hash"}


def test_no_record_has_padding_or_another_byte_order() -> None:
    types = {name: item for name, item in vars(records).items() if isinstance(item, np.dtype)}
    assert len(types) > 20
    for name, item in types.items():
        end = 0
        for field in item.names:
            dtype, place = item.fields[field][:2]
            assert place == end, f"{name}.{field}: padding before it"
            assert dtype.base.isnative
            assert dtype.base.str[0] in "<|", f"{name}.{field}: not little-endian"
            end += dtype.itemsize
        assert end == item.itemsize == 64, name


def test_an_events_bytes_are_these_on_every_machine() -> None:
    made = encode(
        event(
            EventKind.QUOTE,
            0x0102030405060708,
            ts_exchange_ns=-2,
            source=0x1122,
            instrument=0x3344,
            account=0x5566,
            bid_ticks=1,
            ask_ticks=2,
            bid_lots=3,
            ask_lots=4,
            exchange_sequence=-1,
        )
    )
    header = "0807060504030201feffffffffffffff0100221144336655"
    assert made.tobytes().hex() == header + "".join(f"{n:02x}" + "00" * 7 for n in (1, 2, 3, 4)) + "ff" * 8


def test_both_kinds_of_decision_are_64_bytes_with_the_same_header() -> None:
    assert COMMAND.itemsize == REFUSAL.itemsize == DECISION_BYTES
    assert COMMAND.names[:8] == REFUSAL.names[:8]


def test_record_refuses_names_that_interpreted_rows_cannot_read() -> None:
    with pytest.raises(AssertionError, match="would not read"):
        record([("size", "<i8")])


def test_overlay_is_a_view_and_no_copy() -> None:
    @kernel
    def double_bid(rows) -> None:  # type: ignore[no-untyped-def]
        quote = overlay(rows.view(EVENT)[0], QUOTE)
        quote.bid_ticks = quote.bid_ticks * 2

    made = encode(event(EventKind.QUOTE, bid_ticks=21, ask_ticks=50))
    double_bid(made)
    assert made.view(QUOTE)[0].bid_ticks == 42
