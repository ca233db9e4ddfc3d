"""A small configuration around one or more data files, for the tests of market data."""

from pathlib import Path
from typing import Any

import numpy as np

from adapters.configuration import Configuration, load_configuration
from adapters.market_data import LoadReport, MarketData
from engine.records import EVENT, OVERLAYS, EventKind

HEAD = """\
[run]
name = "test"
[[accounts]]
name = "main"
kind = "margin"
currency = "{currency}"
balance = 1000
[[instruments]]
symbol = "{symbol}"
account = "main"
kind = "linear"
tick_size = "{tick_size}"
lot_size = "{lot_size}"
[[instruments]]
symbol = "OTHER"
account = "main"
kind = "linear"
tick_size = "1"
lot_size = "1"
"""
BARS = """\
kind = "bars"
interval = "1m"
time = {column = "t", unit = "s"}
columns = {open = "o", high = "h", low = "l", close = "c", volume = "v"}
"""
QUOTES = """\
kind = "quotes"
time = {column = 1, unit = "s"}
columns = {bid = 2, bid_size = 3, ask = 4, ask_size = 5}
"""
TRADES = """\
kind = "trades"
time = {column = 1, unit = "s"}
columns = {price = 2, quantity = 3}
"""
SYMBOL = "BTC/USD"
T0 = 1_600_000_020


def configured(
    folder: Path,
    *entries: str,
    tick_size: str = "0.1",
    lot_size: str = "0.001",
    symbol: str = SYMBOL,
    currency: str = "USD",
) -> Configuration:
    """A configuration file in `folder` with these `[[data]]` entries; an entry without an instrument is of `symbol`."""
    text = HEAD.format(tick_size=tick_size, lot_size=lot_size, symbol=symbol, currency=currency)
    for entry in entries:
        named = entry if "instrument =" in entry else f'instrument = "{symbol}"\n{entry}'
        text += f"[[data]]\n{named}\n"
    (folder / "test.toml").write_text(text)
    return load_configuration(folder / "test.toml")


def loaded(configuration: Configuration) -> tuple[Any, list[LoadReport]]:
    """All events as one EVENT array, and the reports."""
    data = MarketData(configuration)
    chunks = list(data.chunks())
    assert all(len(chunk) for chunk in chunks)
    assert data.bytes_read == data.bytes_total
    events = np.concatenate(chunks) if chunks else np.zeros(0, EVENT)
    assert events.dtype == EVENT and events.flags.c_contiguous
    assert (np.diff(events["ts_ns"]) >= 0).all()
    return events, data.reports


def overlaid(events: Any, kind: EventKind) -> Any:
    """The events of this kind, under its own names."""
    return events[events["kind"] == kind].view(OVERLAYS[kind])


def values(events: Any, *names: str) -> list[tuple[int, ...]]:
    """These fields of every event, as plain tuples."""
    return list(zip(*(events[name].tolist() for name in names), strict=True))
