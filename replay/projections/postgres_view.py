"""The read model in PostgreSQL, with the library's own tracking. Needs the extra `postgres`."""

from typing import Any

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from psycopg.sql import SQL

from replay.notifications.events import OrderEvent
from replay.projections.tables import POSTGRES, Tables, create_statements
from replay.projections.trading import TradingView, take


class PostgresTradingView(PostgresTrackingRecorder, TradingView):
    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.sql_create_statements += [SQL(statement).format() for statement in create_statements(POSTGRES)]

    def take(self, event: OrderEvent, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            # A crash of the server may take the last events back, with their tracking: they are taken again.
            cursor.execute("SET LOCAL synchronous_commit = off")
            self._insert_tracking(cursor, tracking)
            take(Tables(cursor.execute, cursor, POSTGRES), event, tracking)

    def close(self) -> None:
        self.datastore.close()
