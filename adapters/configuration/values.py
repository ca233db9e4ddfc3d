"""The small texts of a configuration, read exactly: decimals, durations and times."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator

NS_PER_SECOND = 1_000_000_000
_NS_PER_UNIT = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "m": 60 * NS_PER_SECOND,
    "h": 3_600 * NS_PER_SECOND,
    "d": 86_400 * NS_PER_SECOND,
}
_DURATION_PART = re.compile(r"(\d+)(ns|us|ms|s|m|h|d)")
_DURATION_MAX_NS = 100 * 366 * _NS_PER_UNIT["d"]
# More digits than this are a slip of the hand, and would not fit an int64 at any scale.
_DECIMAL_DIGITS_MAX = 36


def parse_decimal(value: Any) -> Decimal:
    """The exact decimal of a text or number; binary floats are never involved."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"expected a decimal such as '0.01', found {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"expected a decimal such as '0.01', found {value!r}") from None
    if not number.is_finite() or abs(number.adjusted()) > _DECIMAL_DIGITS_MAX:
        raise ValueError(f"expected a finite decimal of moderate size, found {value!s}")
    return number


def parse_duration(value: Any) -> int:
    """Nanoseconds of a text such as '250ms', '30s', '5m', '1h30m' or '1d'."""
    if not isinstance(value, str) or not re.fullmatch(rf"(?:{_DURATION_PART.pattern})+", value):
        raise ValueError(f"expected a duration such as '250ms', '30s', '5m', '1h' or '1d', found {value!r}")
    duration_ns = sum(int(count) * _NS_PER_UNIT[unit] for count, unit in _DURATION_PART.findall(value))
    if duration_ns > _DURATION_MAX_NS:
        raise ValueError(f"expected a duration of at most 100 years, found {value!r}")
    return duration_ns


def parse_time(value: Any) -> int:
    """Nanoseconds since 1970 UTC of an ISO time; a time without a zone is UTC."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"expected an ISO time such as '2017-12-22T07:00:00Z', found {value!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


DecimalText = Annotated[Decimal, BeforeValidator(parse_decimal)]
DurationText = Annotated[int, BeforeValidator(parse_duration)]
TimeText = Annotated[int, BeforeValidator(parse_time)]
