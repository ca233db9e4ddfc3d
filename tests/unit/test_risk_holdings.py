"""What the fold holds of risk, read from a state that is written by hand."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine.state import DEFAULT_LIMITS, state_layout
from replay.names import AccountName, InstrumentName, Names
from replay.risk import holdings
from replay.risk.figure import Unknown
from tests.unit.statistics_tape import DAY_NS, HOUR_NS

NAMES = Names(
    accounts={0: AccountName("main", "USD", 3), 1: AccountName("other", "USD", 2)},
    instruments={n: InstrumentName(f"I{n}", Decimal("0.01"), Decimal("0.1")) for n in range(3)},
    strategies={0: "trend", 1: "idle"},
)


def put(row: Any, **fields: int) -> None:
    for name, value in fields.items():
        row[name] = value


def state_by_hand() -> Any:
    """Long 300 lots at 100 ticks, short 100 at 101, both of 0.002 a tick-lot, and flat in a third, elsewhere."""
    state = np.zeros(1, dtype=state_layout(DEFAULT_LIMITS))[0]
    state["ts_ns"] = 10 * DAY_NS
    money = {"realized_units": 500, "unrealized_units": -200, "fees_units": 30, "funding_units": -7}
    falls = {"peak_equity_units": 100_000, "peak_ts_ns": 4 * DAY_NS, "max_drawdown_units": 25_000}
    falls |= {"max_drawdown_ppm": 250_000, "max_drawdown_ns": 2 * DAY_NS}
    trades = {"trades": 4, "trades_won": 1, "profit_units": 900, "loss_units": 600, "streak": -2}
    put(state["accounts"][0], defined=1, equity_units=80_000, **money, **falls, **trades)
    put(state["accounts"][1], defined=1, equity_units=-5)
    marks = {"long_mark_ticks": 100, "short_mark_ticks": 101}
    estimates = {"variance_ppb2": 9 * 10**12, "atr_microticks": 2_500_000, "samples": 12}
    for number, account in enumerate((0, 0, 1)):
        put(state["instruments"][number], defined=1, account=account, tick_lot_units=2, **marks)
    put(state["instruments"][0], **estimates)
    put(state["positions"][0, 0], quantity_lots=300, **money, **trades)
    put(state["positions"][0, 1], quantity_lots=-100)
    for number in (0, 1):
        put(state["strategies"][number], defined=1)
    put(state["strategies"][0], streak=3)
    put(state["pairs"][0, 0], quantity_lots=300, cost_units=59_000, realized_units=70, fees_units=9, trades=2)
    put(state["pairs"][0, 0], trades_won=2, profit_units=61)
    put(state["pairs"][0, 1], quantity_lots=-100, cost_units=-20_300, realized_units=-40, fees_units=1, trades=1)
    put(state["pairs"][0, 1], loss_units=41)
    return state


def test_accounts_by_hand() -> None:
    main, other = holdings.accounts_of(state_by_hand(), NAMES)
    assert (main["account"], main["currency"], main["equity"]) == ("main", "USD", "80.00")
    assert [main[key] for key in ("long", "short", "gross", "net")] == ["60.00", "20.20", "80.20", "39.80"]
    assert main["leverage"] == pytest.approx(80.2 / 80)
    assert (main["largest_position"], main["largest_share"]) == ("I0", pytest.approx(60 / 80.2))
    assert main["herfindahl_index"] == pytest.approx((60**2 + 20.2**2) / 80.2**2)
    assert (main["drawdown"], main["drawdown_share"], main["drawdown_ns"]) == ("20.00", 0.2, 6 * DAY_NS)
    assert (main["max_drawdown"], main["max_drawdown_share"]) == ("25.00", 0.25)
    # The fall that goes on is longer than the longest that has ended.
    assert main["longest_drawdown_ns"] == 6 * DAY_NS
    assert [main[key] for key in ("realized_pnl", "unrealized_pnl", "fees", "funding")] == [
        *("0.50", "-0.20", "0.03", "-0.007")
    ]
    assert (main["trades"], main["trades_won"], main["win_rate"], main["profit_factor"]) == (4, 1, 0.25, 1.5)
    assert main["streak"] == -2
    assert other["equity"] == "-0.05"
    assert other["leverage"] == Unknown("equity is not positive")
    assert other["herfindahl_index"] == Unknown("no position is held")
    assert (other["win_rate"], other["profit_factor"]) == (Unknown("no trade was closed"),) * 2


def test_a_peak_that_is_now_ends_the_drawdown() -> None:
    state = state_by_hand()
    put(state["accounts"][0], peak_equity_units=80_000, peak_ts_ns=9 * DAY_NS + HOUR_NS)
    main = holdings.accounts_of(state, NAMES)[0]
    assert (main["drawdown"], main["drawdown_share"], main["drawdown_ns"]) == ("0.00", 0, 0)
    assert main["longest_drawdown_ns"] == 2 * DAY_NS


def test_instruments_by_hand() -> None:
    first, second, third = holdings.instruments_of(state_by_hand(), NAMES)
    assert (first["symbol"], first["account"], first["quantity"], first["worth"]) == ("I0", "main", "30", "60.00")
    assert (first["profit_factor"], first["streak"], first["samples"]) == (1.5, -2, 12)
    # sqrt(9e12) ppb; two and a half ticks of 0.01.
    assert (first["ewma_volatility"], first["average_true_range"]) == (pytest.approx(0.003), "0.025")
    assert (second["quantity"], second["worth"]) == ("-10", "-20.20")
    unknown = Unknown("too few samples: 0, at least 2 needed")
    assert (second["ewma_volatility"], second["average_true_range"]) == (unknown, unknown)
    assert (third["account"], third["worth"]) == ("other", "0.00")


def test_a_price_that_stands_still_has_a_volatility_of_nothing() -> None:
    state = state_by_hand()
    put(state["instruments"][2], samples=2)
    third = holdings.instruments_of(state, NAMES)[2]
    assert (third["ewma_volatility"], third["average_true_range"]) == (0.0, "0")


def test_strategies_by_hand() -> None:
    trend, idle = holdings.strategies_of(state_by_hand(), NAMES, [0, 1])
    assert trend["strategy"] == "trend"
    # Worth 60.00 - 20.20, at a cost of 59.00 - 20.30.
    assert [trend[key] for key in ("worth", "unrealized_pnl", "realized_pnl", "fees", "net_pnl")] == [
        *("39.80", "1.10", "0.03", "0.01", "1.12")
    ]
    assert (trend["trades"], trend["trades_won"], trend["streak"]) == (3, 2, 3)
    assert trend["profit_factor"] == pytest.approx(61 / 41)
    assert (idle["worth"], idle["net_pnl"], idle["trades"]) == ("0.00", "0.00", 0)
    assert idle["profit_factor"] == Unknown("no trade was closed")
    assert holdings.strategies_of(state_by_hand(), NAMES, []) == []


def test_worths_of_several_accounts_are_added() -> None:
    state = state_by_hand()
    put(state["positions"][1, 0], quantity_lots=-10)
    assert holdings.worths_of(state, NAMES, [0]) == {0: Decimal(60), 1: Decimal("-20.2")}
    # The other account counts in hundredths: 10 lots at 101 ticks of 0.02.
    assert holdings.worths_of(state, NAMES, [0, 1]) == {0: Decimal("39.8"), 1: Decimal("-20.2")}
