"""Columns of numbers as event records: exact ticks and lots, and a fault for every row that is none."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from adapters.configuration import Configuration
from adapters.market_data.layout import Layout
from adapters.market_data.report import Fault
from adapters.market_data.times import DAY_NS, NO_TIME, Int64s, instants, shifted
from engine.kinds import Aggressor, EventKind, FundingBasis
from engine.records import BAR, EVENT, FUNDING, QUOTE, TRADE

Events = npt.NDArray[Any]
Faults = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# A double has 53 bits: beyond them a count of ticks or lots would not be exact.
_EXACT_MAX = float(2**53)
# How far from a whole tick a price may lie for the rounding of doubles, in ticks and relative to their number.
_OFF_TICK_MAX = 1e-6
_OFF_TICK_RELATIVE = 2.0**-50
_PPB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """What the rows of a source become: events of this instrument, in its ticks and lots."""

    source: int
    instrument: int
    tick_size: Fraction
    lot_size: Fraction
    round_to_tick: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Events with the fault of each row (0 for a good one) and whether a price was rounded."""

    events: Events
    faults: Faults
    rounded: Bools


def target_of(configuration: Configuration, number: int) -> Target:
    """The target of a `[[data]]` entry."""
    section = configuration.data[number]
    instrument = configuration.instrument(section.instrument)
    return Target(
        source=number,
        instrument=instrument.number,
        tick_size=Fraction(instrument.tick_size),
        lot_size=Fraction(instrument.lot_size),
        round_to_tick=section.off_tick == "round",
    )


def rows_of(frame: pl.DataFrame, layout: Layout, target: Target, name: str) -> Rows:
    """The events of a table whose columns are named by their roles; row by row, faults included."""
    ts_ns, ts_exchange_ns = _times(frame, layout, name)
    builder = _Builder(frame, layout, target)
    for role, fault in (("blank", Fault.BLANK), ("surplus", Fault.FIELDS)):
        if builder.has(role):
            builder.blame(frame[role].to_numpy(), fault)
    builder.blame(ts_ns == NO_TIME, Fault.TIME)
    events = {"bars": _bars, "quotes": _quotes, "trades": _trades, "funding": _funding}[layout.kind](builder)
    events["ts_ns"] = ts_ns
    events["ts_exchange_ns"] = ts_exchange_ns
    events["source"] = target.source
    events["instrument"] = target.instrument
    return Rows(events.view(EVENT), builder.faults, builder.rounded)


def _times(frame: pl.DataFrame, layout: Layout, name: str) -> tuple[Int64s, Int64s]:
    """When the engine may know a row, and the exchange's own time; of a bar its close and its open."""
    time = frame["time"]
    if not layout.interval_ns:
        known = instants(time, layout, name)
        if "exchange_time" not in frame.columns:
            return known, known
        exchange = instants(frame["exchange_time"], layout, name)
        return known, np.where(exchange == NO_TIME, 0, exchange)
    stamped = instants(time, layout, name)
    shift_ns = layout.interval_ns if layout.stamps == "open" else -layout.interval_ns
    # Only whole days follow the clock on the wall, and need the column read again.
    other = shifted(stamped, shift_ns) if shift_ns % DAY_NS else instants(time, layout, name, shift_ns)
    opened, closed = (stamped, other) if layout.stamps == "open" else (other, stamped)
    return (closed, opened) if layout.kind == "bars" else (closed, closed)


class _Builder:
    """Turns columns into integers, and remembers the first fault of each row."""

    def __init__(self, frame: pl.DataFrame, layout: Layout, target: Target) -> None:
        self.frame = frame
        self.faults: Faults = np.zeros(len(frame), np.uint8)
        self.rounded: Bools = np.zeros(len(frame), np.bool_)
        self._price_scale = 1 / (target.tick_size * layout.price_divisor)
        self._lot_scale = 1 / target.lot_size
        self._round = target.round_to_tick

    def blame(self, rows: Bools, fault: Fault) -> None:
        if rows.any():
            self.faults[rows & (self.faults == Fault.NONE)] = fault

    def has(self, role: str) -> bool:
        return role in self.frame.columns

    def floats(self, role: str) -> Floats:
        values = self.frame[role].to_numpy().astype(np.float64, copy=False)
        finite = np.isfinite(values)
        if finite.all():
            return values
        self.blame(~finite, Fault.MISSING)
        return np.where(finite, values, 0.0)

    def ticks(self, role: str, exact: bool = True) -> Int64s:
        """A price in ticks; `exact` says that it must lie on one."""
        prices = self.floats(role)
        self.blame(prices <= 0, Fault.PRICE)
        scaled = prices * float(self._price_scale.numerator) / float(self._price_scale.denominator)
        scaled = self._bounded(scaled)
        nearest = np.rint(scaled)
        off = np.abs(scaled - nearest) > np.maximum(_OFF_TICK_MAX, np.abs(scaled) * _OFF_TICK_RELATIVE)
        if exact and self._round:
            self.rounded |= off
        elif exact:
            self.blame(off, Fault.OFF_TICK)
        self.blame(nearest <= 0, Fault.PRICE)
        return nearest.astype(np.int64)

    def lots(self, role: str) -> Int64s:
        """A quantity of the market in lots; what is finer than a lot is cut off."""
        if not self.has(role):
            return np.zeros(len(self.frame), np.int64)
        quantities = self.floats(role)
        self.blame(quantities < 0, Fault.QUANTITY)
        scaled = quantities * float(self._lot_scale.numerator) / float(self._lot_scale.denominator)
        scaled = self._bounded(scaled)
        nearest = np.rint(scaled)
        whole = np.abs(scaled - nearest) <= np.maximum(_OFF_TICK_MAX, np.abs(scaled) * _OFF_TICK_RELATIVE)
        return np.where(whole, nearest, np.floor(scaled)).astype(np.int64)

    def integers(self, role: str) -> Int64s:
        if not self.has(role):
            return np.zeros(len(self.frame), np.int64)
        values = self.frame[role]
        self.blame(values.is_null().to_numpy(), Fault.MISSING)
        return values.fill_null(0).to_numpy()

    def _bounded(self, scaled: Floats) -> Floats:
        large = np.abs(scaled) >= _EXACT_MAX
        if not large.any():
            return scaled
        self.blame(large, Fault.TOO_LARGE)
        return np.where(large, 1.0, scaled)


def _bars(rows: _Builder) -> Events:
    events = np.zeros(len(rows.frame), BAR)
    events["kind"] = EventKind.BAR
    for role in ("open", "high", "low", "close"):
        events[f"{role}_ticks"] = rows.ticks(role)
    events["volume_lots"] = rows.lots("volume")
    opened, closed = events["open_ticks"], events["close_ticks"]
    high, low = events["high_ticks"], events["low_ticks"]
    rows.blame((low > np.minimum(opened, closed)) | (high < np.maximum(opened, closed)), Fault.BAR_SHAPE)
    return events


def _quotes(rows: _Builder) -> Events:
    events = np.zeros(len(rows.frame), QUOTE)
    events["kind"] = EventKind.QUOTE
    for side in ("bid", "ask"):
        events[f"{side}_ticks"] = rows.ticks(side)
        events[f"{side}_lots"] = rows.lots(f"{side}_size")
    events["exchange_sequence"] = rows.integers("sequence")
    rows.blame(events["bid_ticks"] > events["ask_ticks"], Fault.CROSSED)
    return events


def _trades(rows: _Builder) -> Events:
    events = np.zeros(len(rows.frame), TRADE)
    events["kind"] = EventKind.TRADE
    events["price_ticks"] = rows.ticks("price")
    events["quantity_lots"] = rows.lots("quantity")
    events["trade_id"] = rows.integers("trade_id")
    if rows.has("buyer_is_maker"):
        maker = rows.frame["buyer_is_maker"].str.strip_chars().str.to_lowercase()
        _aggressor(rows, events, buyer=maker.is_in(["false", "0"]), seller=maker.is_in(["true", "1"]))
    elif rows.has("side"):
        side = rows.frame["side"].str.strip_chars().str.to_lowercase()
        _aggressor(rows, events, buyer=side.is_in(["buy", "b", "bid"]), seller=side.is_in(["sell", "s", "a", "ask"]))
    return events


def _aggressor(rows: _Builder, events: Events, buyer: pl.Series, seller: pl.Series) -> None:
    bought, sold = buyer.fill_null(False).to_numpy(), seller.fill_null(False).to_numpy()
    rows.blame(~(bought | sold), Fault.SIDE)
    events["aggressor"] = np.where(bought, Aggressor.BUYER, Aggressor.SELLER)


def _funding(rows: _Builder) -> Events:
    events = np.zeros(len(rows.frame), FUNDING)
    events["kind"] = EventKind.FUNDING
    events["basis"] = FundingBasis.RATE
    rates = rows.floats("rate")
    rows.blame(np.abs(rates) >= 1, Fault.RATE)
    events["rate_ppb"] = np.rint(np.clip(rates, -1, 1) * _PPB).astype(np.int64)
    if rows.has("mark"):
        # A mark price is an average and seldom on a tick: the nearest one stands for it.
        events["mark_ticks"] = rows.ticks("mark", exact=False)
    return events
