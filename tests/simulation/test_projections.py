"""The read model is what the engine came to: on tapes by hand, of backtests, and of a daemon under faults."""

import random
from decimal import Decimal
from pathlib import Path

import pytest
from eventsourcing.persistence import IntegrityError

from adapters.journal import JournalReader, create_journal, read_journal
from engine.kinds import EventKind, FillFlag, OrderFlag, OrderType
from engine.state import DEFAULT_LIMITS
from replay.backtest import backtest_manifest
from replay.names import read_names
from replay.sampling import observe
from replay.tables import tables_of
from replay.trades import funding_of, round_trips
from tests.golden.fixed_runs import EMA_OF_TRADES, LADDER
from tests.golden.runs import LATENCY, configuration, demo, demo_market, play, three_markets
from tests.read_models import Projected, check_against_engine, projected
from tests.simulation.daemon_lives import World, live_on
from tests.unit.statistics_tape import Tape

LOOKS = 6


def check_all_along(file: Path, reader: JournalReader, seed: int = 1) -> Projected:
    """At random events and at the end."""
    rng = random.Random(seed)
    last_seq = reader.last_seq
    with projected(file, reader) as made:
        for seq in sorted({*rng.sample(range(1, last_seq + 1), min(LOOKS, last_seq)), last_seq}):
            check_against_engine(made, reader, seq)
        check_trades(made, reader)
    return made


def check_trades(made: Projected, reader: JournalReader) -> None:
    """The trades are those of the report, but for funding."""
    observation = observe(reader)
    trips = round_trips(observation.fills, funding_of(observation.state))
    report = tables_of(observation, read_names(reader), trips)
    fills = {int(row["seq"]): row for row in made.rows()["tape_fills"]}
    for row in report.fills.iter_rows(named=True):
        found = fills.pop(row["seq"])
        for name in ("price", "quantity", "fee"):
            assert found[name] == Decimal(row[name]), row
        assert (found["symbol"], found["side"], found["liquidity"]) == (
            row["instrument"],
            row["side"],
            row["liquidity"],
        )
    assert not fills
    trades = {(row["symbol"], int(row["opened_seq"])): row for row in made.rows()["tape_trades"]}
    for row in report.trades.iter_rows(named=True):
        found = trades.pop((row["instrument"], row["opened_seq"]))
        for name in ("quantity", "entry_price", "exit_price", "gross_pnl", "fees"):
            assert found[name] == (None if row[name] is None else Decimal(row[name])), (name, row)
        assert found["net_pnl"] == Decimal(row["net_pnl"]) - Decimal(row["funding"])
        assert (found["closed_seq"], found["fills"], found["side"]) == (row["closed_seq"], row["fills"], row["side"])
        assert found["strategy"] == ("" if row["strategy"] is None else row["strategy"])
    assert not trades


def random_fills(seed: int) -> Tape:
    """Opened, enlarged, reduced, closed and turned round; fees in money, rebates, and fees in what was bought."""
    rng = random.Random(seed)
    tape = Tape(deposits=(10**9, 10**9), currencies=("USD", "EUR"))
    tape.instrument(0, "AAA/USD")
    tape.instrument(1, "BBB/EUR", account=1)
    for _ in range(60):
        number = rng.randrange(2)
        lots = rng.choice([-7, -3, -1, 1, 2, 5, 11])
        in_base = rng.random() < 0.2
        fee = rng.randrange(0, 2) if in_base else rng.randrange(-50, 900)
        tape.fill(number, lots, rng.randrange(900, 1_100), fee, account=number, in_base=in_base)
        if rng.random() < 0.3:  # said again
            tape.rows.append(tape.rows[-1].copy())
        tape.ts_ns += rng.randrange(1, 10**9)
    return tape


@pytest.mark.parametrize("seed", range(12))
def test_positions_of_random_fills(tmp_path: Path, seed: int) -> None:
    check_all_along(tmp_path / "view.db", random_fills(seed).reader(), seed)


def test_a_fill_that_cannot_be_true_is_passed_over_as_the_engine_does(tmp_path: Path) -> None:
    tape = Tape()
    tape.instrument(0, "AAA/USD")
    tape.fill(0, 5, 1_000)
    tape.fill(0, 5, -1)
    tape.fill(7, 5, 1_000)
    tape.add(EventKind.ORDER_FILLED, price_ticks=1_000, quantity_lots=-3, fill_flags=FillFlag.SELL)
    made = check_all_along(tmp_path / "view.db", tape.reader())
    assert [row["quantity"] for row in made.rows()["tape_positions"]] == [Decimal("0.5")]


def test_orders_that_were_taken_over(tmp_path: Path) -> None:
    """New ones, one that is known to be open, one that had ended, and one that is filled meanwhile."""
    tape = Tape(deposits=(10**9,))
    tape.instrument(0, "AAA/USD")
    terms = {"order_type": OrderType.LIMIT, "limit_ticks": 900, "quantity_lots": 10}
    held = {"source": OrderFlag.SELL | OrderFlag.REDUCE_ONLY} | terms
    tape.add(EventKind.ORDER_ADOPTED, order=5, ts_exchange_ns=tape.ts_ns - 10, filled_lots=3, **terms)
    tape.add(EventKind.ORDER_ACCEPTED, order=5)
    tape.add(EventKind.ORDER_ADOPTED, order=6, ts_exchange_ns=tape.ts_ns, **held)
    tape.add(EventKind.ORDER_FILLED, order=5, price_ticks=900, quantity_lots=2, trade_id=1)
    tape.add(EventKind.ORDER_ADOPTED, order=5, ts_exchange_ns=tape.ts_ns, **terms)
    tape.add(EventKind.ORDER_CANCELED, order=5)
    tape.add(EventKind.ORDER_ADOPTED, order=5, ts_exchange_ns=tape.ts_ns, filled_lots=1, **terms)
    tape.add(EventKind.ORDER_FILLED, order=5, price_ticks=900, quantity_lots=5, trade_id=2)
    tape.add(EventKind.ORDER_ADOPTED, order=5, ts_exchange_ns=tape.ts_ns, **terms)
    with projected(tmp_path / "view.db", tape.reader()) as made:
        for seq in range(1, tape.reader().last_seq + 1):
            check_against_engine(made, tape.reader(), seq)
    orders = {row["order_number"]: row for row in made.rows()["tape_orders"]}
    assert [orders[number]["status"] for number in (5, 6)] == ["filled", "accepted"]
    assert (orders[5]["filled"], orders[6]["side"]) == (1, "sell")
    assert [row["strategy"] for row in made.rows()["tape_fills"]] == ["by hand", "by hand"]


def test_a_notification_is_taken_once(tmp_path: Path) -> None:
    with projected(tmp_path / "view.db", random_fills(0).reader()) as made:
        made.take_until(30)
        rows = made.rows()
        again = made.recorder.select_notifications(None, 3)
        for one in again:
            with pytest.raises(IntegrityError):
                made.take([one])
        assert made.rows() == rows and len(rows["tape_fills"]) > 10


def test_orders_positions_and_trades_of_a_backtest(tmp_path: Path) -> None:
    settings = configuration(
        "compiled", EMA_OF_TRADES | LADDER, ("BTC", "ETH", "XRP"), LATENCY, timer_interval="1s", block_events=100
    )
    with create_journal(tmp_path / "journal", backtest_manifest(settings, DEFAULT_LIMITS)) as writer:
        play(settings, [three_markets(300)], writer)
    with read_journal(tmp_path / "journal") as reader:
        made = check_all_along(tmp_path / "view.db", reader)
    statuses = {row["status"] for row in made.rows()["tape_orders"]}
    assert statuses >= {"filled", "canceled", "expired"}


def test_orders_with_stops_and_targets_that_are_amended(tmp_path: Path) -> None:
    settings, market = demo("crash-2017", "compiled"), demo_market("crash-2017", 1_500)
    with create_journal(tmp_path / "journal", backtest_manifest(settings, DEFAULT_LIMITS)) as writer:
        from engine.records import EVENT

        play(settings, [market], writer, start_ns=int(market.view(EVENT)["ts_ns"][0]))
    with read_journal(tmp_path / "journal") as reader:
        made = check_all_along(tmp_path / "view.db", reader)
    assert len(made.rows()["tape_trades"]) >= 3


@pytest.mark.parametrize("seed", range(3))
def test_the_tape_of_a_daemon_that_was_killed_under_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Requests and answers get lost, orders are unknown for a while, fills are found out by asking."""
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    live_on(World(tmp_path / "j", seed), [f"after_commit:{10 + seed}", f"after_send:{5 + seed}"], faults=True)
    with read_journal(tmp_path / "j") as reader:
        check_all_along(tmp_path / "view.db", reader, seed)
