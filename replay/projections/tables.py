"""The tables of the read model, for any database that knows `INSERT … ON CONFLICT`.

Every row belongs to a `journal` (its id), so that one database can hold many. Amounts are exact decimals.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

Row = Mapping[str, Any]


class Dialect(NamedTuple):
    """How a database calls its types, and how it marks a parameter called `{name}`."""

    text: str
    integer: str
    decimal: str
    parameter: str


SQLITE = Dialect("TEXT", "INTEGER", "TEXT", ":{name}")
POSTGRES = Dialect("TEXT", "BIGINT", "NUMERIC", "%({name})s")

_POSITION = "journal text!, account text!, symbol text!"
# A `!` is part of the key, a `?` may be null; else a column has a value. Times are ISO, UTC, to the nanosecond.
TABLES = {
    "tape_orders": (
        "journal text!, order_number integer!, account text, symbol text, strategy text, side text, order_type text, "
        "time_in_force text, quantity decimal, filled decimal, limit_price decimal?, trigger_price decimal?, "
        "status text, reason text?, placed text, placed_seq integer, updated text, updated_seq integer"
    ),
    "tape_fills": (
        "journal text!, notification_id integer!, seq integer, time text, account text, symbol text, "
        "order_number integer, strategy text, side text, liquidity text, quantity decimal, price decimal, "
        "fee decimal, fee_in_base integer, currency text, trade_id integer"
    ),
    # From flat to flat; `closed` is null while it is open. The last columns are what the others are computed from.
    "tape_trades": (
        f"{_POSITION}, opened_seq integer!, strategy text, side text, opened text, closed text?, closed_seq integer?, "
        "quantity decimal, entry_price decimal, exit_price decimal?, gross_pnl decimal, fees decimal, "
        "net_pnl decimal, currency text, fills integer, quantity_max_lots integer, entry_lots decimal, "
        "entry_ticks_lots decimal, exit_lots decimal, exit_ticks_lots decimal, gross_units integer, fees_units integer"
    ),
    "tape_positions": (
        f"{_POSITION}, quantity decimal, entry_price decimal?, realized_pnl decimal, fees decimal, currency text, "
        "fills integer, updated text, updated_seq integer, quantity_lots integer, cost_units integer, "
        "realized_units integer, fees_units integer"
    ),
}
INDEXES = ("CREATE INDEX IF NOT EXISTS tape_fills_by_trade ON tape_fills (journal, symbol, trade_id)",)

_COLUMN = re.compile(r"(\w+) (\w+)([!?]?)")


def create_statements(dialect: Dialect) -> list[str]:
    """What makes the tables where they are not there."""
    return [_create(table, columns, dialect) for table, columns in TABLES.items()] + list(INDEXES)


def _create(table: str, columns: str, dialect: Dialect) -> str:
    found = _COLUMN.findall(columns)
    lines = [f"{name} {getattr(dialect, kind)}{'' if mark == '?' else ' NOT NULL'}" for name, kind, mark in found]
    return f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(lines)}, PRIMARY KEY ({', '.join(_key(table))}))"


def _key(table: str) -> list[str]:
    return [name for name, _, mark in _COLUMN.findall(TABLES[table]) if mark == "!"]


class Cursor(Protocol):
    """A transaction of either database."""

    def fetchone(self) -> Any: ...


class Tables:
    """Rows of the tables within one transaction."""

    def __init__(self, execute: Callable[[str, Row], Any], cursor: Cursor, dialect: Dialect) -> None:
        self._execute = execute
        self._cursor = cursor
        self._dialect = dialect

    def find(self, table: str, **key: Any) -> Row | None:
        """The row with these values, the last by its key where there are several; None where there is none."""
        order = ", ".join(f"{name} DESC" for name in _key(table))
        self._execute(f"SELECT * FROM {table} WHERE {self._equal(key)} ORDER BY {order} LIMIT 1", key)
        found = self._cursor.fetchone()
        return None if found is None else dict(found)

    def save(self, table: str, **row: Any) -> None:
        """Insert a whole row, or change the columns given of the one with its key."""
        key = _key(table)
        values = ", ".join(self._parameter(name) for name in row)
        changes = ", ".join(f"{name} = excluded.{name}" for name in row if name not in key)
        self._execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values}) ON CONFLICT ({', '.join(key)}) "
            f"DO UPDATE SET {changes}",
            row,
        )

    def update(self, table: str, key: Row, **changes: Any) -> None:
        """Change columns of the row with this key."""
        settings = ", ".join(f"{name} = {self._parameter(name)}" for name in changes)
        self._execute(f"UPDATE {table} SET {settings} WHERE {self._equal(key)}", {**key, **changes})

    def _equal(self, key: Row) -> str:
        return " AND ".join(f"{name} = {self._parameter(name)}" for name in key)

    def _parameter(self, name: str) -> str:
        return self._dialect.parameter.format(name=name)
