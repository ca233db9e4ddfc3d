"""What the second half of the twin does, where it does nothing: the calls, and when the fold makes them.

A part of the second half is a class that inherits from `Base`; `Twin` inherits from it before `Hooks`.
"""

from typing import Any

from tests.twin.base import Base, Event, Refusal
from tests.twin.orders import Order


class Hooks(Base):
    # Before the event, in this order, at every event: the part itself knows whether something is due.
    def on_day_due(self) -> None: ...

    def on_breakers_due(self) -> None: ...

    def on_brackets_due(self) -> None: ...

    # After every valuation of the accounts: peaks and drawdowns.
    def on_valued(self) -> None: ...

    def on_cash_moved(self, account: int, amount: int) -> None: ...

    # A market event that was taken over: first on_price, then on_market_event (samples, jumps, spreads). One with an
    # invalid price: on_price_invalid alone. Any event with the exchange's time on it, last: on_exchange_time.
    def on_price(self, instrument: int) -> None: ...

    def on_market_event(self, event: Event) -> None: ...

    # An instrument's sample was closed.
    def on_sample(self, instrument: int) -> None: ...

    def on_price_invalid(self, instrument: int) -> None: ...

    def on_exchange_time(self, event: Event) -> None: ...

    # The event is booked: breakers and then risk levels look at what it concerns. After the targets: the step is over.
    def on_booked(self) -> None: ...

    def on_step_over(self) -> None: ...

    # Orders: a report calls on_order_changed (with a bracket only) and on_order_reported. A fill that was booked calls
    # book_strategy_fill, on_filled, on_order_changed (with a bracket only), on_position_filled, on_trade_closed.
    def on_order_changed(self, order: Order, filled_lots: int, price_ticks: int) -> None: ...

    def on_order_reported(self, report: Event, order: Order | None) -> None: ...

    def book_strategy_fill(self, fill: Event, order: Order | None) -> None: ...

    def on_position_filled(self, account: int, instrument: int) -> None: ...

    def on_filled(self, fill: Event, order: Order | None) -> None: ...

    def on_trade_closed(self, fill: Event, order: Order | None) -> None: ...

    def on_request_failed(self, failure: Event) -> None: ...

    def on_position_reported(self, report: Event) -> None: ...

    def on_timer(self) -> None: ...

    def on_rules_changed(self, setting: int, account: int, instrument: int, row: int) -> None: ...

    # Raises Refused where the command is not followed.
    def on_breaker_command(self, operator: Event) -> None: ...

    # A requested order; raises Refused where the record is invalid.
    def on_order_requested(self, request: Event) -> None: ...

    # What signals ask of brackets. A signal here has stop and target 0 where they do not count.
    def wants_bracket(self, signal: Event, instrument: int) -> bool:
        return False

    def bracket_refusal(self, signal: Event, instrument: int, side: int, price: int) -> Refusal | None:
        return None

    def stop_distance_ticks(self, signal: Event, instrument: int, side: int, price: int) -> int:
        return 0

    def open_bracket(self, signal: Event, instrument: int, side: int, price: int) -> Any:
        return None

    def open_entries(self, instrument: int, side: int) -> int:
        return 0

    def close_position(self, instrument: int, strategy: int, reason: int, limit_ticks: int) -> int:
        return 0

    def cancel_entries(self, instrument: int, strategy: int | None = None) -> None: ...

    def cancel_orders(self, instrument: int, strategy: int | None = None) -> None: ...

    def close_everything(self, reason: int) -> None: ...

    # What checks ask of breakers: the lowest that blocks entries here, as (limit, observed); and the connection's:
    # (until, time) where it lets no entry out. `note_probe` is told of an entry that went out.
    def blocking_breaker(self, instrument: int, strategy: int) -> tuple[int, int] | None:
        return None

    def has_breakers(self) -> bool:
        """Whether any breaker was ever told."""
        return False

    def closed_until(self, account: int) -> int:
        """Until when the connection of an account is held closed to entries."""
        return 0

    def transport_refusal(self, account: int) -> tuple[int, int] | None:
        return None

    def note_probe(self, order: Order) -> None: ...
