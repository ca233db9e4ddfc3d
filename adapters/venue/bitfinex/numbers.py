"""Between ticks, lots and units and the numbers of JSON: exact both ways, never through a float."""

import json
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from adapters.configuration import Instrument
from adapters.venue.bitfinex.errors import invalid

Number = int | Decimal

# The exchange cuts a price beyond five significant digits, and an amount beyond eight decimals.
_PRICE_DIGITS = Context(prec=5, rounding=ROUND_DOWN)
_AMOUNT_STEP = Decimal("1e-8")
_NS_A_MS = 1_000_000

encode = msgspec.json.Encoder(decimal_format="number").encode


def decode(text: str | bytes) -> Any:
    """JSON with its decimals as they are written. Raises ValueError."""
    return json.loads(text, parse_float=Decimal)


def number(value: Decimal) -> Number:
    """A whole number without a point, others without zeros at their end."""
    return int(value) if value == value.to_integral_value() else value.normalize()


@lru_cache(maxsize=1 << 16)
def _steps_as_number(step: Decimal, count: int) -> Number:
    return number(step * count)


def price(instrument: Instrument, ticks: int) -> Number:
    return _steps_as_number(instrument.tick_size, ticks)


def amount(instrument: Instrument, lots: int) -> Number:
    return _steps_as_number(instrument.lot_size, lots)


def money(units: int, decimals: int) -> Number:
    return number(Decimal(units).scaleb(-decimals))


def share(part: int, whole: int) -> Number:
    """A quotient with eight decimals; 0 of nothing."""
    return number(round(Decimal(part) / whole, 8)) if whole else 0


def mean_price(instrument: Instrument, ticks_lots: int, lots: int) -> Number:
    """The mean price of trades, from the sum of their price times quantity; 0 where there are none."""
    return number(round(instrument.tick_size * ticks_lots / lots, 8)) if lots else 0


def text(value: Number) -> str:
    """As it stands in a status: with a point, as 18030.0."""
    return f"{value}.0" if isinstance(value, int) else f"{value:f}"


def milliseconds(ns: int) -> int:
    return ns // _NS_A_MS


def ticks_of(instrument: Instrument, field: str, value: object) -> int:
    """The ticks of a price in a request, cut to five digits. Raises Refused."""
    return _steps(_PRICE_DIGITS.plus(_decimal(field, value)), instrument.tick_size, field)


def lots_of(instrument: Instrument, field: str, value: object) -> int:
    """The lots of an amount in a request, below zero for a sell. Raises Refused."""
    cut = _decimal(field, value).quantize(_AMOUNT_STEP, ROUND_DOWN)
    return _steps(cut, instrument.lot_size, field)


def whole_number_of(field: str, value: object) -> int:
    """A whole number in a request, as a number or as text. Raises Refused."""
    try:
        return int(value) if isinstance(value, str) else _whole(value)
    except ValueError:
        raise invalid(field) from None


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError
    return value


def _decimal(field: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise invalid(field)
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise invalid(field) from None
    if not found.is_finite() or found.adjusted() > 15:
        raise invalid(field)
    return found


def _steps(value: Decimal, step: Decimal, field: str) -> int:
    steps = value / step
    if steps != steps.to_integral_value():
        raise invalid(field)
    return int(steps)
