"""Time columns of any shape, as int64 nanoseconds since 1970 UTC."""

import re
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from adapters.errors import UserError
from adapters.market_data.layout import Layout

Int64s = npt.NDArray[np.int64]

NO_TIME = np.iinfo(np.int64).min
DAY_NS = 86_400_000_000_000
_NS_PER_UNIT = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
# A number outside these years was read in the wrong unit.
_FIRST_NS = (date(1971, 1, 1) - date(1970, 1, 1)).days * DAY_NS
_LAST_NS = (date(2200, 1, 1) - date(1970, 1, 1)).days * DAY_NS
_SHAPES = (
    (r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
    (r"\d{4}-\d\d-\d\d{0}\d\d:\d\d", "%Y-%m-%d{0}%H:%M"),
    (r"\d{4}-\d\d-\d\d{0}\d\d:\d\d:\d\d(?:\.\d+)?", "%Y-%m-%d{0}%H:%M:%S%.f"),
    (r"\d{8} \d\d:\d\d", "%Y%m%d %H:%M"),
    (r"\d{8} \d\d:\d\d:\d\d(?:\.\d+)?", "%Y%m%d %H:%M:%S%.f"),
)
_OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")


def instants(series: pl.Series, layout: Layout, name: str, shift_ns: int = 0) -> Int64s:
    """Each value's time plus `shift_ns`; `NO_TIME` where there is none.

    Whole days are added by the clock on the wall of `layout.zone`, anything else by the clock of UTC.
    A wall time that a clock change repeats is taken as the first of the two; one that it leaves out has no time.
    `name` is the file's name in messages. Raises `UserError` where the unit, format or zone cannot be right.
    """
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        return shifted(_epoch(series), shift_ns)
    if series.dtype in (pl.Date, pl.Datetime) or isinstance(series.dtype, pl.Datetime):
        return _zoned(series.cast(pl.Datetime("ns")), layout.zone, shift_ns, name)
    first = _first_text(series)
    if layout.time_unit == "text" or (layout.time_unit == "auto" and not _is_number(first)):
        form = layout.time_format or _guessed_format(first, name)
        moments = series.cast(pl.String).str.to_datetime(form, time_unit="ns", strict=False)
        if isinstance(moments.dtype, pl.Datetime) and moments.dtype.time_zone:
            return shifted(_epoch(moments), shift_ns)
        return _zoned(moments, layout.zone, shift_ns, name)
    factor = _NS_PER_UNIT[_unit(first, layout.time_unit, name)]
    counted = _counted(series, factor)
    if layout.midnight is not None:
        start_ns = (layout.midnight - date(1970, 1, 1)).days * DAY_NS
        wall = np.where((counted >= 0) & (counted < 2 * DAY_NS), counted + start_ns, NO_TIME)
        naive = pl.Series(wall).set(pl.Series(wall == NO_TIME), None).cast(pl.Datetime("ns"))
        return _zoned(naive, layout.zone, shift_ns, name)
    _check_unit(first, counted, layout.time_unit, name)
    return shifted(np.where((counted >= _FIRST_NS) & (counted < _LAST_NS), counted, NO_TIME), shift_ns)


def _first_text(series: pl.Series) -> str:
    values = series.drop_nulls()
    return str(values[0]).strip() if len(values) else ""


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d*)?", text) is not None


def _unit(first: str, unit: str, name: str) -> str:
    """The unit of numbers by their size: from 1973 to 2200 the four never overlap."""
    if unit != "auto":
        return unit
    value = float(first)
    for candidate, low in (("s", 1e8), ("ms", 1e11), ("us", 1e14), ("ns", 1e17)):
        if low <= value < 80 * low:
            return candidate
    raise UserError(f"{name}: time {first} is no time since 1970 in s, ms, us or ns; expected time.unit or time.format")


def _check_unit(first: str, counted: Int64s, unit: str, name: str) -> None:
    read = counted[counted != NO_TIME]
    if not len(read) and _is_number(first):
        raise UserError(f"{name}: time {first} read as {unit} lies far in the future; expected another time.unit")
    if len(read) and not _FIRST_NS <= read[0] < _LAST_NS:
        year = 1970 + int(read[0]) // (365 * DAY_NS + DAY_NS // 4)
        raise UserError(f"{name}: time {first} read as {unit} lies in {year}; expected another time.unit")


def _counted(series: pl.Series, factor: int) -> Int64s:
    """Numbers of a unit of `factor` ns, as ns."""
    if series.dtype.is_float():
        # A double holds seconds to about a quarter of a microsecond, so finer digits are noise.
        values = series.to_numpy() * (factor / 1_000)
        fits = np.isfinite(values) & (np.abs(values) < 9e15)
        return np.where(fits, np.rint(np.where(fits, values, 0)).astype(np.int64) * 1_000, NO_TIME)
    whole = series.cast(pl.Int64, strict=False)
    fraction_ns: Int64s = np.zeros(len(series), np.int64)
    if series.dtype == pl.String and whole.null_count():
        parts = series.str.strip_chars().str.extract_groups(r"^(\d+)(?:\.(\d*))?$").struct
        whole = parts.field("1").cast(pl.Int64, strict=False)
        digits = parts.field("2").fill_null("").str.slice(0, 9).str.pad_end(9, "0")
        fraction_ns = digits.cast(pl.Int64).to_numpy() * factor // 1_000_000_000
    counts = whole.fill_null(NO_TIME).to_numpy()
    fits = (counts >= 0) & (counts <= (np.iinfo(np.int64).max - factor) // factor)
    return np.where(fits, np.where(fits, counts, 0) * factor + fraction_ns, NO_TIME)


def _guessed_format(first: str, name: str) -> str:
    offset = _OFFSET.search(first) if len(first) > 10 else None
    plain = first[: offset.start()] if offset else first
    for separator in ("T", " "):
        for pattern, form in _SHAPES:
            if re.fullmatch(pattern.replace("{0}", separator), plain):
                return form.replace("{0}", separator) + ("%#z" if offset else "")
    raise UserError(f"{name}: time {first!r} has an unknown shape; expected time.format, such as '%d.%m.%Y %H:%M'")


def _zoned(moments: pl.Series, zone: str, shift_ns: int, name: str) -> Int64s:
    by_wall = shift_ns % DAY_NS == 0
    if by_wall and shift_ns:
        moments = (moments.cast(pl.Int64) + shift_ns).cast(pl.Datetime("ns"))
    if zone != "UTC":
        try:
            moments = moments.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        except pl.exceptions.PolarsError:
            raise UserError(f"{name}: unknown time.zone {zone!r}; expected a name such as 'America/New_York'") from None
    return shifted(_epoch(moments), 0 if by_wall else shift_ns)


def _epoch(moments: pl.Series) -> Int64s:
    return moments.dt.epoch("ns").fill_null(NO_TIME).to_numpy()


def shifted(times: Int64s, shift_ns: int) -> Int64s:
    """Times moved by the clock of UTC; `NO_TIME` stays."""
    if not shift_ns:
        return times
    return np.where(times == NO_TIME, NO_TIME, np.where(times == NO_TIME, 0, times) + shift_ns)
