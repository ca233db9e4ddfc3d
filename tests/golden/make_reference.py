"""Makes the reference journals of this version: `python -m tests.golden.make_reference [NAME ...]`.

Those of earlier versions were made by them and stay. Where all journals lead is written down anew each time, so look
at what has changed in `expected.json`: a journal of an earlier version that leads elsewhere than before needs a page in
docs/decisions/.
"""

from adapters import compile_cache

compile_cache.prepare()

import json  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from adapters.configuration import load_configuration, parse_configuration  # noqa: E402
from adapters.journal import create_journal  # noqa: E402
from adapters.market_data import MarketData  # noqa: E402
from engine.kinds import EventKind, GroupKind, OrderFlag, OrderType, TimeInForce  # noqa: E402
from engine.records import EVENT, ORDER_REQUEST, QUOTE  # noqa: E402
from replay.backtest import backtest_manifest, run_backtest  # noqa: E402
from replay.workloads import ticks  # noqa: E402
from tests.golden.reference import EXPECTED, digests, names, pack, unpack  # noqa: E402
from tests.golden.reference_live import live_with_faults  # noqa: E402
from tests.golden.runs import configuration, play  # noqa: E402
from tests.support import ROOT  # noqa: E402

_DEMO = ROOT / "demo" / "crash-2017.toml"
_CRASH_BEGINS_NS = 1_513_728_000_000_000_000  # 2017-12-20
_CRASH_ENDS_NS = 1_514_073_600_000_000_000  # 2017-12-24

# More that can happen in a crash: risk levels that fall with the equity, and a breaker on a position's loss.
_MORE_RULES = """
[[breakers]]
name = "too-far"
condition = "position_loss"
limit = "2%"
actions = ["close_position", "block_entries"]
rearm = "cooldown"
cooldown = "3h"
"""
_LEVELS = """
[risk.levels]
hysteresis = "0.2"
[[risk.levels.steps]]
drawdown = "1%"
scale = "0.5"
[[risk.levels.steps]]
drawdown = "4%"
scale = "0.2"
"""


def demonstration(journal: Path) -> None:
    """The demonstration as it is."""
    settings = load_configuration(_DEMO)
    run_backtest(settings, (chunk.view(np.uint8) for chunk in MarketData(settings).chunks()), journal)


def crash_day(journal: Path) -> None:
    """Four days around the crash, with a faster crossing and more that watches."""
    text = _DEMO.read_text()
    text = text.replace('name = "crash-2017"', 'name = "crash-day"')
    text = text.replace("fast = 24", "fast = 6").replace("slow = 96", "slow = 18")
    settings = parse_configuration(text + _MORE_RULES + _LEVELS, _DEMO)
    market = np.concatenate(list(MarketData(settings).chunks())).view(EVENT)
    chosen = (market["ts_ns"] >= _CRASH_BEGINS_NS) & (market["ts_ns"] < _CRASH_ENDS_NS)
    run_backtest(settings, iter([market[chosen].view(np.uint8)]), journal)


def every_order_type(journal: Path) -> None:
    """Orders of every type, time in force and flag at random prices, alone and in groups."""
    settings = configuration("python", {"scripted": {}})
    market = _requested(ticks(3_000), np.random.Generator(np.random.PCG64(20171222)))
    with create_journal(journal, backtest_manifest(settings)) as writer:
        play(settings, [market], writer)


def _requested(market: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The quotes, and every tenth time an order of a strategy right after one."""
    quotes = market.view(QUOTE)
    rows, group = [], 0
    for place, quote in enumerate(quotes):
        rows.append(quote.tobytes())
        if place % 10 != 9:
            continue
        kind, tif, sell, lots, near, flag = random.integers([1, 1, 0, 1, -60, 0], [8, 5, 2, 40, 61, 6]).tolist()
        group_kind = GroupKind.NONE
        if place % 100 == 99 or (place % 100 == 9 and group):
            group += place % 100 == 99
            group_kind = GroupKind.OCO if group % 2 else GroupKind.OTO
        request = np.zeros(1, ORDER_REQUEST)
        for name, value in {
            "kind": EventKind.ORDER_REQUESTED,
            "ts_ns": quote["ts_ns"],
            "order_type": OrderType(kind),
            "time_in_force": TimeInForce(tif),
            "order_flags": (OrderFlag.SELL * sell)
            | (OrderFlag.POST_ONLY if flag == 1 else OrderFlag.REDUCE_ONLY if flag == 2 else 0),
            "group_kind": group_kind,
            "group": group if group_kind else 0,
            "quantity_lots": lots * 10,
            "limit_ticks": int(quote["bid_ticks"]) + near,
            "trigger_ticks": abs(near) + 1 if kind == OrderType.TRAILING_STOP else int(quote["bid_ticks"]) - near,
            "expire_ts_ns": int(quote["ts_ns"]) + 20_000_000_000,
        }.items():
            request[name] = value
        rows.append(request.tobytes())
    return np.frombuffer(b"".join(rows), np.uint8).copy()


MADE: Mapping[str, Callable[[Path], None]] = {
    "crash-2017": demonstration,
    "crash-day": crash_day,
    "every-order-type": every_order_type,
    "live-with-faults": live_with_faults,
}


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "made").mkdir()
        for name in arguments or MADE:
            MADE[name](Path(folder) / "made" / name)
            pack(name, Path(folder) / "made" / name)
        found = {name: digests(unpack(name, Path(folder) / "packed")) for name in names()}
    EXPECTED.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
