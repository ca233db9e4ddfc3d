"""The small texts of a configuration, read exactly: decimals, fractions, durations, times, distances, names."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator

from engine.kinds import Distance

NS_PER_SECOND = 1_000_000_000
PPM = 1_000_000
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
_SHOWN_MAX = 60


def shown(value: Any) -> str:
    """A value as it stands in the file, for a message."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | list | tuple | dict):
        text = repr(value)
        return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 3] + "..."
    return str(value)


def parse_decimal(value: Any) -> Decimal:
    """The exact decimal of a text or number; binary floats are never involved."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"expected a decimal such as '0.01', found {shown(value)}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"expected a decimal such as '0.01', found {shown(value)}") from None
    if not number.is_finite() or abs(number.adjusted()) > _DECIMAL_DIGITS_MAX:
        raise ValueError(f"expected a finite decimal of moderate size, found {shown(value)}")
    return number


def parse_duration(value: Any) -> int:
    """Nanoseconds of a text such as '250ms', '30s', '5m', '1h30m' or '1d'."""
    if not isinstance(value, str) or not re.fullmatch(rf"(?:{_DURATION_PART.pattern})+", value):
        raise ValueError(f"expected a duration such as '250ms', '30s', '5m', '1h' or '1d', found {shown(value)}")
    duration_ns = sum(int(count) * _NS_PER_UNIT[unit] for count, unit in _DURATION_PART.findall(value))
    if duration_ns > _DURATION_MAX_NS:
        raise ValueError(f"expected a duration of at most 100 years, found {shown(value)}")
    return duration_ns


def parse_time(value: Any) -> int:
    """Nanoseconds since 1970 UTC of an ISO time; a time without a zone is UTC."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"expected an ISO time such as '2017-12-22T07:00:00Z', found {shown(value)}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


@dataclass(frozen=True, slots=True)
class Measure:
    """A distance of a bracket: `value` is ticks, millionths of the price, or millionths of the ATR."""

    kind: Distance
    value: int


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` within `window_ns`."""

    count: int
    window_ns: int


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known one that is meant, or all of them."""
    known = list(known)
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(known)}"


def parse_fraction(value: Any) -> int:
    """Millionths of a fraction such as '0.02' or '2%', exactly; not negative."""
    is_percent = isinstance(value, str) and value.endswith("%")
    try:
        ppm = parse_decimal(value[:-1].strip() if is_percent else value) * (PPM // 100 if is_percent else PPM)
    except ValueError:
        raise ValueError(f"expected a fraction such as '0.02' or '2%', found {shown(value)}") from None
    if ppm < 0 or ppm != ppm.to_integral_value():
        raise ValueError(f"expected a fraction of 0 or more in whole millionths, found {value}")
    return int(ppm)


def parse_rate(value: Any) -> Rate:
    """A text such as '10/1s': so many in a time."""
    found = re.fullmatch(r"(\d{1,9})\s*/\s*(\S+)", value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError(f"expected a count in a time such as '10/1s', found {shown(value)}")
    rate = Rate(int(found[1]), parse_duration(found[2]))
    if rate.window_ns < rate.count:
        raise ValueError(f"expected at most one a nanosecond, found {shown(value)}")
    return rate


def parse_clock(value: Any) -> int:
    """Nanoseconds since midnight of '09:30' or '09:30:15'; '24:00' is the end of the day."""
    found = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d))?", value) if isinstance(value, str) else None
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (99, 0, 0)
    since_s = 3_600 * hours + 60 * minutes + seconds
    if minutes > 59 or seconds > 59 or since_s > 86_400:
        raise ValueError(f"expected a time of day such as '09:30', found {shown(value)}")
    return since_s * NS_PER_SECOND


def parse_measure(value: Any) -> Measure:
    """A distance such as '2%', '150 ticks' or '2.5 ATR'."""
    found = re.fullmatch(r"(-?[\d.]+)\s*(%|ticks?|ATR)", value) if isinstance(value, str) else None
    try:
        amount = parse_decimal(found[1]) if found else Decimal(0)
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"expected a distance such as '2%', '150 ticks' or '2.5 ATR', found {shown(value)}")
    kinds = {"%": (Distance.PPM, PPM // 100), "ATR": (Distance.ATR, PPM)}
    kind, scale = kinds.get(found[2], (Distance.TICKS, 1))
    if amount <= 0 or amount * scale != (amount * scale).to_integral_value():
        whole = "ticks" if kind == Distance.TICKS else "millionths"
        raise ValueError(f"expected a distance above 0 in whole {whole}, found {shown(value)}")
    return Measure(kind, int(amount * scale))


def parse_stop(value: Any) -> Measure:
    """A distance, or 'signal' where every signal brings its own stop."""
    if value == "signal":
        return Measure(Distance.SIGNAL, 0)
    return parse_measure(value)


def within_price(measure: Measure) -> Measure:
    """The distance of a stop again, where it leaves something of the price."""
    if measure.kind == Distance.PPM and measure.value >= PPM:
        raise ValueError(f"expected less than the whole price, found {Decimal(measure.value) * 100 / PPM}%")
    return measure


def parse_zone(value: Any) -> str:
    """The name of a time zone that is known, such as 'America/New_York'."""
    try:
        return str(ZoneInfo(value))
    except (KeyError, ValueError, TypeError, OSError):
        close = get_close_matches(str(value), sorted(available_timezones()), n=1)
    meant = f"did you mean {close[0]!r}?" if close else "expected one such as 'America/New_York'"
    raise ValueError(f"unknown time zone {value!r}; {meant}")


def word_of(meanings: Mapping[str, int]) -> Callable[[Any], int]:
    """A parser of one of these words to its number."""

    def parse(value: Any) -> int:
        if not isinstance(value, str) or value not in meanings:
            raise ValueError(f"unknown word {value!r}" + nearest(str(value), meanings))
        return meanings[value]

    return parse


def words_of(meanings: Mapping[str, int]) -> Callable[[Any], int]:
    """A parser of a list of these words, at least one, to the bits of their numbers."""

    def parse(value: Any) -> int:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"expected a list of at least one of {', '.join(meanings)}; found {shown(value)}")
        bits = 0
        for name in value:
            bit = word_of(meanings)(name)
            if bits & bit:
                raise ValueError(f"expected each word once, found {name!r} again")
            bits |= bit
        return bits

    return parse


DecimalText = Annotated[Decimal, BeforeValidator(parse_decimal)]
DurationText = Annotated[int, BeforeValidator(parse_duration)]
TimeText = Annotated[int, BeforeValidator(parse_time)]
ZoneText = Annotated[str, BeforeValidator(parse_zone)]
