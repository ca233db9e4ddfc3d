"""What there is to be measured of a daemon: the name of each metric, what it is, and its labels."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from engine.kinds import BreakerStatus, TradingState, TransportStatus


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric: its name as it is scraped, what it is, and its labels."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


class Reading(NamedTuple):
    """A value at this moment, with its labels in their order."""

    figure: Figure
    labels: tuple[str, ...]
    value: float


def _numbered(kinds: type[IntEnum]) -> str:
    return ", ".join(f"{kind.value} {kind.name.lower().replace('_', ' ')}" for kind in kinds)


EVENTS = Figure("tapefold_events_applied_total", "Events that were put on the tape and folded.", ("kind",))
COMMANDS = Figure("tapefold_commands_total", "Commands of the engine to the exchanges.", ("kind",))
ORDERS = Figure("tapefold_orders_total", "Orders placed, and what the exchanges reported of them.", ("status",))
REFUSED = Figure("tapefold_orders_refused_total", "Signals and orders that a rule of the engine refused.", ("reason",))
REJECTED = Figure("tapefold_orders_rejected_total", "Orders that an exchange rejected.", ("reason",))
ALERTS = Figure("tapefold_alerts_total", "Alerts of the engine.", ("reason",))
TRIPS = Figure("tapefold_breaker_trips_total", "Trips of a breaker.", ("breaker",))
FAILURES = Figure("tapefold_request_failures_total", "Requests to an exchange that failed.", ("account", "failure"))
RECONNECTS = Figure("tapefold_reconnects_total", "Connections that were restored after a loss.", ("account",))
APPEND = Figure("tapefold_journal_append_duration_seconds", "From a batch of events to its durable commit.")
COMMAND_AFTER = Figure(
    "tapefold_tick_to_command_seconds",
    "From the arrival of an event to the command that it caused, in the client's hands.",
)
LAST_EVENT = Figure("tapefold_last_event_timestamp_seconds", "When the last event of a kind arrived.", ("stream",))

READY = Figure("tapefold_ready", "1 while it trades: connected, reconciled, not stopped.")
CONNECTED = Figure("tapefold_connected", "1 while a connection to an exchange is there.", ("connection",))
QUEUE = Figure("tapefold_queue_depth", "Events that have arrived and are not applied yet.")
CLOCK = Figure("tapefold_clock_steps_back_total", "How often the clock was found to have gone back since the start.")
STARTED = Figure("tapefold_start_timestamp_seconds", "When the daemon started.")
SEQUENCE = Figure("tapefold_sequence_number", "The number of the last event that was applied.")
FAULT = Figure("tapefold_fault", "The code of the reason for which the engine stopped, 0 for none.")
TRADING = Figure("tapefold_trading_state", f"{_numbered(TradingState)}.")
OPEN_ORDERS = Figure("tapefold_open_orders", "Orders that may still be filled.", ("account",))
UNKNOWN_ORDERS = Figure("tapefold_unknown_orders", "Orders of which it is not known what became of them.", ("account",))
EQUITY = Figure("tapefold_equity", "Equity, in the account's currency.", ("account", "currency"))
DRAWDOWN = Figure("tapefold_drawdown_ratio", "How far the equity is below its peak, as a part of it.", ("account",))
EXPOSURE = Figure("tapefold_exposure", "What is held long, and short.", ("account", "currency", "side"))
POSITION = Figure("tapefold_position", "What is held of an instrument, negative for a short.", ("account", "symbol"))
TRANSPORT = Figure("tapefold_transport_state", f"The transport breaker: {_numbered(TransportStatus)}.", ("account",))
BREAKER = Figure("tapefold_breaker_state", f"{_numbered(BreakerStatus)}.", ("breaker",))

# Counted of each batch; read from the state and the daemon's health at each scrape; measured one by one.
COUNTED = (EVENTS, COMMANDS, ORDERS, REFUSED, REJECTED, ALERTS, TRIPS, FAILURES, RECONNECTS)
READ = (
    *(READY, CONNECTED, QUEUE, CLOCK, STARTED, LAST_EVENT, SEQUENCE, FAULT, TRADING, OPEN_ORDERS, UNKNOWN_ORDERS),
    *(EQUITY, DRAWDOWN, EXPOSURE, POSITION, TRANSPORT, BREAKER),
)
MEASURED = (APPEND, COMMAND_AFTER)
