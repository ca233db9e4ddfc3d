"""One source of market data: its files one after another, its rows checked, in order of time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from adapters.configuration import Configuration
from adapters.errors import UserError
from adapters.market_data.files import format_of, read_tables, source_files
from adapters.market_data.layout import Layout, layout_of
from adapters.market_data.report import FAULTS, Fault, LoadReport
from adapters.market_data.rows import Bools, Events, Faults, Rows, rows_of, target_of
from adapters.market_data.streams import StreamReader
from adapters.market_data.times import NO_TIME, Int64s
from engine.kinds import EventKind

ROWS_PER_SLICE = 1_000_000


class Lines(Protocol):
    """Where rows came from, for messages."""

    def where(self, row: int) -> str: ...

    def show(self, row: int) -> str: ...


class Source:
    """The events of one `[[data]]` entry. `report` tells what was found, `bytes_read` how far it is."""

    def __init__(self, configuration: Configuration, number: int) -> None:
        section = configuration.data[number]
        self.files = source_files(configuration, number)
        self.report = LoadReport(number, section.path)
        self.bytes_total = sum(path.stat().st_size for path in self.files)
        self.bytes_read = 0
        self._section = section
        self._target = target_of(configuration, number)
        self._tick_size = configuration.instrument(section.instrument).tick_size
        self._where = configuration.where("data", number)
        self._last_ts_ns = NO_TIME

    def events(self) -> Iterator[Events]:
        """Arrays of EVENT records, never empty, in order of time within and across them.

        Raises `UserError` for the first bad row (unless bad rows are skipped), for a file that cannot be
        read, and where the whole source holds no event.
        """
        for path in self.files:
            for lines, row_numbers, rows in self._read(path):
                events = self._settled(lines, row_numbers, rows)
                if len(events):
                    yield events
            self.report.files += 1
            self.bytes_read += path.stat().st_size
        if not self.report.events:
            raise UserError(f"{self._where}: {self._why_empty()}")

    def _read(self, path: Path) -> Iterator[tuple[Lines, Int64s, Rows]]:
        """Rows with where they came from, and the number of each row there."""
        file_format = format_of(self._section, path)
        if file_format == "stream":
            for batch, rows in StreamReader(self._section, self._target, self.report.ignored).read(path):
                yield batch, np.arange(len(rows.events)), rows
            return
        layout = layout_of(self._section, path)
        for table in read_tables(path, file_format, layout):
            if not len(table.frame):
                raise UserError(f"{table.name}: holds no rows; expected {layout.kind}")
            frame = self._asked_for(table.frame.with_row_index("row"), layout)
            for first in range(0, len(frame), ROWS_PER_SLICE):
                part = frame.slice(first, ROWS_PER_SLICE)
                yield table, part["row"].to_numpy().astype(np.int64), rows_of(part, layout, self._target, table.name)

    def _asked_for(self, frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
        """Without rows their vendor marks as suspicious; a quote's unchanged side is that of the quote before."""
        if "suspicious" in layout.columns:
            frame = self._kept(frame, pl.col("suspicious").ne_missing("1"), "marked as suspicious")
        if layout.one_sided:
            for side in ("bid", "ask"):
                unchanged = pl.col(side) == 0
                frame = frame.with_columns(
                    pl.when(unchanged).then(None).otherwise(pl.col(name)).forward_fill().alias(name)
                    for name in (f"{side}_size", side)
                )
            known = pl.col("bid").is_not_null() & pl.col("ask").is_not_null()
            frame = self._kept(frame, known, "other side not known yet")
        return frame

    def _kept(self, frame: pl.DataFrame, condition: pl.Expr, otherwise: str) -> pl.DataFrame:
        kept = frame.filter(condition)
        if len(kept) < len(frame):
            self.report.ignored[otherwise] += len(frame) - len(kept)
        return kept

    def _settled(self, lines: Lines, row_numbers: Int64s, rows: Rows) -> Events:
        """The good events of these rows, in the configured range and in order; the bad ones as configured."""
        events, faults = rows.events, rows.faults
        self.report.rows += len(events)
        outside = self._outside(events) & (faults != Fault.TIME) & (faults != Fault.MESSAGE)
        blank = (faults == Fault.BLANK) & ~outside
        kept = ~(outside | blank)
        for what, passed in (("outside start and end", outside), ("blank line", blank)):
            if passed.any():
                self.report.ignored[what] += int(np.count_nonzero(passed))
        faults = np.where(kept, faults, Fault.BLANK)
        self._blame_order(events, faults)
        bad = np.flatnonzero((faults != Fault.NONE) & kept)
        if len(bad):
            self._bad(lines, row_numbers[bad], faults[bad])
        good = faults == Fault.NONE
        events = events if good.all() else events[good]
        self._tally(events, rows.rounded & good)
        return events

    def _outside(self, events: Events) -> Bools:
        """Rows before `start` or from `end` on: of a bar by its open, of anything else by its time."""
        time = np.where(events["kind"] == EventKind.BAR, events["ts_exchange_ns"], events["ts_ns"])
        outside = np.zeros(len(events), np.bool_)
        if self._section.start_ns is not None:
            outside |= time < self._section.start_ns
        if self._section.end_ns is not None:
            outside |= time >= self._section.end_ns
        return outside

    def _blame_order(self, events: Events, faults: Faults) -> None:
        """Blame rows before the last good one, and bars that open before the last good one closed."""
        good = np.flatnonzero(faults == Fault.NONE)
        if not len(good):
            return
        ends = events["ts_ns"][good]
        is_bar = events["kind"][good[0]] == EventKind.BAR
        starts = events["ts_exchange_ns"][good] if is_bar else ends
        before = np.concatenate([[self._last_ts_ns], ends[:-1]])
        if (starts >= before).all():
            self._last_ts_ns = int(ends[-1])
            return
        for row, start, end in zip(good.tolist(), starts.tolist(), ends.tolist(), strict=True):
            if start >= self._last_ts_ns:
                self._last_ts_ns = end
            else:
                faults[row] = Fault.TIME_BACK if end < self._last_ts_ns else Fault.BAR_OVERLAP

    def _bad(self, lines: Lines, row_numbers: Int64s, faults: Faults) -> None:
        """Stop at the first bad row, or count them all."""

        def line(fault: Fault, row: int) -> str:
            found, expected = FAULTS[fault]
            expected = expected.format(tick_size=self._tick_size)
            return f"{lines.where(row)}: {found} ({lines.show(row)}); {expected}"

        if self._section.bad_rows == "stop":
            raise UserError(line(Fault(int(faults[0])), int(row_numbers[0])))
        for fault in map(Fault, np.unique(faults).tolist()):
            wanted = self.report.skip(fault, int(np.count_nonzero(faults == fault)))
            first_rows = row_numbers[faults == fault][:wanted].tolist()
            self.report.examples.extend(line(fault, row) for row in first_rows)

    def _tally(self, events: Events, rounded: Bools) -> None:
        if not len(events):
            return
        report = self.report
        report.first_ts_ns = report.first_ts_ns or int(events["ts_ns"][0])
        report.last_ts_ns = int(events["ts_ns"][-1])
        report.events += len(events)
        report.prices_rounded += int(np.count_nonzero(rounded))
        sent = events["ts_exchange_ns"]
        report.received_before_sent += int(np.count_nonzero((sent > events["ts_ns"]) & (sent != 0)))

    def _why_empty(self) -> str:
        report = self.report
        if not report.rows:
            return "holds no rows; expected market data"
        if report.skipped:
            return f"every row was skipped; expected good ones; the first: {report.examples[0]}"
        if report.ignored["outside start and end"]:
            return "holds no rows between start and end; expected another range"
        return "holds no events of this kind; expected another kind or profile"
