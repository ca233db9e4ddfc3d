"""The compiled and the Python form of a strategy make the same tape, byte for byte.

Only the documents that name the form (the configuration and the definition of each strategy) and their hashes
differ; events, decisions and the state digest of every block are equal.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from adapters.configuration import Configuration
from adapters.journal import ConfigurationDocument, StrategyDocument
from engine.jit import INTERPRETED
from engine.kinds import DecisionKind, EventKind, OrderType
from engine.records import EVENT
from replay.workloads import START_NS, bars, ticks
from tests.golden.runs import (
    LATENCY,
    Tape,
    configuration,
    demo,
    demo_market,
    record,
    three_markets,
    trades,
    without_form,
)

pytestmark = pytest.mark.skipif(INTERPRETED, reason="long in plain Python, which the small golden runs show")


@dataclass(frozen=True)
class Case:
    """A run that is made in both forms; `settings` are arguments of `configuration`."""

    market: Callable[[], np.ndarray]
    settings: dict[str, Any] = field(default_factory=dict)
    make: Callable[[str], Configuration] | None = None

    def configuration(self, form: str) -> Configuration:
        return self.make(form) if self.make else configuration(form, **self.settings)


def _ema(price: str) -> dict[str, dict[str, Any]]:
    return {"ema": {"fast": 10, "slow": 20, "price": price}}


LADDER = {"ladder": {"every": 7, "distance_ticks": 6}}

CASES = {
    "quotes": Case(lambda: ticks(20_000), {"strategies": _ema("quote")}),
    "quotes, latency": Case(lambda: ticks(20_000), {"strategies": _ema("quote"), "more": LATENCY}),
    "quotes, timers": Case(lambda: ticks(5_000), {"strategies": _ema("quote"), "timer_interval": "250ms"}),
    "bars": Case(lambda: bars(10_000), {"strategies": _ema("bar")}),
    "bars, latency": Case(lambda: bars(10_000), {"strategies": _ema("bar"), "more": LATENCY}),
    "trades": Case(lambda: trades(10_000), {"strategies": _ema("trade")}),
    "trades, latency": Case(lambda: trades(10_000), {"strategies": _ema("trade"), "more": LATENCY}),
    "resting limits": Case(lambda: ticks(10_000), {"strategies": LADDER}),
    "resting limits, latency, timers": Case(
        lambda: ticks(10_000), {"strategies": LADDER, "more": LATENCY, "timer_interval": "1s"}
    ),
    "resting limits on bars, timers": Case(
        lambda: bars(3_000), {"strategies": {"ladder": {"every": 7, "distance_ticks": 300}}, "timer_interval": "45s"}
    ),
    "two strategies": Case(lambda: ticks(10_000), {"strategies": _ema("quote") | LADDER}),
    "two strategies, the other first": Case(
        lambda: ticks(10_000), {"strategies": LADDER | _ema("quote"), "more": LATENCY}
    ),
    "three instruments, everything at once": Case(
        lambda: three_markets(4_000),
        {
            "strategies": _ema("trade") | LADDER,
            "symbols": ("BTC", "ETH", "XRP"),
            "more": LATENCY,
            "timer_interval": "1s",
        },
    ),
    "demonstration": Case(lambda: demo_market("crash-2017", 9_000), make=lambda form: demo("crash-2017", form)),
    "demonstration of ticks": Case(lambda: demo_market("ticks-es", 20_000), make=lambda form: demo("ticks-es", form)),
}


def _record(case: Case, form: str) -> Tape:
    market = case.market()
    start_ns = START_NS if case.make is None else int(market.view(EVENT)["ts_ns"][0])
    return record(case.configuration(form), [market], start_ns=start_ns)


@pytest.mark.parametrize("name", CASES)
def test_both_forms_make_the_same_tape(name: str) -> None:
    compiled, python = (_record(CASES[name], form) for form in ("compiled", "python"))
    assert compiled.outcome.fills > 10, "a run that trades nothing shows nothing"
    assert without_form(compiled) == without_form(python)
    assert compiled.decisions.tobytes() == python.decisions.tobytes()
    assert compiled.blocks == python.blocks
    assert compiled.digests == python.digests
    assert _documents(compiled) == _documents(python)


def _documents(tape: Tape) -> dict[int, Any]:
    return {
        seq: document
        for seq, document in tape.documents.items()
        if not isinstance(document, ConfigurationDocument | StrategyDocument)
    }


def test_the_ladder_reaches_what_it_is_for() -> None:
    """Fills of resting limits, cancels, timers, signals on fills: otherwise the cases above would prove less."""
    case = CASES["resting limits, latency, timers"]
    tape = _record(case, "python")
    kinds = tape.kinds
    assert {EventKind.TIMER, EventKind.ORDER_FILLED, EventKind.ORDER_CANCELED} <= set(kinds)
    after_a_fill = [kinds[i + 1] for i, kind in enumerate(kinds[:-1]) if kind == EventKind.ORDER_FILLED]
    assert EventKind.SIGNAL in after_a_fill
    placed = tape.decisions[tape.decisions["kind"] == DecisionKind.PLACE_ORDER]
    assert {OrderType.LIMIT, OrderType.MARKET} <= set(placed["order_type"].tolist())
