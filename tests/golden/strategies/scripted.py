"""A Python strategy that says what a test tells it to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from adapters.strategies.interface import Signals, Strategy

ENTRY = "tests.golden.strategies.scripted:Scripted"

_handlers: dict[str, Callable[[Any], Signals]] = {}


@contextmanager
def script(**handlers: Callable[[Any], Signals]) -> Iterator[None]:
    """Within this block, `on_quote=...`, `on_fill=...` and so on are what every `Scripted` strategy does."""
    _handlers.clear()
    _handlers.update(handlers)
    try:
        yield
    finally:
        _handlers.clear()


class Scripted(Strategy):
    def on_quote(self, quote: Any) -> Signals:
        return self._say("on_quote", quote)

    def on_trade(self, trade: Any) -> Signals:
        return self._say("on_trade", trade)

    def on_bar(self, bar: Any) -> Signals:
        return self._say("on_bar", bar)

    def on_fill(self, fill: Any) -> Signals:
        return self._say("on_fill", fill)

    def on_timer(self, timer: Any) -> Signals:
        return self._say("on_timer", timer)

    def _say(self, handler: str, row: Any) -> Signals:
        return _handlers[handler](row) if handler in _handlers else None
