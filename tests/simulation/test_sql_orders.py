"""The table of orders on tapes with all that can become of one: late fills, orders that are taken over, and again."""

from typing import Any

import pytest

from adapters.journal import JournalReader
from engine.records import EVENT_BYTES
from replay.audit.tables.catalogue import BY_NAME
from replay.audit.tables.columns import Tape
from replay.audit.tables.reading import batches_of
from replay.audit.tables.scales import scales_of
from replay.names import read_names
from replay.refold import Folder, limits_of
from tests.simulation.told_tapes import tell
from tests.twin.machine import SMALL_LIMITS

EVENTS = 2_000
BLOCK_EVENTS = (1, 7, 64)
FIELDS = (
    *("placed_seq", "status", "quantity_lots", "filled_lots", "fills", "filled_units", "limit_ticks", "updated_ts_ns"),
    *("trigger_ticks", "exchange_order_id"),
)
COLUMNS = {"placed_seq": "seq", "status": "status_code"}


def naive_orders(reader: JournalReader, last_seq: int) -> dict[int, list[int]]:
    """Every order as it was last seen, looked at after each event."""
    folder, seen = Folder(limits_of(reader)), {}
    for block in reader.blocks():
        for place in range(min(block.last_seq, last_seq) - block.first_seq + 1):
            folder.fold(block.events[place * EVENT_BYTES :], 1)
            state = folder.engine.view(folder.state)
            for row in state.orders[: int(state.slots_used)]:
                seen[int(row["order"])] = [int(row[name]) for name in FIELDS]
    return {number: fields for number, fields in seen.items() if number > 0}


def told_orders(reader: JournalReader, first_seq: int, last_seq: int) -> dict[int, list[Any]]:
    names = read_names(reader)
    columns = ["order_number", *(COLUMNS.get(name, name) for name in FIELDS)]
    batches = batches_of(reader, BY_NAME["orders"], Tape(names, scales_of(names)), columns, first_seq, last_seq)
    rows = [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
    found = {row[0]: list(row[1:]) for row in rows}
    assert len(found) == len(rows), "one row an order"
    return found


@pytest.mark.parametrize("kind", ["books", "brackets", "engine"])
def test_orders_are_told_as_they_were_last_seen(kind: str) -> None:
    most = 0
    for seed, block_events in enumerate(BLOCK_EVENTS):
        with tell(kind, seed, EVENTS, block_events).journal.read() as reader:
            for first_seq, last_seq in ((1, reader.last_seq), (1_500, 1_700)):
                expected = naive_orders(reader, last_seq)
                wanted = {number: row for number, row in expected.items() if row[0] >= first_seq}
                assert told_orders(reader, first_seq, last_seq) == wanted, (kind, seed)
                most = max(most, len(wanted))
    assert most > 4 * SMALL_LIMITS.orders
