"""The numbers of others: the crossing of averages that nautilus_trader runs on GBP/USD minute bars."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from adapters.configuration import parse_configuration
from adapters.market_data import MarketData
from adapters.strategies.interface import Signal
from engine.jit import INTERPRETED
from engine.kinds import Action, EventKind
from engine.records import BAR, EVENT, QUOTE
from engine.state import STATE
from tests.golden.runs import FOLDER, record
from tests.golden.strategies.scripted import ENTRY, script
from tests.support import shared_data

FAST, SLOW = 10, 20

pytestmark = pytest.mark.skipif(INTERPRETED, reason="long in plain Python, which the small golden runs show")

_CONFIGURATION = """
[run]
name = "gbpusd"

[[accounts]]
name = "sim"
kind = "margin"
currency = "USD"
balance = "1000000"

[[instruments]]
symbol = "GBP/USD"
account = "sim"
kind = "linear"
tick_size = "0.00001"
lot_size = "1"
maker_fee_bps = "0.2"
taker_fee_bps = "0.2"
margin_initial = "0.03"
order_quantity = "1000000"

[[strategies]]
name = "scripted"
form = "python"
entry = "{entry}"

[[data]]
path = "{path}"
instrument = "GBP/USD"
kind = "bars"
interval = "1m"
columns = {{open = "open", high = "high", low = "low", close = "close"}}
time = {{column = "timestamp"}}
"""


def _bars(side: str) -> tuple[Any, np.ndarray]:
    path = shared_data(f"nautilus/fxcm/gbpusd-m1-{side}-2012.csv")
    configuration = parse_configuration(_CONFIGURATION.format(entry=ENTRY, path=path), FOLDER / "gbpusd.toml")
    return configuration, np.concatenate(list(MarketData(configuration).chunks())).view(BAR)


def _with_quotes(bids: np.ndarray, asks: np.ndarray) -> np.ndarray:
    """Each minute the quote of both closes of the minute before, and then the bar of the bid.

    There the book of a minute stands only after both its bars, so that what is ordered on the bid's bar meets the
    book of the minute before. Where the ask's close lies below the bid's, both are the bid's.
    """
    before = np.maximum(np.arange(len(bids)) - 1, 0)
    quotes = np.zeros(len(bids), dtype=QUOTE)
    quotes["kind"] = EventKind.QUOTE
    quotes["source"] = 1  # another source than the bars', so that the exchange trades on the quotes
    quotes["ts_ns"] = quotes["ts_exchange_ns"] = bids["ts_ns"]
    quotes["bid_ticks"] = bids["close_ticks"][before]
    quotes["ask_ticks"] = np.maximum(asks["close_ticks"], bids["close_ticks"])[before]
    rows = np.empty(2 * len(bids), dtype=EVENT)
    rows[::2] = quotes.view(EVENT)
    rows[1::2] = bids.view(EVENT)
    return rows


def _crossing(last_ts_ns: int) -> Callable[[Any], list[Signal]]:
    """Always long or short after the first 20 bars; a turn closes with one order and opens with another."""
    fast = slow = 0.0
    bars = side = 0

    def on_bar(bar: Any) -> list[Signal]:
        nonlocal fast, slow, bars, side
        close = bar.close_ticks * 1e-5
        if bars == 0:
            fast = slow = close
        bars += 1
        fast += 2 / (FAST + 1) * (close - fast)
        slow += 2 / (SLOW + 1) * (close - slow)
        if bar.ts_ns == last_ts_ns and side:
            return [Signal(0, Action.CLOSE)]
        wanted = 1 if fast >= slow else -1
        if bars < SLOW or bar.low_ticks == bar.high_ticks or wanted == side:
            return []
        opening = Signal(0, Action.BUY if wanted > 0 else Action.SELL)
        signals = [Signal(0, Action.CLOSE), opening] if side else [opening]
        side = wanted
        return signals

    return on_bar


def test_gbpusd_minutes() -> None:
    """Orders (2,984) and positions (1,492) agree exactly; the balance does but for two things that are left out.

    It is 1,111,192.68 USD here and 1,088,115.65 there, 23,077.03 less. Of that, 22,380 are exactly 7.50 for each
    order: there a bar without volume shows 250,000 at the touch, so that the other 750,000 of an order trade one
    tick worse (two fills an order, as the count of account events says: 2 x 2,984 and 26 more). The last 697.03
    are left to the rollover interest of 25 nights, which is not modelled here; from the rates of the month it
    comes to between 100 and 440 paid, by the hour and the tripled days assumed, so that some 260 remain unexplained.
    """
    cases = json.loads(shared_data("expected/nautilus_expected.json").read_text())["cases"]
    expected = cases[0]["expected"]
    configuration, bids = _bars("bid")
    _, asks = _bars("ask")
    assert len(bids) == expected["bars_bid"]
    assert np.array_equal(bids["ts_ns"], asks["ts_ns"])
    with script(on_bar=_crossing(int(bids["ts_ns"][-1]))):
        tape = record(configuration, [_with_quotes(bids, asks).view(np.uint8)], start_ns=int(bids["ts_ns"][0]))
    state: Any = tape.outcome.state.view(STATE)[0]
    assert state.refusals == state.events_refused == 0
    assert tape.outcome.orders == tape.outcome.fills == expected["orders"] == 2984
    assert int(state.positions[0, 0].trades) == expected["positions"] == 1492
    assert int(state.orders_open) == int(state.positions[0, 0].quantity_lots) == 0
    balance = Decimal(int(state.accounts[0].equity_units)).scaleb(-int(state.accounts[0].money_decimals))
    assert round(balance, 2) == Decimal("1111192.68")
    slipped = expected["orders"] * 750_000 * Decimal("0.00001")
    published = Decimal(expected["balance_total"].split()[0])
    assert round(balance - slipped - published, 2) == Decimal("697.03")
