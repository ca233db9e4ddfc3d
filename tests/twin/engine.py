"""The twin of the whole engine: `fold` takes one event as a dict and returns its decisions as dicts."""

from engine.kinds import EventKind
from engine.reasons import Reason
from tests.twin.base import Event, Refused, require
from tests.twin.breakers import Breakers
from tests.twin.closing import Closing
from tests.twin.definitions import Definitions
from tests.twin.groups import Groups
from tests.twin.intents import Intents
from tests.twin.market import Market
from tests.twin.transport import Transport

_KINDS = set(EventKind)
_UNKNOWN = Reason.EVENT_KIND_UNKNOWN


class Twin(Intents, Groups, Closing, Transport, Breakers, Market, Definitions):
    """Every part of the engine's pages is a class; `Hooks` has the calls between them, each part answers some."""

    def fold(self, event: Event) -> list[dict[str, int]]:
        self.seq += 1
        self.decisions = []
        self.passed = []
        try:
            require(event["ts_ns"] >= self.ts_ns, Reason.TIME_WENT_BACK)
            self._step(event)
        except Refused as refused:
            self.count("events_refused")
            self.counts["last_refused_seq"] = self.seq
            self.counts["last_refused_reason"] = int(refused.args[0])
        return [{name: int(value) for name, value in item.items() if value} for item in self.decisions]

    def _step(self, event: Event) -> None:
        """What is due, the event itself, what looks at it, and the targets; an event refused is no exception."""
        self.ts_ns = event["ts_ns"]
        self.to_rebalance = []
        self.on_day_due()
        self.on_breakers_due()
        self.on_brackets_due()
        try:
            self._apply(event)
        finally:
            if event.get("ts_exchange_ns"):
                self.on_exchange_time(event)
            self.on_booked()
            for account in self.to_rebalance:
                self.rebalance(account)
            self.on_step_over()

    def _apply(self, event: Event) -> None:
        kind = event["kind"]
        require(not EventKind.FUNDING < kind < EventKind.CONFIGURATION_CHANGED or kind in _KINDS, _UNKNOWN)
        if kind == EventKind.SIGNAL:
            self.on_signal(event)
        elif kind == EventKind.TIMER:
            self.on_timer()
            self.to_rebalance = sorted(self.ledger.accounts)
        elif kind == EventKind.ORDER_REQUESTED:
            self.on_order_requested(event)
        elif kind <= EventKind.FUNDING:
            self.on_market(event)
        elif EventKind.ORDER_SENT <= kind <= EventKind.ORDER_TRIGGERED:
            self.on_order(event)
        elif EventKind.CONFIGURATION_CHANGED <= kind <= EventKind.OPERATOR_COMMAND:
            require(kind in _KINDS, _UNKNOWN)
            getattr(self, f"on_{EventKind(kind).name.lower()}")(event)
        else:
            self.on_reported(event)
