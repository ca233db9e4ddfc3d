"""From a TOML file to a checked configuration; what is wrong becomes one line with the file and the key."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from adapters.configuration.sections import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    AccountSection,
    DataSection,
    ExchangeSection,
    File,
    InstrumentSection,
    JournalSection,
    RunSection,
    StrategySection,
    TimeSection,
)
from adapters.configuration.terms import (
    Account,
    Exchange,
    Instrument,
    Location,
    Problem,
    resolve_accounts,
    resolve_exchange,
    resolve_instruments,
)
from adapters.errors import UserError

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\")(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")

_SECTIONS: Mapping[str, type[BaseModel]] = {
    "run": RunSection,
    "journal": JournalSection,
    "accounts": AccountSection,
    "instruments": InstrumentSection,
    "exchange": ExchangeSection,
    "strategies": StrategySection,
    "data": DataSection,
    "time": TimeSection,
}
_EXPECTED = {
    "missing": "expected a value, found none",
    "string_type": "expected a text in quotes",
    "string_too_short": "expected a text that is not empty",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "too_short": "expected at least one entry",
    "model_type": "expected a table",
    "model_attributes_type": "expected a table",
    "dict_type": "expected a table",
    "mapping_type": "expected a table",
    "tuple_type": "expected an array of tables, written with [[...]]",
    "string_pattern_mismatch": "expected letters, digits, dots, dashes and underscores",
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """A checked configuration. `text` is the file as it was written, kept for the audit."""

    path: Path
    text: str
    name: str
    timer_interval_ns: int
    journal: JournalSection
    accounts: tuple[Account, ...]
    instruments: tuple[Instrument, ...]
    exchange: Exchange
    strategies: tuple[StrategySection, ...]
    data: tuple[DataSection, ...]

    @property
    def directory(self) -> Path:
        """What relative paths of data and strategies start from."""
        return self.path.parent

    @property
    def journal_directory(self) -> Path:
        """Where the journal lands unless the command line says otherwise."""
        return Path(self.journal.directory) if self.journal.directory else Path("journals") / self.name

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of this symbol, which must be configured."""
        return next(instrument for instrument in self.instruments if instrument.symbol == symbol)

    def where(self, *location: str | int) -> str:
        """`file:line: key` of a place in the configuration, for messages."""
        return _where(self.path, self.text, location)


def load_configuration(path: str | Path) -> Configuration:
    """Read and check a configuration file; anything wrong is a `UserError` of one line."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a configuration in TOML") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; expected a configuration in TOML") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text at byte {error.start}; expected a configuration in TOML") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a configuration in TOML") from None
    return parse_configuration(text, path)


def parse_configuration(text: str, path: Path) -> Configuration:
    """Check a configuration's text; `path` is where it came from and what relative paths start from."""
    try:
        file = File.model_validate(tomllib.loads(text, parse_float=Decimal))
        accounts = resolve_accounts(file.accounts, file.instruments)
        instruments = resolve_instruments(file.instruments, accounts)
        exchange = resolve_exchange(file.exchange)
        _check_strategies(file.strategies, path.parent)
        _check_data(file.data, [instrument.symbol for instrument in instruments])
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except ValidationError as error:
        location, message = _first_problem(error)
        raise UserError(f"{_where(path, text, location)}: {message}") from None
    except Problem as problem:
        raise UserError(f"{_where(path, text, problem.location)}: {problem}") from None
    return Configuration(
        path=path,
        text=text,
        name=file.run.name,
        timer_interval_ns=file.run.timer_interval_ns,
        journal=file.journal,
        accounts=accounts,
        instruments=instruments,
        exchange=exchange,
        strategies=file.strategies,
        data=file.data,
    )


def _check_strategies(strategies: tuple[StrategySection, ...], directory: Path) -> None:
    names: set[str] = set()
    for number, strategy in enumerate(strategies):
        at: Location = ("strategies", number)
        if strategy.name in names:
            raise Problem((*at, "name"), f"expected a name of its own, {strategy.name!r} is used twice")
        names.add(strategy.name)
        module, _, class_name = strategy.entry.partition(":")
        if module.endswith(".py") and not (directory / module).is_file():
            raise Problem((*at, "entry"), f"expected a Python file, found none at {directory / module}")
        if strategy.form == "python" and not class_name:
            raise Problem((*at, "entry"), f"expected 'module:Class' or 'file.py:Class', found {strategy.entry!r}")


def _check_data(data: tuple[DataSection, ...], symbols: list[str]) -> None:
    for number, section in enumerate(data):
        at: Location = ("data", number)
        if section.instrument not in symbols:
            raise Problem(
                (*at, "instrument"), f"expected one of the symbols {', '.join(symbols)}; found {section.instrument!r}"
            )
        if section.start_ns is not None and section.end_ns is not None and section.start_ns >= section.end_ns:
            raise Problem((*at, "end"), "expected a time after start")
        if section.profile == "lean":
            continue
        if section.kind is None:
            raise Problem((*at, "kind"), 'expected "bars", "quotes", "trades" or "funding", or a profile; found none')
        if section.format == "stream":
            if section.kind not in ("stream", "quotes", "trades"):
                raise Problem((*at, "kind"), f'expected "quotes" or "trades" of a stream, found "{section.kind}"')
            continue
        _check_columns(section, section.kind, at)


def _check_columns(section: DataSection, kind: str, at: Location) -> None:
    if section.format != "stream" and kind == "stream":
        raise Problem((*at, "kind"), 'expected a stream profile such as "binance-stream" for kind "stream"')
    if section.time.column is None:
        raise Problem((*at, "time", "column"), "expected the column that holds the time, found none")
    known = REQUIRED_COLUMNS[kind] | OPTIONAL_COLUMNS[kind]
    for name in section.columns:
        if name not in known:
            raise Problem((*at, "columns", name), f"unknown column of {kind}{_nearest(name, sorted(known))}")
    for name in sorted(REQUIRED_COLUMNS[kind] - section.columns.keys()):
        raise Problem((*at, "columns"), f"expected a column for {name}, found none")
    if kind == "bars" and not section.interval_ns and section.profile != "freqtrade":
        raise Problem((*at, "interval"), "expected the length of a bar, such as '30m', found none")
    if section.header is False and any(isinstance(c, str) for c in (*section.columns.values(), section.time.column)):
        raise Problem((*at, "header"), "expected columns by number where there is no header, found names")


def _first_problem(error: ValidationError) -> tuple[Location, str]:
    """The place and the plain words of the first error."""
    detail: ErrorDetails = error.errors(include_url=False)[0]
    location, kind, found = tuple(detail["loc"]), detail["type"], detail["input"]
    if kind == "value_error":
        return location, str(detail["ctx"]["error"])
    if kind == "extra_forbidden":
        return location, f"unknown key{_nearest(str(location[-1]), _known_keys(location))}"
    if kind == "missing":
        return location, _EXPECTED[kind]
    if kind == "literal_error":
        return location, f"expected {detail['ctx']['expected']}, found {_shown(found)}"
    expected = _EXPECTED.get(kind, detail["msg"][:1].lower() + detail["msg"][1:])
    return location, f"{expected}, found {_shown(found)}"


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _known_keys(location: Location) -> list[str]:
    """The keys of the table that holds the last part of a location."""
    tables = [part for part in location[:-1] if isinstance(part, str)]
    model = _SECTIONS.get(tables[-1], File) if tables else File
    return [field.alias or name for name, field in model.model_fields.items()]


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(known)}"


def _where(path: Path, text: str, location: Location) -> str:
    lines = _key_lines(text)
    line = next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), None)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    return f"{path}:{line}: {key}" if line else f"{path}: {key}"


def _key_lines(text: str) -> dict[Location, int]:
    """The line of every table and key of a TOML text, by its location; good enough for messages."""
    lines: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = ()
            names = [name.strip().strip('"') for name in header[2].split(".")]
            for depth, name in enumerate(names, start=1):
                table = (*table, name)
                if header[1] == "[[" and depth == len(names):
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            location = table
            for name in key[1].split("."):
                location = (*location, name.strip().strip('"'))
                lines.setdefault(location, number)
    return lines
