"""The flash crash of 2010, the halts of March 2020 and the sell-off of January 2018, with the numbers that must come.

Each number is written out, and where it follows from the bars it is reckoned a second time from the raw files in plain
sums. What happens on each day and why is told in docs/golden-days.md.
"""

import math
from functools import cache
from typing import Any

from adapters.strategies.interface import Signal, Signals
from engine.kinds import Action
from tests.golden.days import (
    ETC,
    PPM,
    SPY,
    Bar,
    Day,
    Fill,
    Refused,
    Trip,
    account,
    daily_losses,
    drawdowns,
    epoch_s,
    etc_bars,
    first_reached,
    jumps,
    play_day,
    spy_bars,
)
from tests.support import shared_data

_SPY = """
[run]
name = "day"
[[accounts]]
name = "main"
kind = "margin"
currency = "USD"
balance = "100000"
[[instruments]]
symbol = "SPY"
account = "main"
kind = "spot"
tick_size = "0.01"
lot_size = "1"
maker_fee_bps = 1
taker_fee_bps = 1
margin_initial = "0.5"
[[data]]
path = "{path}"
instrument = "SPY"
profile = "lean"
off_tick = "round"
start = "{start}"
end = "{end}"
"""
# A cent of a share in units of 10^-8 dollars, and the fee.
CENT_UNITS, FEE_PPM, DEPOSIT_UNITS = 10**6, 100, 100_000 * 10**8

_FLASH_CRASH = """
[sizing]
method = "risk_based"
risk = "1%"
[bracket]
stop = "2%"
targets = [{at = "0.8%", share = "0.5"}]
[[breakers]]
name = "jump"
condition = "price_jump"
limit = "5%"
window = "1h"
actions = ["close_position", "block_entries"]
rearm = "cooldown"
cooldown = "2h"
[[breakers]]
name = "day"
condition = "daily_loss"
limit = "0.75%"
actions = ["block_entries"]
rearm = "next_day"
"""


def buy(bar: Any) -> Signals:
    return Signal(bar.instrument, Action.BUY)


@cache
def flash_crash() -> Day:
    """Buys after the first hour of each day, and in the two hours after the crash."""
    text = _SPY.format(path=shared_data(SPY), start="2010-05-05", end="2010-05-08") + _FLASH_CRASH
    dips = ("2010-05-06T19:00:00Z", "2010-05-06T20:00:00Z", "2010-05-07T16:00:00Z")
    return play_day(text, lambda time, bar: buy(bar) if time[11:13] == "14" or time in dips else None)


def test_the_flash_crash_stops_the_position_and_trips_the_jump() -> None:
    day = flash_crash()
    assert day.fills == [
        Fill(38, "2010-05-05T14:00:00Z", "entry", "buy", 429, 11_681),
        Fill(42, "2010-05-05T16:00:00Z", "target", "sell", 214, 11_774),
        Fill(57, "2010-05-06T19:00:00Z", "stop", "sell", 215, 11_448),
        Fill(65, "2010-05-07T14:00:00Z", "entry", "buy", 443, 11_251),
        Fill(69, "2010-05-07T15:00:00Z", "stop", "sell", 443, 11_026),
    ]
    assert day.trips == [
        Trip(58, "2010-05-06T19:00:00Z", "jump", 50_000, 53_425),
        Trip(69, "2010-05-07T15:00:00Z", "day", 7_500, 10_097),
    ]
    assert day.refused == [
        Refused(51, "2010-05-06T14:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(59, "2010-05-06T19:00:00Z", "BREAKER_TRIPPED", 0, 53_425),
        Refused(61, "2010-05-06T20:00:00Z", "BREAKER_TRIPPED", 0, 53_425),
        Refused(74, "2010-05-07T16:00:00Z", "BREAKER_TRIPPED", 1, 10_097),
    ]
    assert day.closings == ["STOP_REACHED", "STOP_REACHED"]
    assert day.trades == 2
    assert day.equity_units == 9_868_145_918_400


def test_the_flash_crash_reckoned_from_the_bars() -> None:
    day = flash_crash()
    bars = {bar.closes: bar for bar in spy_bars("20100505", "20100507")}
    # Entries at the close, sized so that 2 % of the price on each share lose 1 % of the equity.
    for entry, sized in ((day.fills[0], day.sized[0]), (day.fills[3], day.sized[3])):
        close = bars[entry.time].close
        distance = close * 20_000 // PPM
        assert (entry.ticks, entry.lots) == (close, sized.equity_units // 100 // (distance * CENT_UNITS))
    # Half of it at the target; the stops at their triggers, as the bars open above and go below.
    first, second = day.fills[0].ticks, day.fills[3].ticks
    assert (day.fills[1].ticks, day.fills[1].lots) == (first + first * 8_000 // PPM, 429 // 2)
    for stop, entry_ticks in ((day.fills[2], first), (day.fills[4], second)):
        bar, trigger = bars[stop.time], entry_ticks - entry_ticks * 20_000 // PPM
        assert bar.low <= trigger < bar.open
        assert stop.ticks == trigger
    # The first jump of 5 % within the hour, and the day's first loss of 0.75 %.
    time, figure = next((time, figure) for time, figure in jumps(list(bars.values()), 3_600) if figure >= 50_000)
    assert day.trips[0] == Trip(day.market_seq(time), time, "jump", 50_000, figure)
    moments = account(day, list(bars.values()), DEPOSIT_UNITS, CENT_UNITS, FEE_PPM)
    assert first_reached(daily_losses(moments), 7_500) == (day.trips[1].seq, day.trips[1].observed)
    assert moments[-1].equity_units == day.equity_units


_HALTS = """
[sizing]
method = "fixed_fraction"
fraction = "60%"
[bracket]
stop = "3%"
targets = [{at = "4%", share = "1"}]
[risk]
position_weight_max = "50%"
drawdown_max = "6%"
[risk.levels]
hysteresis = "50%"
steps = [{drawdown = "2%", scale = "0.5"}, {drawdown = "4%", scale = "0.25"}]
[[breakers]]
name = "halt"
condition = "price_jump"
limit = "10%"
window = "1d"
actions = ["close_position", "block_entries"]
rearm = "next_day"
[[breakers]]
name = "look"
condition = "account_drawdown"
limit = "4%"
actions = ["alert"]
"""


@cache
def halts() -> Day:
    """Buys at the close of every day; the clocks of New York change on 8 March."""
    text = _SPY.format(path=shared_data(SPY), start="2020-03-02", end="2020-03-21") + _HALTS
    return play_day(
        text, lambda time, bar: buy(bar) if time[11:13] == ("21" if time < "2020-03-08" else "20") else None
    )


def test_the_halts_of_march_2020_step_sizes_down_until_nothing_is_bought() -> None:
    day = halts()
    assert day.fills == [
        Fill(52, "2020-03-02T21:00:00Z", "entry", "buy", 161, 30_909),
        Fill(61, "2020-03-03T20:00:00Z", "stop", "sell", 161, 29_982),
        Fill(68, "2020-03-03T21:00:00Z", "entry", "buy", 164, 30_024),
        Fill(77, "2020-03-04T21:00:00Z", "target", "sell", 164, 31_224),
        Fill(83, "2020-03-04T21:00:00Z", "entry", "buy", 160, 31_286),
        Fill(90, "2020-03-05T18:00:00Z", "stop", "sell", 160, 30_348),
        Fill(99, "2020-03-05T21:00:00Z", "entry", "buy", 163, 30_246),
        Fill(103, "2020-03-06T15:00:00Z", "stop", "sell", 163, 29_308),
        Fill(115, "2020-03-06T21:00:00Z", "entry", "buy", 81, 29_746),
        Fill(119, "2020-03-09T14:00:00Z", "stop", "sell", 81, 27_560),
        Fill(131, "2020-03-09T20:00:00Z", "entry", "buy", 43, 27_423),
        Fill(140, "2020-03-10T20:00:00Z", "target", "sell", 43, 28_519),
        Fill(146, "2020-03-10T20:00:00Z", "entry", "buy", 41, 28_842),
        Fill(150, "2020-03-11T14:00:00Z", "stop", "sell", 41, 27_977),
        Fill(162, "2020-03-11T20:00:00Z", "entry", "buy", 43, 27_436),
        Fill(166, "2020-03-12T14:00:00Z", "stop", "sell", 43, 25_605),
        Fill(186, "2020-03-13T20:00:00Z", "entry", "buy", 44, 26_932),
        Fill(190, "2020-03-16T14:00:00Z", "stop", "sell", 44, 24_078),
    ]
    assert day.trips == [
        Trip(119, "2020-03-09T14:00:00Z", "look", 40_000, 48_027),
        Trip(171, "2020-03-12T16:00:00Z", "halt", 100_000, 103_259),
    ]
    # (event, time, level, limit, observed): two steps down, and never back.
    assert day.levels == [
        (103, "2020-03-06T15:00:00Z", 1, 200_911_363_754, 304_930_874_200),
        (119, "2020-03-09T14:00:00Z", 2, 401_822_727_508, 482_461_052_800),
    ]
    assert day.refused == [
        Refused(176, "2020-03-12T20:00:00Z", "BREAKER_TRIPPED", 0, 103_259),
        *(
            Refused(seq, f"2020-03-{number}T20:00:00Z", "DRAWDOWN_MAX", 602_734_091_262, 676_033_081_600)
            for seq, number in ((200, 16), (208, 17), (216, 18), (224, 19), (232, 20))
        ),
    ]
    assert day.closings.count("STOP_REACHED") == 7
    assert day.closings.count("TARGET_REACHED") == 2
    assert day.trades == 9
    assert day.equity_units == 9_369_535_106_100


def test_the_halts_reckoned_from_the_bars() -> None:
    day = halts()
    bars = spy_bars("20200302", "20200320")
    by_time = {bar.closes: bar for bar in bars}
    moments = account(day, bars, DEPOSIT_UNITS, CENT_UNITS, FEE_PPM)
    assert moments[-1].equity_units == day.equity_units
    # The drawdown: when the levels moved, when somebody had to look, and what refuses at the end.
    for limit, level in ((20_000, day.levels[0]), (40_000, day.levels[1])):
        seq, figure = first_reached(drawdowns(moments), limit)
        after = next(moment for moment in moments if moment.seq == seq)
        assert level[0] == seq
        assert level[3:] == (-(-after.peak_units * limit // PPM), after.peak_units - after.equity_units)
    assert day.trips[0][0] == seq and day.trips[0].observed == figure
    assert first_reached(drawdowns(moments), 60_000)[0] < day.refused[1].seq
    last = moments[-1]
    assert day.refused[1][3:] == (-(-last.peak_units * 60_000 // PPM), last.peak_units - last.equity_units)
    # The jump: the first bar that is 10 % away from an extreme of its day or the day before.
    time, figure = next((time, figure) for time, figure in jumps(bars, 86_400) if figure >= 100_000)
    assert day.trips[1] == Trip(day.market_seq(time), time, "halt", 100_000, figure)
    # Sizes: 60 % of the equity, times the level's scale, cut to 50 % of it times that scale again.
    scales = [PPM if s.seq < 103 else PPM // 2 if s.seq < 119 else PPM // 4 for s in day.sized]
    for sized, scale in zip(day.sized, scales, strict=True):
        close = by_time[day.time(sized.seq)].close
        wanted = sized.equity_units * 600_000 // PPM // (close * CENT_UNITS)
        most = sized.equity_units * (500_000 * scale // PPM) // PPM // (close * CENT_UNITS)
        assert sized[1:4] == (wanted, min(wanted * scale // PPM, most), "POSITION_WEIGHT")
    # A stop at its trigger, or at the open where the market opened beyond: after four nights.
    entry_ticks, gaps = 0, []
    for fill in day.fills:
        if fill.role == "entry":
            entry_ticks = fill.ticks
        elif fill.role == "stop":
            trigger, bar = entry_ticks - entry_ticks * 30_000 // PPM, by_time[fill.time]
            assert bar.low <= trigger
            assert fill.ticks == min(trigger, bar.open)
            gaps += [fill.time[:10]] if bar.open < trigger else []
        else:
            assert fill.ticks == entry_ticks + entry_ticks * 40_000 // PPM <= by_time[fill.time].high
    assert gaps == ["2020-03-06", "2020-03-09", "2020-03-12", "2020-03-16"]


_SELL_OFF = """
[run]
name = "day"
[[accounts]]
name = "main"
kind = "cash"
currency = "BTC"
balance = "10"
[[instruments]]
symbol = "ETC/BTC"
account = "main"
kind = "spot"
tick_size = "0.00000001"
lot_size = "0.01"
maker_fee_bps = 10
taker_fee_bps = 10
[sizing]
method = "volatility_based"
volatility_target = "0.6%"
[bracket]
stop = "5%"
targets = [{{at = "2%", share = "0.5"}}]
break_even = "1%"
break_even_offset = 600
[risk]
position_weight_max = "80%"
loss_cooldown = "90m"
[[breakers]]
name = "jump"
condition = "price_jump"
limit = "8%"
window = "30m"
actions = ["close_position", "block_entries"]
rearm = "cooldown"
cooldown = "1h"
[[breakers]]
name = "bleeding"
condition = "position_loss"
limit = "3%"
actions = ["close_position"]
rearm = "cooldown"
cooldown = "30m"
[[data]]
path = "{path}"
instrument = "ETC/BTC"
profile = "freqtrade"
off_tick = "round"
start = "{start}"
end = "{end}"
"""
_STARTS, _ENDS = "2018-01-15T20:00:00Z", "2018-01-17T00:30:00Z"
# A tick of a lot is 10^-10 BTC, one unit.
BITCOINS, ETC_FEE_PPM = 10 * 10**10, 1_000


@cache
def sell_off() -> Day:
    """Buys at every full hour of 16 January."""
    text = _SELL_OFF.format(path=shared_data(ETC), start=_STARTS, end=_ENDS)
    return play_day(text, lambda time, bar: buy(bar) if time[14:16] == "00" and time >= "2018-01-16" else None)


def test_the_sell_off_of_january_2018() -> None:
    day = sell_off()
    assert day.fills == [
        Fill(90, "2018-01-16T00:00:00Z", "entry", "buy", 271_456, 294_707),
        Fill(98, "2018-01-16T00:20:00Z", "stop", "sell", 271_456, 295_307),
        Fill(112, "2018-01-16T01:00:00Z", "entry", "buy", 220_782, 285_111),
        Fill(117, "2018-01-16T01:15:00Z", "target", "sell", 110_391, 290_813),
        Fill(126, "2018-01-16T01:35:00Z", "stop", "sell", 110_391, 285_711),
        Fill(135, "2018-01-16T02:00:00Z", "entry", "buy", 253_227, 287_000),
        Fill(152, "2018-01-16T03:10:00Z", "target", "sell", 126_613, 292_740),
        Fill(158, "2018-01-16T03:15:00Z", "stop", "sell", 126_614, 287_600),
        Fill(171, "2018-01-16T04:00:00Z", "entry", "buy", 280_218, 288_998),
        Fill(230, "2018-01-16T08:05:00Z", "exit", "sell", 280_218, 280_116),
        Fill(257, "2018-01-16T10:00:00Z", "entry", "buy", 233_366, 265_900),
        Fill(264, "2018-01-16T10:15:00Z", "stop", "sell", 233_366, 266_500),
        Fill(279, "2018-01-16T11:00:00Z", "entry", "buy", 207_994, 275_893),
        Fill(285, "2018-01-16T11:15:00Z", "target", "sell", 103_997, 281_410),
        Fill(294, "2018-01-16T11:40:00Z", "stop", "sell", 103_997, 276_493),
        Fill(302, "2018-01-16T12:00:00Z", "entry", "buy", 255_846, 280_019),
        Fill(309, "2018-01-16T12:20:00Z", "target", "sell", 127_923, 285_619),
        Fill(319, "2018-01-16T12:50:00Z", "stop", "sell", 127_923, 280_619),
        Fill(325, "2018-01-16T13:00:00Z", "entry", "buy", 286_974, 278_117),
        Fill(331, "2018-01-16T13:15:00Z", "target", "sell", 143_487, 283_679),
        Fill(340, "2018-01-16T13:40:00Z", "stop", "sell", 143_487, 278_717),
        Fill(348, "2018-01-16T14:00:00Z", "entry", "buy", 295_556, 272_000),
        Fill(356, "2018-01-16T14:25:00Z", "target", "sell", 147_778, 277_440),
        Fill(372, "2018-01-16T15:20:00Z", "stop", "sell", 147_778, 272_600),
        Fill(384, "2018-01-16T16:00:00Z", "entry", "buy", 294_808, 274_674),
        Fill(397, "2018-01-16T16:50:00Z", "target", "sell", 147_404, 280_167),
        Fill(403, "2018-01-16T17:00:00Z", "stop", "sell", 147_404, 275_274),
        Fill(407, "2018-01-16T17:00:00Z", "entry", "buy", 296_597, 275_000),
        Fill(414, "2018-01-16T17:15:00Z", "stop", "sell", 296_597, 275_600),
        Fill(429, "2018-01-16T18:00:00Z", "entry", "buy", 298_813, 273_000),
        Fill(471, "2018-01-16T20:50:00Z", "exit", "sell", 298_813, 264_701),
        Fill(515, "2018-01-17T00:00:00Z", "entry", "buy", 196_327, 249_006),
        Fill(518, "2018-01-17T00:05:00Z", "target", "sell", 98_163, 253_986),
        Fill(529, "2018-01-17T00:25:00Z", "exit", "sell", 98_164, 262_800),
    ]
    assert day.trips == [
        Trip(226, "2018-01-16T08:05:00Z", "bleeding", 30_000, 30_733),
        Trip(467, "2018-01-16T20:50:00Z", "bleeding", 30_000, 30_399),
        Trip(482, "2018-01-16T21:40:00Z", "jump", 80_000, 100_833),
        Trip(497, "2018-01-16T22:50:00Z", "jump", 80_000, 83_170),
        Trip(526, "2018-01-17T00:25:00Z", "jump", 80_000, 86_260),
    ]
    assert day.refused == [
        Refused(150, "2018-01-16T03:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(186, "2018-01-16T05:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(199, "2018-01-16T06:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(212, "2018-01-16T07:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(225, "2018-01-16T08:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(242, "2018-01-16T09:00:00Z", "LOSS_COOLDOWN", 5_400_000_000_000, 3_300_000_000_000),
        Refused(367, "2018-01-16T15:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(444, "2018-01-16T19:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(457, "2018-01-16T20:00:00Z", "ENTRIES_MAX", 1, 1),
        Refused(474, "2018-01-16T21:00:00Z", "BREAKER_TRIPPED", 1, 30_399),
        Refused(487, "2018-01-16T22:00:00Z", "BREAKER_TRIPPED", 0, 100_833),
        Refused(500, "2018-01-16T23:00:00Z", "BREAKER_TRIPPED", 0, 83_170),
    ]
    assert day.closings.count("STOP_REACHED") == 10
    assert day.closings.count("BREAKER_CLOSED") == 3
    assert day.trades == 13
    assert day.equity_units == 101_072_855_928


def test_the_sell_off_reckoned_from_the_bars() -> None:
    """The whole day once more in plain sums: sizes, stops, targets, breakers and refusals."""
    day, plain = sell_off(), _PlainDay()
    bars = etc_bars(_STARTS, _ENDS)
    for (_, figure), bar in zip(jumps(bars, 1_800), bars, strict=True):
        plain.see(bar, figure)
    assert [fill[1:] for fill in day.fills] == plain.fills
    assert [trip[1:3] + trip[4:] for trip in day.trips] == plain.trips
    assert [(refused.time, refused.reason) for refused in day.refused] == plain.refused
    assert plain.cash == day.equity_units
    moments = account(day, bars, BITCOINS, 1, ETC_FEE_PPM)
    assert moments[-1].equity_units == day.equity_units


class _PlainDay:
    """A long position at a time, by the rules of _SELL_OFF; times are seconds, amounts units of 10^-10 BTC."""

    def __init__(self) -> None:
        self.cash = BITCOINS
        self.fills: list[tuple[str, str, str, int, int]] = []
        self.trips: list[tuple[str, str, int]] = []
        self.refused: list[tuple[str, str]] = []
        self.held = self.entry = self.stop = self.target = self.before = 0
        self.rests_until = {"jump": 0, "bleeding": 0}
        self.lost_at = self.last_close = self.variance = self.returns = 0

    def see(self, bar: Bar, jump: int) -> None:
        now = epoch_s(bar.closes)
        self._legs(bar)
        self._estimate(bar.close)
        if self.held and (bar.close - self.entry) * PPM // self.entry >= 10_000:
            self.stop = max(self.stop, self.entry + 600)
        if jump >= 80_000 and now >= self.rests_until["jump"]:
            self._trip("jump", bar, jump, 3_600)
        if self.held and now >= self.rests_until["bleeding"]:
            loss = (self.entry - bar.close) * PPM // self.entry
            if loss >= 30_000:
                self._trip("bleeding", bar, loss, 1_800)
        if bar.closes[14:16] == "00" and bar.closes >= "2018-01-16":
            self._signal(bar, now)

    def _legs(self, bar: Bar) -> None:
        """Where a bar reaches both, the stop comes first."""
        if self.held and bar.low <= self.stop:
            self._sell("stop", bar.closes, self.held, min(self.stop, bar.open))
        elif self.held and self.target and bar.high >= self.target:
            self._sell("target", bar.closes, self.held // 2, self.target)
            self.target = 0

    def _estimate(self, close: int) -> None:
        if self.last_close:
            change = _towards_zero((close - self.last_close) * 10**9, self.last_close)
            square = change * change
            self.variance += _towards_zero((square - self.variance) * 60_000, PPM) if self.returns else square
            self.returns += 1
        self.last_close = close

    def _trip(self, breaker: str, bar: Bar, figure: int, cooldown_s: int) -> None:
        self.trips.append((bar.closes, breaker, figure))
        self.rests_until[breaker] = epoch_s(bar.closes) + cooldown_s
        if self.held:
            self._sell("exit", bar.closes, self.held, bar.close)

    def _signal(self, bar: Bar, now: int) -> None:
        if self.held:
            self.refused.append((bar.closes, "ENTRIES_MAX"))
        elif any(now < until for until in self.rests_until.values()):
            self.refused.append((bar.closes, "BREAKER_TRIPPED"))
        elif now - self.lost_at < 5_400:
            self.refused.append((bar.closes, "LOSS_COOLDOWN"))
        else:
            volatility = math.isqrt(self.variance) // 1_000
            lots = min(self.cash * 6_000 // volatility // bar.close, self.cash * 800_000 // PPM // bar.close)
            self.before, self.held, self.entry = self.cash, lots, bar.close
            self.stop, self.target = bar.close - bar.close * 50_000 // PPM, bar.close + bar.close * 20_000 // PPM
            self._book("entry", "buy", bar.closes, lots, bar.close)

    def _sell(self, role: str, time: str, lots: int, ticks: int) -> None:
        self.held -= lots
        self._book(role, "sell", time, lots, ticks)
        if self.held == 0 and self.cash < self.before:
            self.lost_at = epoch_s(time)

    def _book(self, role: str, side: str, time: str, lots: int, ticks: int) -> None:
        worth = lots * ticks
        self.cash += (worth if side == "sell" else -worth) - -(-worth * ETC_FEE_PPM // PPM)
        self.fills.append((time, role, side, lots, ticks))


def _towards_zero(part: int, whole: int) -> int:
    return -(-part // whole) if part < 0 else part // whole
