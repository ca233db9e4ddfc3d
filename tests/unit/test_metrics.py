"""Metrics: names by the conventions, counts that are those of the tape, and the three addresses."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.errors import UserError
from adapters.operating.figures import COUNTED, MEASURED, READ
from engine.kinds import Action, BreakerStatus, EventKind, OrderStatus, RequestFailure
from engine.reasons import Reason
from tests.stand_in import StandIn

BASE_UNITS = ("seconds", "ratio", "bytes")
OTHER_UNITS = ("ms", "us", "ns", "milliseconds", "minutes", "percent", "ppm", "bps", "kilobytes")
RESERVED_LABELS = {"le", "quantile", "instance", "job"}
FIGURES = (*COUNTED, *READ, *MEASURED)


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        self.now_ns += 1_000_000_000
        return self.now_ns


@pytest.fixture
def daemon(tmp_path: Path) -> StandIn:
    standing = StandIn(tmp_path, Clock())
    standing.trade()
    return standing


def values(daemon: StandIn) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in daemon.metrics.registry.collect()
        for sample in family.samples
    }


def test_names_follow_the_conventions() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert re.fullmatch(r"tapefold_[a-z]+(_[a-z]+)*", figure.name), figure.name
        assert not set(figure.name.split("_")) & set(OTHER_UNITS), f"{figure.name}: expected a base unit"
        assert figure.meaning.endswith("."), figure.name
        for label in figure.labels:
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", label), label
            assert label not in RESERVED_LABELS
    for figure in COUNTED:
        assert figure.name.endswith("_total"), figure.name
    for figure in MEASURED:
        assert figure.name.endswith(BASE_UNITS), figure.name


def test_every_figure_is_scraped_with_its_type_and_its_meaning(daemon: StandIn) -> None:
    families = {family.name: family for family in daemon.metrics.registry.collect()}
    for figure in FIGURES:
        is_counter = figure.name.endswith("_total")
        family = families.pop(figure.name.removesuffix("_total"))
        expected = "counter" if is_counter else "histogram" if figure in MEASURED else "gauge"
        assert (family.type, family.documentation) == (expected, figure.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(figure.labels), sample
    assert all(name.startswith("process_") for name in families), families.keys()


def test_events_are_counted_by_kind(daemon: StandIn) -> None:
    found = values(daemon)
    assert found["tapefold_events_applied_total", "quote"] == 2
    assert found["tapefold_events_applied_total", "order_filled"] == 1
    assert ("tapefold_events_applied_total", "bar") not in found
    daemon.trade()
    assert values(daemon)["tapefold_events_applied_total", "quote"] == 4


def test_what_is_rare_is_counted_by_its_reason(daemon: StandIn) -> None:
    daemon.inbox.order_report(EventKind.ORDER_REJECTED, 0, 0, 7, reason=Reason.EXCHANGE_MARGIN_INSUFFICIENT)
    daemon.inbox.request_failed(0, RequestFailure.RATE_LIMITED)
    daemon.inbox.put(EventKind.SIGNAL, Action.BUY, source=0, instrument=1)
    daemon.inbox.put(EventKind.SIGNAL, Action.BUY, source=0, instrument=1)
    daemon.pump()
    found = values(daemon)
    assert found["tapefold_orders_rejected_total", "exchange_margin_insufficient"] == 1
    assert found["tapefold_orders_total", "rejected"] == 1
    assert found["tapefold_request_failures_total", "main", "rate_limited"] == 1
    assert found["tapefold_request_failures_total", "main", "timeout"] == 1
    assert found["tapefold_reconnects_total", "main"] == 1
    assert found["tapefold_orders_refused_total", "no_reference_price"] == 2
    assert found["tapefold_orders_total", "placed"] == 0


def test_commands_and_trips_are_counted(daemon: StandIn) -> None:
    daemon.inbox.put(EventKind.SIGNAL, Action.CLOSE, source=0, instrument=0)
    # A price that costs more than three parts of a hundred of the equity.
    daemon.inbox.quote(0, 1_900_000, 1_900_100, 1, 1)
    daemon.pump()
    found = values(daemon)
    assert found["tapefold_orders_total", "placed"] == found["tapefold_commands_total", "place_order"] == 1
    assert found["tapefold_breaker_trips_total", "bad day"] == 1
    assert found["tapefold_breaker_state", "bad day"] == BreakerStatus.LATCHED


def test_gauges_are_those_of_the_state_at_that_moment(daemon: StandIn) -> None:
    found = values(daemon)
    # 0.5 bought at 20,000.00 and worth 19,990.00 each.
    assert found["tapefold_equity", "main", "USD"] == 9_995
    assert found["tapefold_drawdown_ratio", "main"] == pytest.approx(5 / 10_000)
    assert found["tapefold_exposure", "main", "USD", "long"] == 9_995
    assert found["tapefold_exposure", "main", "USD", "short"] == 0
    assert found["tapefold_position", "main", "BTC/USD"] == 0.5
    assert found["tapefold_trading_state",] == 0
    assert found["tapefold_sequence_number",] == daemon.state.seq
    assert found["tapefold_ready",] == found["tapefold_connected", "main"] == 1
    daemon.health.connected["main"] = False
    daemon.state.orders[0].status = OrderStatus.UNKNOWN
    found = values(daemon)
    assert found["tapefold_ready",] == found["tapefold_connected", "main"] == 0
    assert found["tapefold_unknown_orders", "main"] == found["tapefold_open_orders", "main"] == 1


def test_the_last_event_of_each_kind_has_its_time(daemon: StandIn) -> None:
    latest_s = daemon.inbox.latest_ts_ns / 1e9
    assert values(daemon)["tapefold_last_event_timestamp_seconds", "connection_restored"] == latest_s
    assert values(daemon)["tapefold_last_event_timestamp_seconds", "quote"] == latest_s - 2


def test_durations_land_in_their_buckets(daemon: StandIn) -> None:
    daemon.metrics.observe_command(0.0003)
    found = values(daemon)
    assert found["tapefold_tick_to_command_seconds_bucket", "0.0002"] == 0
    assert found["tapefold_tick_to_command_seconds_bucket", "0.0005"] == 1
    assert found["tapefold_journal_append_duration_seconds_count",] == 1


def fetch(daemon: StandIn, use: Callable[[aiohttp.ClientSession], Awaitable[Any]]) -> Any:
    async def steps() -> Any:
        await daemon.open()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{daemon.port}") as session:
            try:
                return await asyncio.wait_for(use(session), 20)
            finally:
                await daemon.close()

    return asyncio.run(steps())


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_a_scrape_is_in_the_form_that_is_asked_for(daemon: StandIn, accept: str) -> None:
    async def scrape(session: aiohttp.ClientSession) -> tuple[str, str]:
        async with session.get("/metrics", headers={"Accept": accept}) as answer:
            assert answer.status == 200
            return answer.headers["Content-Type"], await answer.text()

    content_type, text = fetch(daemon, scrape)
    assert content_type.startswith(accept.split(";")[0])
    assert text.endswith("# EOF\n") == ("openmetrics" in accept)
    if "openmetrics" not in accept:
        names = {family.name for family in text_string_to_metric_families(text)}
        assert {"tapefold_events_applied", "tapefold_equity", "tapefold_tick_to_command_seconds"} <= names


def test_readiness_says_why_not(daemon: StandIn) -> None:
    async def states(session: aiohttp.ClientSession) -> list[tuple[int, dict]]:
        found = []
        for path, change in (
            ("/readyz", lambda: None),
            ("/readyz", lambda: daemon.health.connected.update(main=False)),
            ("/readyz", lambda: setattr(daemon.health, "is_reconciled", False)),
            ("/readyz", lambda: setattr(daemon.health, "stopped", "the disk is full")),
            ("/healthz", lambda: None),
        ):
            change()
            async with session.get(path) as answer:
                found.append((answer.status, await answer.json()))
        return found

    ready, apart, waiting, stopped, alive = fetch(daemon, states)
    assert ready == (200, {"ready": True, "not_ready": []})
    assert apart == (503, {"ready": False, "not_ready": ["main is not connected"]})
    assert waiting[1]["not_ready"] == ["main is not connected", "not reconciled with the exchange yet"]
    assert stopped[1]["not_ready"][0] == "stopped: the disk is full"
    assert alive == (200, {"alive": True})


def test_a_stream_that_is_lost_makes_it_unready_until_it_is_back(daemon: StandIn) -> None:
    for kind, stream, is_up in (
        (EventKind.CONNECTION_LOST, 1, False),
        (EventKind.CONNECTION_LOST, 2, False),
        (EventKind.CONNECTION_RESTORED, 1, False),
        (EventKind.CONNECTION_RESTORED, 2, True),
    ):
        daemon.inbox.connection(kind, 0, stream)
        daemon.pump()
        assert daemon.health.connected == {"main": is_up}
        assert (daemon.health.not_ready() == []) == is_up


def test_a_port_that_is_taken_is_said_in_one_line(daemon: StandIn) -> None:
    async def steps(port: int) -> None:
        try:
            await daemon.operations.open(metrics_port=port)
        finally:
            await daemon.close()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"metrics at 127.0.0.1:\d+: cannot listen there"):
            asyncio.run(steps(taken.getsockname()[1]))
