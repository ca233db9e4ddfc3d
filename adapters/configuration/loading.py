"""From a TOML file to a checked configuration; what is wrong becomes one line with the file and the key."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from adapters.configuration.breakers import RECONCILIATION_NAME, needs_reconciliation
from adapters.configuration.changes import Change, RulesInForce, resolve_changes, rules_in_force
from adapters.configuration.live_section import LiveSection
from adapters.configuration.messages import first_problem, where
from adapters.configuration.rulebook import check_votes, resolve_rules
from adapters.configuration.rules import Rules
from adapters.configuration.sections import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    DataSection,
    File,
    JournalSection,
    StrategySection,
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
from adapters.configuration.values import nearest
from adapters.errors import UserError


@dataclass(frozen=True, slots=True)
class Configuration:
    """A checked configuration. `text` is the file as it was written, kept for the audit.

    `breakers` are the names of the breakers in the order of their rows, `in_force` is what holds before any of the
    `changes`.
    """

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
    rules: Rules
    breakers: tuple[str, ...]
    in_force: RulesInForce
    changes: tuple[Change, ...]
    live: LiveSection | None

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
        return where(self.path, self.text, location)


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


def parse_configuration(text: str, path: Path, files_are_there: bool = True) -> Configuration:
    """Check a configuration's text; `path` is where it came from and what relative paths start from.

    That of a tape may name files of strategies that are not on this machine.
    """
    try:
        keys = tomllib.loads(text, parse_float=Decimal)
        file = File.model_validate(keys)
        accounts = resolve_accounts(file.accounts, file.instruments)
        instruments = resolve_instruments(file.instruments, accounts)
        exchange = resolve_exchange(file.exchange)
        _check_strategies(file.strategies, path.parent if files_are_there else None)
        _check_data(file.data, [instrument.symbol for instrument in instruments])
        rules = resolve_rules(file, accounts, instruments)
        check_votes(file.strategies, instruments)
        _check_live(file.live, accounts)
        in_force = rules_in_force(keys, accounts, instruments, rules)
        changes = resolve_changes(in_force, file.changes)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except ValidationError as error:
        location, message = first_problem(error)
        raise UserError(f"{where(path, text, location)}: {message}") from None
    except Problem as problem:
        raise UserError(f"{where(path, text, problem.location)}: {problem}") from None
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
        rules=rules,
        breakers=_breaker_names(file),
        in_force=in_force,
        changes=changes,
        live=file.live,
    )


def _breaker_names(file: File) -> tuple[str, ...]:
    names = tuple(breaker.name for breaker in file.breakers)
    return (*names, RECONCILIATION_NAME) if needs_reconciliation(file) else names


def _check_live(live: LiveSection | None, accounts: Sequence[Account]) -> None:
    """Every account has one connection with one place for its keys. Raises Problem."""
    if live is None:
        return
    names = [account.name for account in accounts]
    seen: set[str] = set()
    for number, connection in enumerate(live.connections):
        at = ("live", "connections", number)
        if connection.account not in names:
            raise Problem((*at, "account"), f"unknown account{nearest(connection.account, names)}")
        if connection.account in seen:
            raise Problem((*at, "account"), f"expected one connection an account, {connection.account!r} has two")
        seen.add(connection.account)
        if (connection.keys_env is None) == (connection.keys_file is None):
            raise Problem((*at, "keys_env"), "expected either keys_env or keys_file")
        if connection.fitting_switch:
            expected = f"expected {connection.fitting_switch}, the only one that {connection.exchange} has"
            raise Problem((*at, "dead_man_switch"), expected)
    for name in names:
        if name not in seen:
            raise Problem(("live", "connections"), f"expected a connection of every account, found none of {name!r}")


def _check_strategies(strategies: tuple[StrategySection, ...], directory: Path | None) -> None:
    names: set[str] = set()
    for number, strategy in enumerate(strategies):
        at: Location = ("strategies", number)
        if strategy.name in names:
            raise Problem((*at, "name"), f"expected a name of its own, {strategy.name!r} is used twice")
        names.add(strategy.name)
        module, _, class_name = strategy.entry.partition(":")
        if directory is not None and module.endswith(".py") and not (directory / module).is_file():
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
            raise Problem((*at, "columns", name), f"unknown column of {kind}{nearest(name, sorted(known))}")
    for name in sorted(REQUIRED_COLUMNS[kind] - section.columns.keys()):
        raise Problem((*at, "columns"), f"expected a column for {name}, found none")
    if kind == "bars" and not section.interval_ns and section.profile != "freqtrade":
        raise Problem((*at, "interval"), "expected the length of a bar, such as '30m', found none")
    if section.header is False and any(isinstance(c, str) for c in (*section.columns.values(), section.time.column)):
        raise Problem((*at, "header"), "expected columns by number where there is no header, found names")
