"""How a running daemon stands: for people and programs (`status_of`), and as gauges for Prometheus (`readings_of`)."""

from collections.abc import Iterator
from typing import Any

from adapters.operating import figures
from adapters.operating.health import Health
from adapters.report.amounts import duration_text, money, money_text, time_text
from engine.kinds import OrderStatus, TransportStatus
from engine.reasons import Reason
from replay.names import Names
from replay.standing import accounts_of, are_open, breakers_of, open_orders_of, positions_of, trading_state_of

Json = dict[str, Any]

_NS_PER_SECOND = 1_000_000_000
_PPM = 1_000_000


def status_of(state: Any, names: Names, health: Health, last_event_ns: dict[str, int], now_ns: int) -> Json:
    """Everything that an operator looks at first; `last_event_ns` is by stream (metrics keep it)."""
    orders = open_orders_of(state, names)
    why = health.not_ready()
    return {
        "ready": not why,
        "not_ready": why,
        "trading_state": trading_state_of(state),
        "fault": Reason(int(state.fault)).name.lower() if state.fault else None,
        "time": time_text(now_ns),
        "started": time_text(health.started_ns),
        "uptime": duration_text(max(0, now_ns - health.started_ns)),
        "last_seq": int(state.seq),
        "last_time": time_text(int(state.ts_ns)) if state.seq else None,
        "queue_depth": health.queue_depth,
        "clock_steps_back": health.clock_steps_back,
        "accounts": [_account(state, names, entry) for entry in accounts_of(state, names)],
        "positions": [entry for entry in positions_of(state, names) if entry["quantity"] != "0"],
        "open_orders": orders,
        "unknown_orders": sum(order["status"] == "unknown" for order in orders),
        "breakers": breakers_of(state, names),
        "connections": [{"name": name, "connected": is_up} for name, is_up in health.connected.items()],
        "streams": [
            {"stream": stream, "last_time": time_text(ts_ns), "age_s": _seconds(max(0, now_ns - ts_ns))}
            for stream, ts_ns in last_event_ns.items()
        ],
    }


def _account(state: Any, names: Names, entry: Json) -> Json:
    """The account's money, and beside it what it stands at now, and its connection."""
    number = entry["account"]
    row, decimals = state.accounts[number], names.account(number).money_decimals
    drawdown_units = int(row["peak_equity_units"] - row["equity_units"])
    return {
        **entry,
        "drawdown": money_text(drawdown_units, decimals),
        "drawdown_percent": round(100 * _drawdown(row), 4),
        "long": money_text(int(row["long_units"]), decimals),
        "short": money_text(int(row["short_units"]), decimals),
        "transport": TransportStatus(int(row["transport_status"])).name.lower(),
        "transport_failures": int(row["transport_failures"]),
    }


def readings_of(state: Any, names: Names, health: Health) -> Iterator[figures.Reading]:
    """Every gauge but those that the metrics keep themselves."""
    yield figures.Reading(figures.READY, (), float(not health.not_ready()))
    for name, is_up in health.connected.items():
        yield figures.Reading(figures.CONNECTED, (name,), float(is_up))
    yield figures.Reading(figures.QUEUE, (), health.queue_depth)
    yield figures.Reading(figures.CLOCK, (), health.clock_steps_back)
    yield figures.Reading(figures.STARTED, (), health.started_ns / _NS_PER_SECOND)
    yield figures.Reading(figures.SEQUENCE, (), int(state.seq))
    yield figures.Reading(figures.FAULT, (), int(state.fault))
    yield figures.Reading(figures.TRADING, (), int(state.trading_state))
    for number, row in enumerate(state.accounts):
        if int(row["defined"]):
            yield from _account_readings(state, names, number, row)
    for number, row in enumerate(state.breakers):
        if int(row["status"]):
            yield figures.Reading(figures.BREAKER, (names.breaker(number),), int(row["status"]))


def _account_readings(state: Any, names: Names, number: int, row: Any) -> Iterator[figures.Reading]:
    account = names.account(number)
    name, currency = account.name, account.currency

    def amount(units: Any) -> float:
        return float(money(int(units), account.money_decimals))

    yield figures.Reading(figures.EQUITY, (name, currency), amount(row["equity_units"]))
    yield figures.Reading(figures.DRAWDOWN, (name,), _drawdown(row))
    yield figures.Reading(figures.EXPOSURE, (name, currency, "long"), amount(row["long_units"]))
    yield figures.Reading(figures.EXPOSURE, (name, currency, "short"), amount(row["short_units"]))
    yield figures.Reading(figures.TRANSPORT, (name,), int(row["transport_status"]))
    own = state.orders[state.orders["account"] == number]
    yield figures.Reading(figures.OPEN_ORDERS, (name,), int(are_open(own).sum()))
    yield figures.Reading(figures.UNKNOWN_ORDERS, (name,), int((own["status"] == OrderStatus.UNKNOWN).sum()))
    positions = state.positions[number]
    for instrument in positions["fills"].nonzero()[0].tolist():
        known = names.instrument(instrument)
        quantity = float(int(positions[instrument]["quantity_lots"]) * known.lot_size)
        yield figures.Reading(figures.POSITION, (name, known.symbol), quantity)


def _drawdown(row: Any) -> float:
    """How far the equity is below its peak, as a part of that; 0 where there is no peak to measure by."""
    peak = int(row["peak_equity_units"])
    return (peak - int(row["equity_units"])) / peak if peak > 0 else 0.0


def _seconds(duration_ns: int) -> float:
    return round(duration_ns / _NS_PER_SECOND, 3)
