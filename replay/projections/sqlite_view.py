"""The read model in SQLite, with the library's own tracking."""

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteTrackingRecorder

from replay.notifications.events import OrderEvent
from replay.projections.tables import SQLITE, Tables, create_statements
from replay.projections.trading import TradingView, take


class SqliteTradingView(SQLiteTrackingRecorder, TradingView):
    def construct_create_table_statements(self) -> list[str]:
        return super().construct_create_table_statements() + create_statements(SQLITE)

    def take(self, event: OrderEvent, tracking: Tracking) -> None:
        with self.datastore.get_connection(commit=True) as connection:
            # A power cut may take the last events back, with their tracking: they are taken again.
            connection.cursor().execute("PRAGMA synchronous = NORMAL")
            with connection.transaction(commit=True) as cursor:
                self._take(cursor, event, tracking)

    def _take(self, cursor: SQLiteCursor, event: OrderEvent, tracking: Tracking) -> None:
        self._insert_tracking(cursor, tracking)
        take(Tables(cursor.execute, cursor, SQLITE), event, tracking)

    def close(self) -> None:
        self.datastore.close()
