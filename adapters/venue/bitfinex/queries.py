"""What a question about the past says of which part it wants: from when, until when, how much, in which order."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from adapters.venue.bitfinex.errors import invalid
from adapters.venue.bitfinex.numbers import whole_number_of

_OLDEST_FIRST = 1
_NEWEST_FIRST = -1

Row = TypeVar("Row")


class Window(NamedTuple):
    """Times are milliseconds since 1970, both included; `end_ms` is None for no end."""

    start_ms: int
    end_ms: int | None
    limit: int
    oldest_first: bool

    def of(self, rows: Sequence[Row], time_ms: Callable[[Row], int]) -> list[Row]:
        """What of rows, the newest first, is asked for."""
        chosen = [
            row
            for row in rows
            if self.start_ms <= time_ms(row) and (self.end_ms is None or time_ms(row) <= self.end_ms)
        ]
        return (chosen[::-1] if self.oldest_first else chosen)[: self.limit]


def read_window(form: Mapping[str, Any], limit: int, limit_max: int) -> Window:
    """`limit` is what is sent where the question names none. Raises Refused."""
    given = {name: whole_number_of(name, form[name]) for name in ("start", "end", "limit", "sort") if name in form}
    if not 0 < given.get("limit", limit) <= limit_max:
        raise invalid("limit")
    if given.get("sort", _NEWEST_FIRST) not in (_OLDEST_FIRST, _NEWEST_FIRST):
        raise invalid("sort")
    return Window(
        given.get("start", 0), given.get("end"), given.get("limit", limit), given.get("sort") == _OLDEST_FIRST
    )
