"""The figures: by hand, and against a naive account in plain Python that looks after every event."""

import math
import statistics
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.state import DEFAULT_LIMITS
from replay.names import read_names
from replay.recorder import state_digest
from replay.refold import Folder
from replay.sampling import bucket_ns_for, observe
from replay.statistics import daily_returns, sharpe_ratio, summarize
from replay.trades import funding_of, round_trips
from tests.unit.statistics_tape import CONFIGURATION, DAY_NS, HOUR_NS, START_NS, Tape


def summary_of(tape: Tape) -> dict:
    reader = tape.reader()
    observation = observe(reader)
    return summarize(observation, read_names(reader), round_trips(observation.fills, funding_of(observation.state)))


def by_hand() -> Tape:
    """Buy 10 at 1.00, the price goes to 1.50, to 0.80 and to 1.20, where it is sold; one tick-lot is 0.001."""
    tape = Tape(deposits=(100_000,))
    tape.instrument(0, "A/USD")
    for hours, close, lots in ((1, 100, 10), (2, 150, 0), (3, 80, 0), (4, 120, -10), (8, 130, 0)):
        tape.ts_ns = START_NS + hours * HOUR_NS
        tape.bar(0, close)
        if lots:
            tape.fill(0, lots, close, fee=5)
    return tape


def test_figures_by_hand() -> None:
    summary = summary_of(by_hand())
    assert summary["currency"] == "USD"
    assert summary["deposits"] == "100.00"
    assert summary["fees"] == "0.01"
    assert summary["realized_pnl"] == "0.20"
    assert summary["unrealized_pnl"] == "0.00"
    assert summary["net_pnl"] == "0.19"
    assert summary["final_equity"] == "100.19"
    assert summary["max_drawdown"] == "0.70"
    assert summary["max_drawdown_percent"] == pytest.approx(100 * 0.7 / 100.495, abs=1e-4)
    assert (summary["fills"], summary["trades"], summary["trades_won"]) == (2, 1, 1)
    assert (summary["win_rate"], summary["profit_factor"]) == (100.0, None)
    assert (summary["average_win"], summary["average_loss"]) == ("0.19", None)
    assert summary["sharpe_ratio"] is None
    span_ns = 8 * HOUR_NS - 1
    assert summary["exposure_time"] == pytest.approx(100 * 3 * HOUR_NS / span_ns, abs=1e-4)
    (instrument,) = summary["instruments"]
    assert (instrument["symbol"], instrument["position"], instrument["last_price"]) == ("A/USD", "0", "1.3")
    assert (instrument["max_drawdown"], instrument["net_pnl"]) == ("0.70", "0.19")


def test_names_come_from_the_documents() -> None:
    names = read_names(by_hand().reader(block_events=2))
    assert (names.accounts[0].name, names.accounts[0].money_decimals) == ("account-0", 3)
    assert (names.instrument(0).symbol, names.strategy(0), names.strategy(-1)) == ("A/USD", "by hand", "")
    assert (names.instrument(7).symbol, names.account(5).name) == ("instrument 7", "account 5")
    assert names.configuration == CONFIGURATION


def test_accounts_of_one_currency_are_added_and_of_several_are_not() -> None:
    for currencies, fees in ((("USD", "USD"), "0.012"), (("USD", "EUR"), None)):
        tape = Tape(deposits=(50_000, 70_000), currencies=currencies)
        tape.instrument(0, "A/USD")
        tape.instrument(1, "B", account=1)
        tape.fill(0, 10, 100, fee=5)
        tape.fill(1, -10, 100, fee=7, account=1)
        tape.ts_ns += DAY_NS
        tape.bar(0, 90)
        summary = summary_of(tape)
        assert summary["fees"] == fees
        assert summary["deposits"] == ("120.00" if fees else None)
        assert summary["max_drawdown"] == ("0.112" if fees else None)
        assert [entry["fees"] for entry in summary["accounts"]] == ["0.005", "0.007"]
        assert [entry["currency"] for entry in summary["instruments"]] == list(currencies)
        assert summary["fills"] == 2


def test_sharpe_ratio_is_of_calendar_days_and_needs_three() -> None:
    days = [(10, Decimal(110), Decimal(100)), (11, Decimal(121), Decimal(100)), (14, Decimal("114.95"), Decimal(100))]
    returns = daily_returns(days)
    assert returns == pytest.approx([0.1, 0.1, 0.0, 0.0, -0.05])
    expected = statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(365)
    assert sharpe_ratio(returns) == pytest.approx(expected, abs=1e-4)
    assert sharpe_ratio(returns[:2]) is None
    assert sharpe_ratio([0.0] * 5) is None
    assert sharpe_ratio([0.1] * 3) is None
    assert sharpe_ratio(None) is None


def test_a_deposit_is_no_return() -> None:
    days = [(1, Decimal(100), Decimal(100)), (2, Decimal(220), Decimal(200))]
    assert daily_returns(days) == pytest.approx([0.0, 0.1])
    assert daily_returns([(1, Decimal(0), Decimal(0))]) is None


def test_buckets_divide_a_day_and_are_not_shorter_than_a_bar() -> None:
    assert bucket_ns_for(0) == 1_000_000
    assert bucket_ns_for(62 * DAY_NS, bar_ns=HOUR_NS // 2) == HOUR_NS // 2
    assert bucket_ns_for(62 * DAY_NS, bar_ns=HOUR_NS) == HOUR_NS
    assert bucket_ns_for(100_000 * DAY_NS) == DAY_NS
    for span_ns in (1, HOUR_NS, 10 * DAY_NS, 4_000 * DAY_NS):
        length_ns = bucket_ns_for(span_ns)
        assert DAY_NS % length_ns == 0
        assert span_ns // length_ns <= 5_000


def test_a_bucket_holds_its_end_and_not_its_start() -> None:
    tape = Tape()
    tape.instrument(0, "A")
    for hours, close in ((23, 100), (24, 110), (25, 120)):
        tape.ts_ns = START_NS + hours * HOUR_NS
        tape.bar(0, close, open_ticks=close - 10)
    rows = observe(tape.reader()).instruments
    rows = rows[rows["open_ticks"] > 0]
    assert rows["bucket_ts_ns"].tolist() == [START_NS + hours * HOUR_NS for hours in (22, 23, 24)]
    assert rows["open_ticks"].tolist() == [90, 100, 110]
    assert rows["high_ticks"].tolist() == [101, 111, 121]
    assert rows["close_ticks"].tolist() == [100, 110, 120]


class Naive:
    """An account in plain numbers: cash, and positions at what they could be closed for."""

    def __init__(self, deposit: Decimal) -> None:
        self.cash = self.deposit = self.peak = deposit
        self.held = [0, 0]
        self.marks = [(0, 0), (0, 0)]
        self.quoted = [False, False]
        self.fall = Decimal(0)
        self.days: dict[int, Decimal] = {}

    def quote(self, number: int, bid: int, ask: int) -> None:
        self.quoted[number] = True
        self.marks[number] = (bid, ask)

    def bar(self, number: int, close: int) -> None:
        if not self.quoted[number]:
            self.marks[number] = (close, close)

    def fill(self, number: int, lots: int, price: int, fee: int) -> None:
        self.held[number] += lots
        self.cash -= Decimal(lots * price + fee) / 1000

    def look(self, ts_ns: int) -> Decimal:
        worth = sum(lots * marks[lots < 0] for lots, marks in zip(self.held, self.marks, strict=True))
        equity = self.cash + Decimal(worth) / 1000
        self.peak = max(self.peak, equity)
        self.fall = max(self.fall, self.peak - equity)
        self.days[(ts_ns - 1) // DAY_NS] = equity
        return equity


def moves() -> st.SearchStrategy[list[tuple[str, int, int, int, int]]]:
    kinds = st.sampled_from(["bar", "quote", "fill"])
    return st.lists(
        st.tuples(
            kinds, st.integers(0, 1), st.integers(-30, 30).filter(bool), st.integers(50, 150), st.integers(0, 30)
        ),
        max_size=50,
    )


@settings(max_examples=40)
@given(moves(), st.sampled_from([7 * HOUR_NS, 29 * HOUR_NS, HOUR_NS // 7]))
def test_totals_agree_with_a_naive_account(made: list, step_ns: int) -> None:
    tape, naive = Tape(deposits=(1_000_000,)), Naive(Decimal(1000))
    for number in (0, 1):
        tape.instrument(number, f"I{number}")
        tape.bar(number, 100)
        naive.bar(number, 100)
    equity = naive.look(tape.ts_ns)
    fees = 0
    for kind, number, lots, price, extra in made:
        tape.ts_ns += step_ns
        if kind == "bar":
            tape.bar(number, price)
            naive.bar(number, price)
        elif kind == "quote":
            tape.quote(number, price, price + extra)
            naive.quote(number, price, price + extra)
        else:
            tape.fill(number, lots, price, fee=extra)
            naive.fill(number, lots, price, extra)
            fees += extra
        equity = naive.look(tape.ts_ns)
    summary = summary_of(tape)
    assert Decimal(summary["final_equity"]) == equity
    assert Decimal(summary["fees"]) == Decimal(fees) / 1000
    assert Decimal(summary["max_drawdown"]) == naive.fall
    assert Decimal(summary["net_pnl"]) == equity - 1000
    nets = sum(Decimal(entry["net_pnl"]) for entry in summary["instruments"])
    assert nets == Decimal(summary["net_pnl"])
    ends = [(day, value, Decimal(1000)) for day, value in sorted(naive.days.items())]
    assert summary["sharpe_ratio"] == sharpe_ratio(daily_returns(ends))


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 70), st.integers(0, 70_000), st.integers(-3, 3)), max_size=60)
)
def test_watching_a_tape_changes_nothing_whatever_is_on_it(raw: list) -> None:
    tape = by_hand()
    for kind, instrument, account, back in raw:
        tape.ts_ns += back * HOUR_NS
        row = tape.rows[-1].copy()
        event = row.view("<i8")
        event[0] = tape.ts_ns
        row[16], row[20], row[21], row[22] = kind, instrument % 256, account % 2, account % 256
        event[3:] = [price % 90 + 1 for price in range(kind, kind + 5)]
        tape.rows.append(row)
    reader = tape.reader()
    folder = Folder(DEFAULT_LIMITS)
    for block in reader.blocks():
        folder.fold(block.events, block.last_seq - block.first_seq + 1)
    observation = observe(reader)
    assert observation.state_digest == state_digest(folder.state).hex()
    assert summary_of(tape)["fills"] == observation.state.positions["fills"].sum()
