"""Each table of a tape says what a look at each record says, row by row; and no more is read than is asked for."""

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import adapters.journal.spans as spans_module
import replay.audit.tables.database as database_module
from adapters.errors import UserError
from adapters.journal import JournalReader, MemoryJournal
from adapters.journal.port import BlockDamaged, Table
from engine import kinds
from engine.kinds import BreakerAction, DecisionKind, EventKind
from engine.reasons import Reason
from engine.records import COMMAND, EVENT, EVENT_BYTES
from engine.state import DEFAULT_LIMITS, Limits
from replay.audit.rule_words import rule_name
from replay.audit.tables.catalogue import BY_NAME, TABLES, RecordTable
from replay.audit.tables.columns import Tape
from replay.audit.tables.database import asked
from replay.audit.tables.plain import plain_rows
from replay.audit.tables.reading import batches_of
from replay.audit.tables.scales import scales_of
from replay.names import AccountName, InstrumentName, Names, read_names
from replay.refold import Folder, limits_of
from tests.conformance.journal_places import digest_of, manifest
from tests.golden.runs import configuration, record, ticks
from tests.twin.machine import TINY_LIMITS
from tests.unit.random_tapes import random_block

BLOCKS = (7, 1, 30, 4, 4, 11, 20, 2, 41, 5, 9, 130)
NAMES = Names(
    accounts={0: AccountName("main", "USD", 3), 1: AccountName("other", "BTC", 8)},
    instruments={
        0: InstrumentName("AAA/USD", Decimal("0.05"), Decimal("0.001")),
        1: InstrumentName("BBB/USD", Decimal("100"), Decimal("10")),
        2: InstrumentName("CCC/BTC", Decimal("0.00000001"), Decimal("1"), account=1),
    },
    strategies={0: "ema", 2: "two"},
    breakers={0: "day"},
)
_ENUMS = {
    "action": kinds.Action, "aggressor": kinds.Aggressor, "order_type": kinds.OrderType,
    "time_in_force": kinds.TimeInForce, "group_kind": kinds.GroupKind, "reason": Reason,
    "failure": kinds.RequestFailure, "operator_action": kinds.OperatorAction, "basis": kinds.FundingBasis,
    "sizing_method": kinds.SizingMethod, "size_limit": kinds.SizeLimit, "condition": kinds.Condition,
    "risk_level": kinds.RiskLevel, "level_before": kinds.RiskLevel, "bracket_change": kinds.BracketChange,
    "transport_status": kinds.TransportStatus, "status": kinds.BreakerStatus,
}  # fmt: skip
_STORED_NAMES = {
    "order_number": "order",
    "group_number": "group",
    "limit_value": "limit",
    "observed_value": "observed",
    "fee_units": "fee",
    "actions_bits": "actions",
}


@pytest.fixture(autouse=True, scope="module")
def _small_spans() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans_module, "SPAN_EVENTS", 20)
        yield


@cache
def random_tape() -> MemoryJournal:
    """Every kind of event and decision, with fields at random in all their bytes."""
    journal, random = MemoryJournal(), np.random.default_rng(11)
    with journal.create(manifest()) as writer:
        for size in BLOCKS:
            events, decisions = random_block(random, writer.next_seq, size)
            events["payload"][:, 2:] = random.integers(-900, 900, (size, 3))
            events["payload"][0, 3] = 1 << 62
            events["detail"] = random.integers(0, 16, size)
            events["account"] = random.integers(0, 3, size)
            words = decisions.view(np.int64).reshape(-1, 8)
            words[:, 3:] = random.integers(-20, 700, (len(words), 5))
            for name in ("order_type", "time_in_force", "order_flags", "account"):
                decisions[name] = random.integers(0, 16, len(decisions))
            # No document belongs to them.
            events["ts_exchange_ns"] = 0
            writer.append(events.view(np.uint8), decisions.view(np.uint8), digest_of(1))
    return journal


def tape() -> Tape:
    return Tape(NAMES, scales_of(NAMES))


def rows_of(
    reader: JournalReader, name: str, of: Tape, first_seq: int, last_seq: int, columns: list[str] | None = None
) -> list[dict[str, Any]]:
    """The rows that a table gives, as Python values; times as integers."""
    table = BY_NAME[name]
    found: list[dict[str, Any]] = []
    for batch in batches_of(
        reader, table, of, columns or [column.name for column in table.columns], first_seq, last_seq
    ):
        fields = [field.with_type(pa.int64()) if pa.types.is_timestamp(field.type) else field for field in batch.schema]
        arrays = [array.cast(field.type) for array, field in zip(batch.columns, fields, strict=True)]
        found += pa.record_batch(arrays, schema=pa.schema(fields)).to_pylist()
    return found


def expected_rows(reader: JournalReader, table: RecordTable, first_seq: int, last_seq: int) -> list[dict[str, Any]]:
    """What a look at each record, field by field, says."""
    found = []
    for block in reader.blocks():
        events = block.events.view(EVENT)
        if table.is_of_decisions:
            for row in block.decisions.view(COMMAND):
                found.append((int(row["seq"]), int(events[int(row["seq"]) - block.first_seq]["ts_ns"]), row.copy()))
        else:
            found += [(block.first_seq + place, int(row["ts_ns"]), row.copy()) for place, row in enumerate(events)]
    rows = []
    for seq, ts_ns, row in found:
        if first_seq <= seq <= last_seq and (not table.kinds or int(row["kind"]) in table.kinds):
            fields = np.frombuffer(row.tobytes(), table.layout)[0]
            rows.append({column.name: expected(table, column.name, fields, seq, ts_ns) for column in table.columns})
    return rows


def expected(table: RecordTable, name: str, row: Any, seq: int, ts_ns: int) -> Any:
    own = {"seq": seq, "ts_ns": ts_ns, "time": ts_ns}
    if name in own:
        return own[name]
    if name == "kind":
        return _word(DecisionKind if table.is_of_decisions else EventKind, int(row["kind"]))
    if name == "symbol":
        number = int(row["instrument"])
        return None if number == 65_535 else NAMES.instrument(number).symbol
    if name == "account_name":
        return NAMES.account(int(row["account"])).name
    if name in ("strategy", "strategy_name"):
        number = int(row["strategy" if table.is_of_decisions else "source"])
        if table.name == "decisions" and row["kind"] > DecisionKind.ORDER_SIZED:
            number = number if row["kind"] == DecisionKind.BRACKET_CHANGED else -1
        if number < 0:
            return None
        return number if name == "strategy" else NAMES.strategy(number)
    if table.name == "decisions" and name == "order_number":
        order = np.frombuffer(row.tobytes(), np.int64)[6 if row["kind"] == DecisionKind.BRACKET_CHANGED else 2]
        return int(order) or None if row["kind"] <= 11 or row["kind"] == DecisionKind.BRACKET_CHANGED else None
    if name == "breaker_name":
        return None if row["breaker"] == -1 else NAMES.breaker(int(row["breaker"]))
    if name == "setting":
        return rule_name(int(row["setting"]))
    if name == "actions":
        return ",".join(bit.name.lower() for bit in BreakerAction if int(row["actions"]) & bit)
    if name in _ENUMS:
        return _word(_ENUMS[name], int(row[name]))
    flags = int(row["fill_flags" if table.name == "fills" else "order_flags"]) if "flags" in str(row.dtype) else 0
    bits = {"post_only": 2, "reduce_only": 4, "held_by_engine": 8, "fee_in_base": 4}
    if name in bits:
        return bool(flags & bits[name])
    if name == "side":
        return "sell" if flags & 1 else "buy"
    if name == "liquidity":
        return "maker" if flags & 2 else "taker"
    return _number(name, row, flags)


def _number(name: str, row: Any, flags: int) -> Any:
    fields = row.dtype.names
    instrument, account = NAMES.instrument(int(row["instrument"])), NAMES.account(int(row["account"]))
    if name == "fee":
        size = instrument.lot_size if flags & 4 else Decimal(1).scaleb(-account.money_decimals)
        return int(row["fee"]) * size
    stored = _STORED_NAMES.get(name, name.removesuffix("_code"))
    if stored in fields:
        return int(row[stored])
    stem = name.rsplit("_", 1)[0] if "_" in name else name
    if f"{stem}_ticks" in fields and name in ("price", f"{stem}_price"):
        return int(row[f"{stem}_ticks"]) * instrument.tick_size or None
    if f"{stem}_lots" in fields and name in ("quantity", f"{stem}_quantity"):
        return int(row[f"{stem}_lots"]) * instrument.lot_size
    if f"{stem}_units" in fields and name in ("amount", f"{stem}_amount"):
        return int(row[f"{stem}_units"]) * Decimal(1).scaleb(-account.money_decimals)
    assert name.endswith("_time"), name
    return (
        int(row[next(field for field in (f"{stem}_ts_ns", f"ts_{stem}_ns", f"{stem}_ns") if field in fields)]) or None
    )


def _word(enum: Any, number: int) -> str:
    return enum(number).name.lower() if number in list(enum) else f"{enum.__name__.lower()}_{number}"


RECORD_TABLES = [table for table in TABLES if isinstance(table, RecordTable)]


@pytest.mark.parametrize("table", RECORD_TABLES, ids=lambda table: table.name)
def test_a_table_says_what_each_record_says(table: RecordTable) -> None:
    with random_tape().read() as reader:
        last = reader.last_seq
        for first_seq, last_seq in ((1, last), (9, last - 40), (13, 13)):
            wanted = expected_rows(reader, table, first_seq, last_seq)
            assert rows_of(reader, table.name, tape(), first_seq, last_seq) == wanted
            if (first_seq, last_seq) == (1, last):
                assert wanted, "the tape has every kind"


def test_every_kind_has_a_table() -> None:
    events = [kind for table in RECORD_TABLES if not table.is_of_decisions for kind in table.kinds]
    decisions = [kind for table in RECORD_TABLES if table.is_of_decisions for kind in table.kinds]
    definitions = {EventKind(number) for number in range(31, 35)}  # their documents are a table
    assert sorted(events) == sorted(set(EventKind) - definitions)
    assert sorted(decisions) == sorted(DecisionKind)


def test_amounts_larger_than_a_word_are_exact() -> None:
    with random_tape().read() as reader:
        rows = rows_of(reader, "quotes", tape(), 1, reader.last_seq, ["symbol", "ask_quantity", "ask_lots"])
    large = [row for row in rows if row["ask_lots"] == 1 << 62 and row["symbol"] == "BBB/USD"]
    assert all(row["ask_quantity"] == Decimal(10 * (1 << 62)) for row in large)


# SQL


def answer(journal: MemoryJournal, query: str, first_seq: int = 1, last_seq: int | None = None) -> list[list[Any]]:
    with (
        journal.read() as reader,
        asked(reader, query, first_seq, reader.last_seq if last_seq is None else last_seq) as found,
    ):
        return [row for batch in found for row in plain_rows(batch)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Tables and columns that are read."""
    seen: list[tuple[str, list[str]]] = []
    whole = database_module.batches_of

    def spied(reader: Any, table: Any, of: Any, names: list[str], *rest: Any) -> Any:
        seen.append((table.name, [*names]))
        return whole(reader, table, of, names, *rest)

    monkeypatch.setattr(database_module, "batches_of", spied)
    return seen


def test_counts_by_kind(read: list[Any]) -> None:
    counts: dict[str, int] = {}
    with random_tape().read() as reader:
        for block in reader.blocks():
            for number in block.events.view(EVENT)["kind"].tolist():
                counts[_word(EventKind, number)] = counts.get(_word(EventKind, number), 0) + 1
    assert dict(answer(random_tape(), "select kind, count(*) from events group by 1")) == counts
    assert read == [("events", ["kind"])]


def test_only_the_columns_that_are_needed_are_read(read: list[Any]) -> None:
    answer(random_tape(), "select bid_ticks * 2 from quotes where instrument = 1 and bid_lots > 3")
    ((name, columns),) = read
    assert name == "quotes" and sorted(columns) == ["bid_lots", "bid_ticks", "instrument"]
    read.clear()
    answer(random_tape(), "select q from quotes q limit 1")
    assert read == [("quotes", [column.name for column in BY_NAME["quotes"].columns])]


def test_a_table_read_twice_at_a_time() -> None:
    pairs = answer(random_tape(), "select a.seq, b.seq from events a join events b on b.seq = a.seq + 1 order by 1")
    numbers = range(1, sum(BLOCKS) + 1)
    assert pairs == [list(pair) for pair in pairwise(numbers)]


def test_a_filter_of_text_and_time_and_a_range() -> None:
    with random_tape().read() as reader:
        rows = [row for row in rows_of(reader, "events", tape(), 5, 100) if row["kind"] == "quote" and row["seq"] > 30]
    query = "select seq from events where kind = 'quote' and seq > 30 order by seq"
    assert [seq for (seq,) in answer(random_tape(), query, 5, 100)] == [row["seq"] for row in rows]
    middle = rows[len(rows) // 2]["time"]
    text = np.datetime64(middle, "ns")
    later = answer(random_tape(), f"{query.replace(' order', f''' and time > '{text}' order''')}", 5, 100)
    assert [seq for (seq,) in later] == [row["seq"] for row in rows if row["time"] > middle]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("selec", 'sql: Parser Error: syntax error at or near "selec"'),
        ("", "sql: 0 statements, expected one"),
        ("select 1; select 2", "sql: 2 statements, expected one"),
        ("select prize from fills", 'sql: Binder Error: Referenced column "prize" not found'),
        ("select * from fill", 'sql: Catalog Error: Table with name fill does not exist! Did you mean "fills"?'),
        ("create table x as select 1", "sql: a CREATE statement, expected a query (SELECT)"),
        ("set threads = 1", "sql: a SET statement, expected a query (SELECT)"),
        ("copy fills to 'x.csv'", "sql: a COPY statement, expected a query (SELECT)"),
        ("attach 'x.db'", "sql: a ATTACH statement, expected a query (SELECT)"),
        ("select * from read_csv('/etc/passwd')", "file system operations are disabled"),
        ("select * from read_text('/etc/passwd')", "file system operations are disabled"),
        ("select * from glob('/*')", "file system operations are disabled"),
        ("select * from '/etc/passwd'", "does not exist"),
        ("select * from reader", "Table with name reader does not exist"),
        ("select kind::integer from events", "Conversion Error: Could not convert string"),
    ],
)
def test_what_is_no_query_is_one_line(query: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        answer(random_tape(), query)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_damage_is_named_as_itself() -> None:
    journal = MemoryJournal()
    journal.tables.update({table: dict(values) for table, values in random_tape().tables.items()})
    key = sorted(journal.tables[Table.BLOCKS])[3]
    value = bytearray(journal.tables[Table.BLOCKS][key])
    value[-1] ^= 1
    journal.tables[Table.BLOCKS][key] = bytes(value)
    with pytest.raises(BlockDamaged, match=f"block {int.from_bytes(key, 'big')}"):
        answer(journal, "select count(*) from events")


def test_what_comes_while_a_query_runs_is_not_in_it() -> None:
    journal = MemoryJournal()
    random = np.random.default_rng(2)
    with journal.create(manifest()) as writer:
        for _ in range(3):
            events, decisions = random_block(random, writer.next_seq, 50)
            writer.append(events.view(np.uint8), decisions.view(np.uint8), digest_of(1))
        with journal.read() as reader, asked(reader, "select seq from events", 1, reader.last_seq) as found:
            events, decisions = random_block(random, writer.next_seq, 50)
            writer.append(events.view(np.uint8), decisions.view(np.uint8), digest_of(1))
            assert sum(len(batch) for batch in found) == 150
        assert answer(journal, "select count(*), max(seq) from events") == [[200, 200]]


def test_an_empty_table() -> None:
    journal = MemoryJournal()
    with journal.create(manifest()) as writer:
        events = np.zeros(1, EVENT)
        events["kind"] = EventKind.QUOTE
        writer.append(events.view(np.uint8), np.zeros(0, np.uint8), digest_of(1))
    assert answer(journal, "select count(*), sum(quantity) from fills") == [[0, None]]
    assert answer(journal, "select count(*) from documents") == [[0]]


# Tables that are folded


@cache
def small_run(limits: Limits) -> MemoryJournal:
    """A strategy that places many orders, in an engine that remembers few of them."""
    settings = configuration("compiled", {"ema": {"fast": 2, "slow": 3, "price": "quote"}}, block_events=300)
    return record(settings, [ticks(600)], limits).journal


def naive_orders(reader: JournalReader, last_seq: int) -> dict[int, dict[str, int]]:
    """Every order as it was last seen, looked at after each event."""
    folder, seen = Folder(limits_of(reader)), {}
    for block in reader.blocks():
        for place in range(min(block.last_seq, last_seq) - block.first_seq + 1):
            folder.fold(block.events[place * EVENT_BYTES :], 1)
            state = folder.engine.view(folder.state)
            for row in state.orders[: int(state.slots_used)]:
                seen[int(row["order"])] = {name: int(row[name]) for name in row.dtype.names}
    return seen


@pytest.mark.parametrize("limits", [TINY_LIMITS, DEFAULT_LIMITS], ids=["tiny", "default"])
def test_orders_are_as_they_were_last_seen(limits: Limits) -> None:
    with small_run(limits).read() as reader:
        of = Tape(names := read_names(reader), scales_of(names))
        for first_seq, last_seq in ((1, reader.last_seq), (200, 450)):
            wanted = naive_orders(reader, last_seq)
            rows = rows_of(reader, "orders", of, first_seq, last_seq)
            assert [row["order_number"] for row in rows] == [
                number for number, order in sorted(wanted.items()) if order["placed_seq"] >= first_seq
            ]
            assert len(rows) > 2 * TINY_LIMITS.orders
            for row in rows:
                order = wanted[row["order_number"]]
                same = ("filled_lots", "quantity_lots", "fills", "updated_ts_ns", "limit_ticks", "filled_units")
                assert {name: row[name] for name in same} == {name: order[name] for name in same}
                assert row["seq"] == order["placed_seq"]
                assert row["status"] == kinds.OrderStatus(order["status"]).name.lower()
                assert row["side"] == ("buy" if order["side"] > 0 else "sell")
            _check_averages(reader, rows, last_seq)


def _check_averages(reader: JournalReader, rows: list[dict[str, Any]], last_seq: int) -> None:
    of = Tape(names := read_names(reader), scales_of(names))
    fills: dict[int, list[tuple[Decimal, Decimal]]] = {}
    for fill in rows_of(reader, "fills", of, 1, last_seq):
        fills.setdefault(fill["order_number"], []).append((fill["price"], fill["quantity"]))
    for row in rows:
        parts = fills.get(row["order_number"], [])
        assert sum(quantity for _, quantity in parts) == row["filled_quantity"]
        if not parts:
            assert row["average_price"] is None
        else:
            average = sum(price * quantity for price, quantity in parts) / row["filled_quantity"]
            assert abs(row["average_price"] - average) <= Decimal("0.000005")


def test_equity_and_positions_end_where_the_tape_ends() -> None:
    with small_run(DEFAULT_LIMITS).read() as reader:
        of = Tape(names := read_names(reader), scales_of(names))
        folder = Folder(limits_of(reader))
        for block in reader.blocks():
            folder.fold(block.events, len(block.events) // EVENT_BYTES)
        state = folder.engine.view(folder.state)
        equity = rows_of(reader, "equity", of, 1, reader.last_seq)[-1]
        position = rows_of(reader, "positions", of, 1, reader.last_seq)[-1]
        earlier = rows_of(reader, "equity", of, 200, 450)
    assert equity["equity_units"] == int(state.accounts[0]["equity_units"])
    assert equity["equity_amount"] == Decimal(equity["equity_units"]).scaleb(-of.names.account(0).money_decimals)
    assert position["position_lots"] == int(state.positions[0, 0]["quantity_lots"])
    assert earlier and earlier[-1]["ts_ns"] <= equity["ts_ns"]
