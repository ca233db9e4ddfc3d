"""Which tables there are, and which records of the tape each one shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from adapters.journal import JournalReader
from engine.kinds import DecisionKind, EventKind
from engine.records import COMMAND, DECISIONS, EVENT, OVERLAYS
from replay.audit.seek import has_strategy, orders_of
from replay.audit.tables.columns import INTEGER, TEXT, Chunk, Column, Tape, fixed, integer, text, vocabulary_of
from replay.audit.tables.documents import DOCUMENT_COLUMNS, document_chunks
from replay.audit.tables.fields import (
    exchange_time_columns,
    field_columns,
    order_flag_columns,
    owner_columns,
    seq_columns,
    strategy_columns,
)
from replay.audit.tables.folded import (
    EQUITY_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    equity_chunks,
    order_chunks,
    position_chunks,
)
from replay.audit.tables.scales import Scales

Progress = Callable[[int], None]
Kinds = frozenset[EventKind] | frozenset[DecisionKind]
# Reader, tape, first and last sequence number, told how far it is.
Gather = Callable[[JournalReader, Tape, int, int, Progress | None], Iterator[Chunk]]

_EVENT_HEADER = ("ts_ns", "ts_exchange_ns", "document_hash", "kind", "source", "instrument", "account")
_DECISION_HEADER = ("kind", "order_type", "time_in_force", "order_flags", "instrument", "account", "strategy", "seq")
_EVENT_WORDS = vocabulary_of(EventKind)
_DECISION_WORDS = vocabulary_of(DecisionKind)


@dataclass(frozen=True, slots=True)
class RecordTable:
    """A row for each event of some kinds, or for each decision; of all kinds where `kinds` is empty.

    `layout` is how the records are read.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    is_of_decisions: bool
    kinds: Kinds
    layout: Any


@dataclass(frozen=True, slots=True)
class GatheredTable:
    """A table whose rows are no records: `gather` makes them, for which it folds the tape or reads beside it."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    gather: Gather


Table = RecordTable | GatheredTable


def schema_of(table: Table, scales: Scales) -> Any:
    """The Arrow schema of a table, with what each column means in its metadata."""
    return pa.schema(
        [pa.field(column.name, column.type(scales), metadata={"meaning": column.meaning}) for column in table.columns],
        metadata={"table": table.name, "meaning": table.meaning},
    )


def _of_events(
    name: str, meaning: str, *kinds: EventKind, by_strategy: bool = False, with_kind: bool = False
) -> RecordTable:
    layout = OVERLAYS[kinds[0]]
    assert all(OVERLAYS[kind] is layout for kind in kinds) and layout.names is not None
    columns = [*seq_columns("the event"), *(_kind_columns(_EVENT_WORDS) if with_kind else [])]
    columns += exchange_time_columns() if "ts_exchange_ns" in layout.names else []
    columns += owner_columns()
    columns += strategy_columns("source") if by_strategy else []
    for field in layout.names:
        if field not in _EVENT_HEADER and not field.startswith("reserved"):
            columns += field_columns(field)
    return RecordTable(name, meaning, tuple(columns), False, frozenset(kinds), layout)


def _of_decisions(
    name: str, meaning: str, *kinds: DecisionKind, has_terms: bool = False, by_strategy: bool = True
) -> RecordTable:
    layout = DECISIONS[kinds[0]]
    assert all(DECISIONS[kind] is layout for kind in kinds) and layout.names is not None
    columns = [*seq_columns("the event that it was decided on")]
    columns += _kind_columns(_DECISION_WORDS) if len(kinds) > 1 else []
    columns += owner_columns()
    columns += strategy_columns("strategy") if by_strategy else []
    if has_terms:
        columns += [*field_columns("order_type"), *field_columns("time_in_force"), *order_flag_columns()]
    for field in layout.names:
        if field not in _DECISION_HEADER and not field.startswith("reserved"):
            columns += field_columns(field)
    return RecordTable(name, meaning, tuple(columns), True, frozenset(kinds), layout)


def _kind_columns(words: Any) -> list[Column]:
    return [text("kind", "its kind", lambda _: words, "kind"), integer("kind_code", "number of the kind", "kind")]


def _events() -> RecordTable:
    columns = [*seq_columns("the event"), *_kind_columns(_EVENT_WORDS), *owner_columns()]
    columns += [
        integer("source", "number of the feed, or of the strategy"),
        integer("detail", "the byte whose meaning each kind has of its own"),
    ]
    return RecordTable("events", "every event, whatever it says", tuple(columns), False, frozenset(), EVENT)


def _decisions() -> RecordTable:
    columns = [*seq_columns("the event that it was decided on"), *_kind_columns(_DECISION_WORDS), *owner_columns()]
    columns += [
        Column("strategy", "number of the strategy; null for none", fixed(INTEGER), _strategy_numbers),
        Column("strategy_name", "the strategy's name", fixed(TEXT), _strategy_names),
        Column("order_number", "the order that it is about; null for none", fixed(INTEGER), _order_numbers),
    ]
    return RecordTable("decisions", "every decision, whatever it is", tuple(columns), True, frozenset(), COMMAND)


def _strategy_numbers(chunk: Chunk) -> Any:
    return pa.array(chunk.int64s("strategy"), mask=~has_strategy(chunk.rows["kind"]))


def _strategy_names(chunk: Chunk) -> Any:
    return chunk.tape.strategies.named(np.where(has_strategy(chunk.rows["kind"]), chunk.rows["strategy"], np.int64(-1)))


def _order_numbers(chunk: Chunk) -> Any:
    orders = orders_of(chunk.rows)
    return pa.array(orders, mask=orders == 0)


_COMMANDS = (
    *(DecisionKind.PLACE_ORDER, DecisionKind.CANCEL_ORDER),
    *(DecisionKind.AMEND_ORDER, DecisionKind.RELEASE_ORDER),
)
_REPORTS = (
    *(EventKind.ORDER_SENT, EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELED),
    *(EventKind.ORDER_EXPIRED, EventKind.ORDER_AMENDED, EventKind.CANCEL_REJECTED, EventKind.ORDER_TRIGGERED),
)

TABLES: tuple[Table, ...] = (
    _events(),
    _decisions(),
    _of_events("quotes", "best bids and asks", EventKind.QUOTE),
    _of_events("trades", "trades of the market, whosever they were", EventKind.TRADE),
    _of_events("bars", "bars; the time is that of their end", EventKind.BAR),
    _of_events("mark_prices", "mark and index prices", EventKind.MARK_PRICE),
    _of_events("fundings", "funding rates and payments", EventKind.FUNDING),
    _of_events("signals", "what strategies asked for", EventKind.SIGNAL, by_strategy=True),
    _of_events("order_requests", "orders that strategies asked for as they are", EventKind.ORDER_REQUESTED,
               by_strategy=True),
    GatheredTable("orders", "one row an order, as it was at the end of what is asked for", ORDER_COLUMNS, order_chunks),
    _of_events("order_reports", "what was reported of orders, other than fills", *_REPORTS, with_kind=True),
    _of_events("fills", "fills as they were reported; one that came twice is there twice", EventKind.ORDER_FILLED),
    _of_decisions("commands", "orders placed, canceled, amended and released", *_COMMANDS, has_terms=True),
    _of_decisions("refusals", "what the engine refused, and by which rule", DecisionKind.REFUSAL),
    _of_decisions("alerts", "what a person should hear of", DecisionKind.ALERT),
    _of_decisions("combinations", "signals of several strategies taken together", DecisionKind.SIGNALS_COMBINED),
    _of_decisions("sizes", "how orders came to their size", DecisionKind.ORDER_SIZED),
    GatheredTable("positions", "positions at the end of each span of time", POSITION_COLUMNS, position_chunks),
    GatheredTable("equity", "accounts at the end of each span of time", EQUITY_COLUMNS, equity_chunks),
    _of_decisions("breakers", "trips of breakers and changes of their status", DecisionKind.BREAKER_TRIPPED,
                  DecisionKind.BREAKER_CHANGED, by_strategy=False),
    _of_decisions("risk_levels", "changes of risk levels", DecisionKind.RISK_LEVEL_CHANGED, by_strategy=False),
    _of_decisions("brackets", "what happened to brackets", DecisionKind.BRACKET_CHANGED),
    _of_decisions("transports", "whether requests are held back", DecisionKind.TRANSPORT_CHANGED, by_strategy=False),
    _of_events("settings", "changes of rules and states", EventKind.CONFIGURATION_CHANGED, by_strategy=True),
    _of_events("operator_commands", "what operators did; who and why is in `documents`", EventKind.OPERATOR_COMMAND),
    _of_events("requests_failed", "requests to an exchange without success", EventKind.REQUEST_FAILED),
    _of_events("connections", "connections lost and restored", EventKind.CONNECTION_LOST,
               EventKind.CONNECTION_RESTORED, with_kind=True),
    _of_events("balances", "balances as an exchange reported them", EventKind.BALANCE_REPORTED),
    _of_events("position_reports", "positions as an exchange reported them", EventKind.POSITION_REPORTED),
    _of_events("adoptions", "open orders of an exchange that were taken over", EventKind.ORDER_ADOPTED),
    _of_events("notices", "what a client found at an exchange and people should hear of", EventKind.NOTICE),
    _of_events("cash_moves", "deposits and withdrawals", EventKind.CASH_MOVED),
    _of_events("timers", "timers that came due", EventKind.TIMER),
    GatheredTable("documents", "texts of people and strategies, and definitions", DOCUMENT_COLUMNS, document_chunks),
)  # fmt: skip
BY_NAME = {table.name: table for table in TABLES}
