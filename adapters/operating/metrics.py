"""What Prometheus can ask a daemon: counts of what went by, and how it stands at that moment.

Counts are kept as arrays and the rest is read when somebody asks, so that a batch costs some microseconds.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.operating.figures import (
    ALERTS,
    APPEND,
    COMMAND_AFTER,
    COMMANDS,
    COUNTED,
    EVENTS,
    FAILURES,
    LAST_EVENT,
    ORDERS,
    READ,
    RECONNECTS,
    REFUSED,
    REJECTED,
    TRIPS,
    Figure,
    Reading,
)
from engine.kinds import DecisionKind, EventKind, RequestFailure
from engine.reasons import Reason
from engine.records import BREAKER_DECISION, COMMAND, EVENT, ORDER_REPORT, REFUSAL, REQUEST_FAILURE

Bytes = NDArray[np.uint8]
Labels = tuple[str, ...]

_KINDS = 256
_NS_PER_SECOND = 1e9

# An fsync takes from a tenth of a millisecond to, on a bad day, seconds.
_APPEND_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_COMMAND_BUCKETS_S = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)

_COMMAND_KINDS = (
    *(DecisionKind.PLACE_ORDER, DecisionKind.CANCEL_ORDER, DecisionKind.AMEND_ORDER),
    DecisionKind.RELEASE_ORDER,
)
_ORDER_KINDS = {
    EventKind.ORDER_ACCEPTED: "accepted",
    EventKind.ORDER_REJECTED: "rejected",
    EventKind.ORDER_CANCELED: "canceled",
    EventKind.ORDER_EXPIRED: "expired",
}


class Metrics:
    """A registry of its own. The daemon tells it of each batch; `readings` are asked for at each scrape.

    Everything here belongs to the daemon's event loop, the scrape too, so that nothing is read amid a fold.
    `accounts` and `breakers` are names by number.
    """

    def __init__(
        self, readings: Callable[[], Iterable[Reading]], accounts: Mapping[int, str], breakers: Mapping[int, str]
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._readings = readings
        self._accounts = accounts
        self._breakers = breakers
        self._events = np.zeros(_KINDS, np.int64)
        self._decisions = np.zeros(_KINDS, np.int64)
        self._last_ts_ns = np.zeros(_KINDS, np.int64)
        self._rare: dict[Figure, Counter[Labels]] = {figure: Counter() for figure in COUNTED}
        self._append_s = _histogram(APPEND, _APPEND_BUCKETS_S, self.registry)
        self._command_s = _histogram(COMMAND_AFTER, _COMMAND_BUCKETS_S, self.registry)
        self.registry.register(_OnScrape(self))
        ProcessCollector(registry=self.registry)

    def observe_batch(self, events: Bytes, decisions: Bytes, append_s: float) -> None:
        """Count a batch that was folded and committed, `append_s` seconds after the commit was begun."""
        self._append_s.observe(append_s)
        rows = events.view(EVENT)
        kinds = rows["kind"]
        counts = np.bincount(kinds, minlength=_KINDS)
        self._events += counts
        # Where a kind comes more than once, the last of its times is the one that stays.
        self._last_ts_ns[kinds] = rows["ts_ns"]
        if counts[EventKind.ORDER_REJECTED]:
            self._count_reasons(REJECTED, events.view(ORDER_REPORT)[kinds == EventKind.ORDER_REJECTED])
        if counts[EventKind.REQUEST_FAILED]:
            for row in events.view(REQUEST_FAILURE)[kinds == EventKind.REQUEST_FAILED]:
                failure = RequestFailure(int(row["failure"])).name.lower()
                self._rare[FAILURES][self._account(int(row["account"])), failure] += 1
        if counts[EventKind.CONNECTION_RESTORED]:
            for row in rows[kinds == EventKind.CONNECTION_RESTORED]:
                self._rare[RECONNECTS][(self._account(int(row["account"])),)] += 1
        if len(decisions):
            self._count_decisions(decisions)

    def observe_command(self, delay_s: float) -> None:
        """A command was handed to its client so long after the event that caused it had arrived."""
        self._command_s.observe(delay_s)

    def last_event_ns(self) -> dict[str, int]:
        """When the last event of each kind arrived, since the daemon started."""
        return {kind.name.lower(): int(self._last_ts_ns[kind]) for kind in EventKind if self._last_ts_ns[kind]}

    def _count_decisions(self, decisions: Bytes) -> None:
        kinds = decisions.view(COMMAND)["kind"]
        counts = np.bincount(kinds, minlength=_KINDS)
        self._decisions += counts
        for kind, figure in ((DecisionKind.REFUSAL, REFUSED), (DecisionKind.ALERT, ALERTS)):
            if counts[kind]:
                self._count_reasons(figure, decisions.view(REFUSAL)[kinds == kind])
        if counts[DecisionKind.BREAKER_TRIPPED]:
            for row in decisions.view(BREAKER_DECISION)[kinds == DecisionKind.BREAKER_TRIPPED]:
                number = int(row["breaker"])
                self._rare[TRIPS][(self._breakers.get(number, f"breaker {number}"),)] += 1

    def _count_reasons(self, figure: Figure, rows: Any) -> None:
        self._rare[figure].update((Reason(reason).name.lower(),) for reason in rows["reason"].tolist())

    def _account(self, number: int) -> str:
        return self._accounts.get(number, f"account {number}")

    def families(self) -> Iterator[Metric]:
        """Everything but the histograms as it is now; what has no value yet too, by its name."""
        families = {figure: _family(figure) for figure in (*COUNTED, *READ)}
        for figure, counted in self._counted().items():
            for labels, count in sorted(counted.items()):
                families[figure].add_metric(labels, count)
        for stream, ts_ns in self.last_event_ns().items():
            families[LAST_EVENT].add_metric((stream,), ts_ns / _NS_PER_SECOND)
        for figure, labels, value in self._readings():
            families[figure].add_metric(labels, value)
        yield from families.values()

    def _counted(self) -> dict[Figure, Counter[Labels]]:
        of_kinds: dict[Figure, Counter[Labels]] = {EVENTS: Counter(), COMMANDS: Counter(), ORDERS: Counter()}
        for kind in np.flatnonzero(self._events).tolist():
            of_kinds[EVENTS][(EventKind(kind).name.lower(),)] = int(self._events[kind])
        for command in _COMMAND_KINDS:
            of_kinds[COMMANDS][(command.name.lower(),)] = int(self._decisions[command])
        for report, status in _ORDER_KINDS.items():
            of_kinds[ORDERS][(status,)] = int(self._events[report])
        of_kinds[ORDERS]["placed",] = int(self._decisions[DecisionKind.PLACE_ORDER])
        return self._rare | of_kinds


class _OnScrape(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics.families()


def _histogram(figure: Figure, buckets_s: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(figure.name, figure.meaning, buckets=buckets_s, registry=registry)


def _family(figure: Figure) -> CounterMetricFamily | GaugeMetricFamily:
    family = CounterMetricFamily if figure.name.endswith("_total") else GaugeMetricFamily
    return family(figure.name, figure.meaning, labels=figure.labels)
