"""A tape's read model in databases of a test: written, read back, and compared with what the engine came to."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from eventsourcing.persistence import InfrastructureFactory, Mapper, Notification, Tracking
from eventsourcing.sqlite import SQLiteDatastore

from adapters.journal import JournalReader
from replay.names import Names, read_names
from replay.notifications import TapeFactory, TapeRecorder
from replay.projections.sqlite_view import SqliteTradingView
from replay.projections.tables import TABLES
from replay.projections.trading import Trading
from replay.refold import refold
from replay.standing import open_orders_of, positions_of

Row = dict[str, Any]
Rows = dict[str, list[Row]]
_AMOUNTS = ("quantity", "entry_price", "realized_pnl", "fees")
_ORDER = ("account", "symbol", "strategy", "status", "side", "order_type", "time_in_force", "placed", "placed_seq")


class Projected:
    """A read model in SQLite that is fed by hand, without a thread."""

    def __init__(self, file: Path, recorder: TapeRecorder) -> None:
        self.file = file
        self.name = f"tape-{recorder.journal_id}"
        self.recorder = recorder
        self.view = SqliteTradingView(SQLiteDatastore(str(file)))
        self.view.create_table()
        self._projection = Trading(self.view)
        factory: InfrastructureFactory[Any] = InfrastructureFactory.construct({})
        self._mapper: Mapper[Any] = Mapper(TapeFactory.transcoder(factory))  # type: ignore[arg-type]

    def take(self, notifications: Iterable[Notification]) -> None:
        for one in notifications:
            self._projection.process_event(self._mapper.to_domain_event(one), Tracking(self.name, one.id))

    def take_until(self, seq: int) -> None:
        start, stop = self.view.max_tracking_id(self.name) or 0, ((seq + 1) << 20) - 1
        self.take(self.recorder.select_notifications(start + 1, 10**9, stop, Trading.topics))

    def rows(self) -> Rows:
        return sqlite_rows(self.file)


@contextmanager
def projected(file: Path, reader: JournalReader) -> Iterator[Projected]:
    made = Projected(file, TapeRecorder(reader))
    try:
        yield made
    finally:
        made.view.datastore.close()


def sqlite_rows(file: Path) -> Rows:
    """All tables, in the order of their keys, amounts as decimals."""
    with closing(sqlite3.connect(file)) as database:
        database.row_factory = sqlite3.Row
        return {table: _sorted(map(dict, database.execute(f"SELECT * FROM {table}"))) for table in TABLES}


def postgres_rows(address: str) -> Rows:
    import psycopg
    from psycopg.rows import dict_row

    with psycopg.connect(address, row_factory=dict_row) as database:
        return {table: _sorted(database.execute(f"SELECT * FROM {table}")) for table in TABLES}


def _sorted(rows: Iterable[Row]) -> list[Row]:
    plain = [{name: _plain(name, value) for name, value in row.items()} for row in rows]
    return sorted(plain, key=lambda row: [str(row.get(name)) for name in row])


def _plain(name: str, value: Any) -> Any:
    """Both databases' amounts alike: one keeps text, the other numbers."""
    if value is None or name in ("journal", "account", "symbol", "strategy"):
        return value
    try:
        return Decimal(value)
    except (ArithmeticError, ValueError):
        return value


def check_against_engine(made: Projected, reader: JournalReader, seq: int) -> None:
    """Positions and open orders after event `seq` are those of the state there."""
    made.take_until(seq)
    folded = refold(reader, until_seq=seq)
    state, names = folded.engine.view(folded.state), read_names(reader)
    rows = made.rows()
    assert _positions(rows) == _positions_of(state, names), seq
    expected = {row["order"]: _told(row) for row in open_orders_of(state, names)}
    open_statuses = {"pending", "sent", "accepted", "partially_filled", "pending_cancel", "unknown", "held"}
    found = {int(row["order_number"]): _order(row) for row in rows["tape_orders"] if row["status"] in open_statuses}
    assert found == expected, seq


def _positions(rows: Rows) -> Any:
    return {
        (row["account"], row["symbol"]): [row[name] for name in _AMOUNTS] + [row["fills"]]
        for row in rows["tape_positions"]
    }


def _positions_of(state: Any, names: Names) -> Any:
    return {
        (row["account"], row["symbol"]): [_plain(name, row[name]) for name in _AMOUNTS] + [row["fills"]]
        for row in positions_of(state, names)
    }


def _order(row: Row) -> list[Any]:
    amounts = [row[name] for name in ("quantity", "filled", "limit_price", "trigger_price")]
    return [str(row[name]) for name in _ORDER] + amounts


def _told(row: Row) -> list[Any]:
    amounts = [_plain(name, row[name]) for name in ("quantity", "filled", "limit_price", "trigger_price")]
    return [str(row[name]) for name in _ORDER] + amounts
