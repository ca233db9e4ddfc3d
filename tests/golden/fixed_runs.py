"""Runs whose digests are written down: from fixed seeds and the demonstration's data, the same everywhere."""

from collections.abc import Callable, Mapping

import numpy as np
from blake3 import blake3

from adapters.configuration import Configuration
from adapters.simulated import AccountTerms, ExchangeTerms, InstrumentTerms, SlippageModel
from engine.kinds import AccountKind, OrderType, TimeInForce
from engine.records import EVENT
from replay.bench import bench_configuration
from replay.workloads import START_NS, WORKLOADS, bars, ticks
from tests.golden.runs import LATENCY, configuration, demo, demo_market, play, three_markets, trades
from tests.simulated_venue import Venue

Digests = dict[str, str]

LADDER = {"ladder": {"every": 7, "distance_ticks": 6}}
EMA_OF_QUOTES = {"ema": {"fast": 10, "slow": 20, "price": "quote"}}
EMA_OF_TRADES = {"ema": {"fast": 10, "slow": 20, "price": "trade"}}
# Small enough for plain Python, with everything that the loop knows: limits, latency, timers, three instruments.
SMALL = "small: three instruments, two strategies, latency, timers"
EVERY_ORDER_TYPE = "exchange: every order type"


def _digests(configuration: Configuration, market: np.ndarray, start_ns: int = START_NS) -> Digests:
    outcome = play(configuration, [market], start_ns=start_ns)
    return {"state": outcome.state_digest, "commands": outcome.command_digest}


def _workload(name: str, count: int) -> Digests:
    work = WORKLOADS[name]
    return _digests(bench_configuration(work, "compiled"), np.concatenate(list(work.chunks(count))))


def _demo(name: str) -> Digests:
    market = demo_market(name, 50_000)
    return _digests(demo(name, "compiled"), market, int(market.view(EVENT)["ts_ns"][0]))


def _ladder_on_bars() -> Digests:
    strategies = {"ladder": {"every": 5, "distance_ticks": 400}}
    return _digests(configuration("compiled", strategies, more=LATENCY, timer_interval="40s"), bars(5_000))


def _trades() -> Digests:
    slippage = LATENCY + 'slippage = "volume_share"\nslippage_impact = "0.1"\n'
    return _digests(configuration("compiled", EMA_OF_TRADES | LADDER, more=slippage), trades(10_000))


def _small() -> Digests:
    settings = configuration(
        "compiled", EMA_OF_TRADES | LADDER, ("BTC", "ETH", "XRP"), LATENCY, timer_interval="1s", block_events=500
    )
    return _digests(settings, three_markets(300))


def _every_order_type() -> Digests:
    """Orders of every type, time in force and flag at random prices, straight at the exchange, on quotes."""
    random = np.random.Generator(np.random.PCG64(20240103))
    venue = Venue(
        terms=ExchangeTerms(slippage_model=SlippageModel.TICKS, slippage_ticks=1),
        accounts=[AccountTerms(AccountKind.MARGIN, 10**12)],
        instruments=[InstrumentTerms(account=0, tick_lot_units=1, maker_fee_ppm=100, taker_fee_ppm=200)],
    )
    said = blake3()
    seen: set[tuple[str, int]] = set()
    bid = 1_000
    for number in range(1, 4_001):
        bid = max(500, bid + int(random.integers(-4, 5)))
        said.update(repr(venue.quote(bid, bid + 1, *random.integers(1, 40, 2).tolist())).encode())
        kind, tif, sell, quantity, near, flag = random.integers([1, 1, 0, 1, -30, 0], [8, 5, 2, 20, 31, 8]).tolist()
        reports = venue.order(
            number,
            OrderType(kind),
            quantity,
            sell=bool(sell),
            limit=bid + near,
            trigger=bid - near,
            trail=abs(near) + 1,
            tif=TimeInForce(tif),
            expire=venue.now_ns + 50,
            post_only=flag == 1,
            reduce_only=flag == 2,
        )
        seen |= {(OrderType(kind).name, report.kind.value) for report in reports}
        said.update(repr(reports).encode())
        if number % 5 == 0:
            said.update(repr(venue.cancel(number - int(random.integers(0, 40)))).encode())
    assert {name for name, _ in seen} == {kind.name for kind in OrderType}
    return {"reports": said.hexdigest()}


RUNS: Mapping[str, Callable[[], Digests]] = {
    SMALL: _small,
    EVERY_ORDER_TYPE: _every_order_type,
    "W1, 100,000 ticks": lambda: _workload("ticks", 100_000),
    "W2, 50,000 bars": lambda: _workload("bars", 50_000),
    "ladder on ticks": lambda: _digests(
        configuration("compiled", EMA_OF_QUOTES | LADDER, more=LATENCY, timer_interval="1s"), ticks(20_000)
    ),
    "ladder on bars": _ladder_on_bars,
    "trades with slippage": _trades,
    "demonstration crash-2017": lambda: _demo("crash-2017"),
    "demonstration ticks-es": lambda: _demo("ticks-es"),
}
