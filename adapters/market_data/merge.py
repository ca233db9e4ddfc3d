"""All sources of a configuration as one stream of events in order of time."""

from collections.abc import Iterator, Sequence

import numpy as np

from adapters.configuration import Configuration
from adapters.errors import UserError
from adapters.market_data.report import LoadReport
from adapters.market_data.rows import Events
from adapters.market_data.source import Source
from engine.records import EVENT

EVENTS_PER_CHUNK = 1_000_000
_WORDS = EVENT.itemsize // 8


class MarketData:
    """The market data of a configuration, to be read once.

    `chunks` yields the events; `reports` and `bytes_read` of `bytes_total` follow it as it goes.
    Raises `UserError` at once where there is no source or a file is missing.
    """

    def __init__(self, configuration: Configuration) -> None:
        if not configuration.data:
            raise UserError(f"{configuration.path}: data: expected at least one [[data]] entry, found none")
        self._sources = [Source(configuration, number) for number in range(len(configuration.data))]
        self.bytes_total = sum(source.bytes_total for source in self._sources)

    @property
    def bytes_read(self) -> int:
        """How many bytes of the files are behind us."""
        return sum(source.bytes_read for source in self._sources)

    @property
    def reports(self) -> list[LoadReport]:
        """One report for each source, complete when the last chunk was taken."""
        return [source.report for source in self._sources]

    def chunks(self) -> Iterator[Events]:
        """Arrays of up to `EVENTS_PER_CHUNK` EVENT records in order of time, ties as in `merged`."""
        for events in merged([source.events() for source in self._sources]):
            for first in range(0, len(events), EVENTS_PER_CHUNK):
                yield events[first : first + EVENTS_PER_CHUNK]


def market_events(configuration: Configuration) -> Iterator[Events]:
    """The market data of a configuration: arrays of EVENT records in order of time."""
    return MarketData(configuration).chunks()


def merged(sources: Sequence[Iterator[Events]]) -> Iterator[Events]:
    """Merge sources that are each in order of time.

    Events of the same time come in the order of the sources, and within a source in its own order. Each
    source is read only as far as the others force it, so about one array of each is held.
    """
    pending: list[Events | None] = [next(source, None) for source in sources]
    while any(events is not None for events in pending):
        alive = [number for number, events in enumerate(pending) if events is not None]
        # Beyond the earliest end more may still come from the source that ends there; at exactly its time,
        # only sources before it, and itself, may already speak.
        ends = {number: int(_held(pending, number)["ts_ns"][-1]) for number in alive}
        shortest = min(alive, key=lambda number: (ends[number], number))
        bound_ns = ends[shortest]
        taken: list[Events] = []
        for number in alive:
            events = _held(pending, number)
            count = int(np.searchsorted(events["ts_ns"], bound_ns, "right" if number <= shortest else "left"))
            taken.append(events[:count])
            pending[number] = events[count:] if count < len(events) else None
        yield _interleaved([events for events in taken if len(events)])
        for number in alive:
            if pending[number] is None:
                pending[number] = next(sources[number], None)


def _held(pending: Sequence[Events | None], number: int) -> Events:
    events = pending[number]
    assert events is not None
    return events


def _interleaved(parts: Sequence[Events]) -> Events:
    if len(parts) == 1:
        return parts[0]
    # Rows as eight words: gathering them is several times faster than gathering records.
    words = np.concatenate([part.view(np.int64).reshape(-1, _WORDS) for part in parts])
    order = np.argsort(words[:, 0], kind="stable")
    return words.take(order, axis=0).reshape(-1).view(EVENT)
