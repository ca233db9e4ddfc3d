"""The breaker of each account's connection to its exchange, in the twin."""

from dataclasses import dataclass

from engine.kinds import DecisionKind, EventKind, TransportStatus
from engine.state import Limits
from tests.twin.base import Event
from tests.twin.hooks import Hooks
from tests.twin.orders import Order


@dataclass
class Connection:
    status: int = TransportStatus.CLOSED
    failures: int = 0
    backoff_ns: int = 0
    until_ts_ns: int = 0
    probe_order: int = 0


class Transport(Hooks):
    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.connections: dict[int, Connection] = {}

    def connection(self, account: int) -> Connection:
        return self.connections.setdefault(account, Connection())

    def transport_refusal(self, account: int) -> tuple[int, int] | None:
        """(until, time) where no entry may go out now."""
        connection = self.connection(account)
        probing = connection.status == TransportStatus.HALF_OPEN and connection.probe_order
        if connection.status == TransportStatus.OPEN or probing:
            return connection.until_ts_ns, self.ts_ns
        return None

    def closed_until(self, account: int) -> int:
        return self.connection(account).until_ts_ns

    def note_probe(self, order: Order) -> None:
        connection = self.connection(order.account)
        if connection.status == TransportStatus.HALF_OPEN:
            connection.probe_order = order.order

    def on_request_failed(self, failure: Event) -> None:
        super().on_request_failed(failure)
        number = failure["account"]
        if number not in self.ledger.accounts:
            return
        connection, rules = self.connection(number), self.account_rules[number]
        connection.failures += 1
        retry_ts_ns = self.ts_ns + failure["retry_after_ms"] * 10**6
        if connection.status == TransportStatus.OPEN:
            if retry_ts_ns > connection.until_ts_ns:
                self._open(number, retry_ts_ns, failure["failure"])
        elif connection.status == TransportStatus.HALF_OPEN:
            longest = rules["transport_backoff_max_ns"] or 2 * connection.backoff_ns
            connection.backoff_ns = min(2 * connection.backoff_ns, longest)
            self._open(number, max(self.ts_ns + connection.backoff_ns, retry_ts_ns), failure["failure"])
        elif 0 < rules["transport_failures_max"] <= connection.failures:
            connection.backoff_ns = rules["transport_backoff_ns"]
            self._open(number, max(self.ts_ns + connection.backoff_ns, retry_ts_ns), failure["failure"])

    def _open(self, account: int, until_ts_ns: int, failure: int) -> None:
        self.connection(account).until_ts_ns = until_ts_ns
        self._change_to(account, TransportStatus.OPEN, failure)

    def on_breakers_due(self) -> None:
        super().on_breakers_due()
        for number, connection in sorted(self.connections.items()):
            if connection.status == TransportStatus.OPEN and connection.until_ts_ns <= self.ts_ns:
                self._change_to(number, TransportStatus.HALF_OPEN, 0)

    def on_order_reported(self, report: Event, order: Order | None) -> None:
        super().on_order_reported(report, order)
        if report["kind"] != EventKind.ORDER_SENT:
            self._answered(report["account"])

    def on_filled(self, fill: Event, order: Order | None) -> None:
        super().on_filled(fill, order)
        self._answered(fill["account"])

    def _answered(self, account: int) -> None:
        """An answer about any order of the account closes its breaker."""
        connection = self.connection(account)
        connection.failures = connection.backoff_ns = 0
        if connection.status != TransportStatus.CLOSED:
            connection.until_ts_ns = 0
            self._change_to(account, TransportStatus.CLOSED, 0)

    def _change_to(self, account: int, status: TransportStatus, failure: int) -> None:
        connection = self.connection(account)
        connection.status, connection.probe_order = status, 0
        fields = {"transport_status": status, "failures": connection.failures, "failure": failure}
        self.decide(DecisionKind.TRANSPORT_CHANGED, account=account, until_ts_ns=connection.until_ts_ns, **fields)
