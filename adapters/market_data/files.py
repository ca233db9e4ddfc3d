"""Files and zip members as tables: which there are, and their columns under the names of their roles."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from adapters.configuration import Configuration, DataSection
from adapters.errors import UserError
from adapters.market_data.layout import Layout

_FORMATS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".txt": "csv",
    ".zip": "csv",
    ".parquet": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
}
_TEXT_ROLES = frozenset({"time", "exchange_time", "side", "buyer_is_maker", "suspicious"})
_INTEGER_ROLES = frozenset({"trade_id", "sequence"})
_SHOWN_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file or zip member, one column for each role. `text` is the CSV itself."""

    name: str
    frame: pl.DataFrame
    text: bytes | None
    first_line: int

    def where(self, row: int) -> str:
        """`file line 7`, or `file row 7` where the format has no lines."""
        if self.text is None:
            return f"{self.name} row {row + 1}"
        return f"{self.name} line {self.first_line + row}"

    def show(self, row: int) -> str:
        """What the row holds, for a message."""
        if self.text is None:
            return ", ".join(f"{name}={value}" for name, value in self.frame.row(row, named=True).items())
        return shown(_line(self.text, self.first_line + row))


def shown(line: bytes) -> str:
    """A line for a message: as text, of bounded length."""
    text = line.decode("utf-8", "replace").strip()
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def source_files(configuration: Configuration, number: int) -> list[Path]:
    """The files of a `[[data]]` entry, sorted by name. Raises `UserError` where there is none."""
    section = configuration.data[number]
    pattern = Path(section.path)
    if not any(character in section.path for character in "*?["):
        paths = [configuration.directory / pattern]
    else:
        folder = Path(pattern.anchor) if pattern.is_absolute() else configuration.directory
        paths = sorted(folder.glob(str(pattern.relative_to(pattern.anchor))))
    files = [path for path in paths if path.is_file()]
    if not files:
        where = configuration.where("data", number, "path")
        raise UserError(f"{where}: expected a file, found none at {configuration.directory / pattern}")
    return files


def format_of(section: DataSection, path: Path) -> str:
    """The format of a file: the configured one, or what its suffix says."""
    if section.format:
        return section.format
    for length in (2, 1):
        if found := _FORMATS.get("".join(path.suffixes[-length:]).lower()):
            return found
    known = ", ".join(_FORMATS)
    raise UserError(f"{path}: unknown suffix; expected one of {known}, or the key format")


def read_tables(path: Path, file_format: str, layout: Layout) -> Iterator[Table]:
    """The tables of a file, read whole one by one. Raises `UserError` where they are not as laid out."""
    if file_format == "csv":
        for name, text in _texts(path):
            yield _csv_table(name, text, layout)
    else:
        yield _binary_table(path, file_format, layout)


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if not members:
                    raise UserError(f"{path}: an empty zip; expected a CSV file in it")
                for member in members:
                    yield f"{path} member {member.filename}", archive.read(member)
        elif path.suffix.lower() == ".gz":
            yield str(path), gzip.decompress(path.read_bytes())
        else:
            yield str(path), path.read_bytes()
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); expected a whole {path.suffix} file") from None


def _csv_table(name: str, text: bytes, layout: Layout) -> Table:
    first = text[: text.find(b"\n") if b"\n" in text else len(text)].decode("utf-8-sig", "replace").strip()
    if not first:
        raise UserError(f"{name}: is empty or starts with an empty line; expected rows of {layout.kind}")
    try:
        fields = [field.strip() for field in next(csv.reader([first]))]
    except csv.Error as error:
        raise UserError(f"{name} line 1: not CSV ({error}); expected rows of {layout.kind}") from None
    header = _has_header(fields, layout)
    places = {role: _place(name, role, column, fields, header) for role, column in layout.columns.items()}
    # A stray quote where a number should be breaks the reader of numbers, so quoted files are read as text first.
    quoted = _is_quoted(name, text)
    types = {place: pl.String() if quoted else _column_type(role) for role, place in places.items()}
    schema = {f"column_{i}": types.get(i, pl.String()) for i in range(1, len(fields) + 1)}
    try:
        frame = pl.read_csv(
            text,
            has_header=False,
            skip_rows=int(header),
            schema=schema,
            columns=[f"column_{place}" for place in sorted(types)],
            ignore_errors=True,
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{name}: not CSV as laid out ({str(error).splitlines()[0]}); expected {first!r}") from None
    chosen = frame.select(
        pl.col(f"column_{place}").cast(_column_type(role), strict=False).alias(role) for role, place in places.items()
    )
    surplus = _surplus(text, len(fields), len(chosen), int(header))
    chosen = chosen.with_columns(surplus, _blank(text, chosen, int(header)))
    return Table(name, chosen, text, 1 + int(header))


def _is_quoted(name: str, text: bytes) -> bool:
    """Whether there are quotes, which must close on their line: an open one would swallow rows."""
    if b'"' not in text:
        return False
    for number, line in enumerate(text.split(b"\n"), start=1):
        if line.count(b'"') % 2:
            raise UserError(
                f"{name} line {number}: a quote that does not close ({shown(line)}); expected it on the line"
            )
    return True


def _has_header(fields: list[str], layout: Layout) -> bool:
    """Named columns need a header; with numbers, a header is a first line whose time has no digit in front."""
    if layout.header is not None:
        return layout.header
    place = layout.columns["time"]
    if isinstance(place, str) or any(isinstance(column, str) for column in layout.columns.values()):
        return True
    return place <= len(fields) and not fields[place - 1][:1].isdigit()


def _place(name: str, role: str, column: str | int, fields: list[str], header: bool) -> int:
    if isinstance(column, int):
        if column > len(fields):
            raise UserError(f"{name}: column {column} for {role} is not there; expected it among {len(fields)} columns")
        return column
    if not header or column not in fields:
        found = ", ".join(fields)[:_SHOWN_CHARACTERS]
        raise UserError(f"{name}: column {column!r} for {role} is not there; expected it among {found}")
    return fields.index(column) + 1


def _column_type(role: str) -> pl.DataType:
    if role in _TEXT_ROLES:
        return pl.String()
    return pl.Int64() if role in _INTEGER_ROLES else pl.Float64()


def _surplus(text: bytes, width: int, rows: int, header: int) -> pl.Series:
    """Which rows have more fields than the first line: "," for a decimal point would otherwise be misread."""
    surplus = pl.Series("surplus", [False]).new_from_index(0, rows)
    if text.count(b",") <= (width - 1) * (rows + header):
        return surplus
    lines = text.split(b"\n")[header : header + rows]
    wide = [row for row, line in enumerate(lines) if line.count(b",") >= width and b'"' not in line]
    return surplus.scatter(wide, True) if wide else surplus


def _blank(text: bytes, frame: pl.DataFrame, header: int) -> pl.Series:
    """Which rows are empty lines: they hold nothing, so nothing is bad about them."""
    blank = pl.Series("blank", [False]).new_from_index(0, len(frame))
    if not frame["time"].null_count():
        return blank
    lines = text.split(b"\n")[header : header + len(frame)]
    empty = [row for row, line in enumerate(lines) if not line.strip()]
    return blank.scatter(empty, True) if empty else blank


def _binary_table(path: Path, file_format: str, layout: Layout) -> Table:
    try:
        frame = pl.read_parquet(path) if file_format == "parquet" else pl.read_ipc(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise UserError(f"{path}: cannot be read ({reason}); expected a {file_format} file") from None
    places = {role: _place(str(path), role, column, frame.columns, True) for role, column in layout.columns.items()}
    series = []
    for role, place in places.items():
        column = frame.to_series(place - 1).alias(role)
        if role not in _TEXT_ROLES:
            column = column.cast(_column_type(role), strict=False)
        elif role not in ("time", "exchange_time"):
            column = column.cast(pl.String, strict=False)
        series.append(column)
    return Table(str(path), pl.DataFrame(series), None, 1)


def _line(text: bytes, number: int) -> bytes:
    """The line of this number, counted from 1."""
    start = 0
    for _ in range(number - 1):
        start = text.find(b"\n", start) + 1
    end = text.find(b"\n", start)
    return text[start : end if end >= 0 else len(text)]
