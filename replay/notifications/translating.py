"""From records of the tape to events with names: which records are notifications, and what each one says."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from eventsourcing.utils import get_topic

from adapters.journal import Block, InstrumentDocument, JournalReader, TextDocument
from adapters.report.amounts import money_text, quantity_text, time_text
from engine.kinds import (
    BreakerAction,
    BreakerStatus,
    Condition,
    DecisionKind,
    EventKind,
    FillFlag,
    OrderFlag,
    OrderType,
    RequestFailure,
    TimeInForce,
)
from engine.reasons import Reason
from engine.records import (
    ADOPTION,
    BREAKER_DECISION,
    COMMAND,
    EVENT,
    FILL,
    INSTRUMENT,
    ORDER_REPORT,
    REFUSAL,
    REQUEST_FAILURE,
)
from replay.incidents import OF_INSTRUMENT, figure_text
from replay.names import Names, read_names
from replay.notifications import events
from replay.notifications.events import TapeEvent
from replay.notifications.identity import notification_id, originator_of

Fields = dict[str, Any]


class Translator:
    """Knows the names of a tape, and learns those that come later."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._journal_id = reader.manifest.journal_id
        self._known_seq = 0
        self._names = Names()
        self._units: dict[int, int] = {}

    def events_of(self, block: Block, first_id: int = 0, topics: Sequence[str] = ()) -> Iterator[tuple[int, TapeEvent]]:
        """The notifications of a block from `first_id` on, with their ids; of these topics only, where any are named.

        What the tape names up to there must have been learnt.
        """
        told = block.events.view(EVENT)
        decided = block.decisions.view(COMMAND)
        for seq, place, row, record in _candidates(block, told, decided, first_id, topics):
            event = self._event(seq, notification_id(seq, place), told[seq - block.first_seq], row, record)
            if event is not None:
                yield notification_id(seq, place), event

    def learn(self) -> None:
        """Read what the tape names by now; a name never changes. Not while blocks of the same reader are walked."""
        first_seq, self._known_seq = self._known_seq + 1, self._reader.last_seq
        added = [pair for pair in self._reader.documents(first_seq) if not isinstance(pair[1], TextDocument)]
        if not added:
            return
        self._names = read_names(self._reader)
        for seq, document in added:
            if isinstance(document, InstrumentDocument):
                block = next(iter(self._reader.blocks(seq, seq)))
                defined = block.events.view(INSTRUMENT)[seq - block.first_seq]
                self._units.setdefault(document.number, int(defined["tick_lot_units"]))

    def _event(self, seq: int, version: int, told: Any, row: Any, record: "_Record") -> TapeEvent | None:
        fields = record.fields(self, row)
        if fields is None:
            return None
        what, number = record.originator(row)
        return record.says(
            originator_id=originator_of(self._journal_id, what, number),
            originator_version=version,
            seq=seq,
            time=time_text(int(told["ts_ns"])),
            **fields,
        )

    def of_instrument(self, row: Any) -> Fields:
        account, instrument = int(row["account"]), int(row["instrument"])
        return {"account": self._names.account(account).name, "symbol": self._names.instrument(instrument).symbol}

    def of_order(self, row: Any) -> Fields:
        return {**self.of_instrument(row), "order": int(row["order"])}

    def terms(self, row: Any) -> Fields:
        return {
            "quantity": self.quantity(row, row["quantity_lots"]),
            "limit_price": self.price(row, row["limit_ticks"]),
            "trigger_price": self.price(row, row["trigger_ticks"]),
        }

    def quantity(self, row: Any, lots: Any) -> str:
        return quantity_text(int(lots), self._names.instrument(int(row["instrument"])).lot_size)

    def price(self, row: Any, ticks: Any) -> str | None:
        return quantity_text(int(ticks), self._names.instrument(int(row["instrument"])).tick_size) if ticks else None

    def placed(self, row: Any) -> Fields:
        flags = int(row["order_flags"])
        return {
            **self.of_order(row),
            **self.terms(row),
            "strategy": self._names.strategy(int(row["strategy"])),
            "side": "sell" if flags & OrderFlag.SELL else "buy",
            "order_type": _name(OrderType, row["order_type"]),
            "time_in_force": _name(TimeInForce, row["time_in_force"]),
            "reduce_only": bool(flags & OrderFlag.REDUCE_ONLY),
            "post_only": bool(flags & OrderFlag.POST_ONLY),
            "held": bool(flags & OrderFlag.HELD_BY_ENGINE),
        }

    def amendment(self, row: Any) -> Fields:
        return {**self.of_order(row), **self.terms(row)}

    def released(self, row: Any) -> Fields:
        return {**self.amendment(row), "order_type": _name(OrderType, row["order_type"])}

    def refused(self, row: Any) -> Fields:
        return {
            **self.of_instrument(row),
            "strategy": self._names.strategy(int(row["strategy"])),
            "reason": _reason(row) or "none",
            "limit": int(row["limit"]),
            "observed": int(row["observed"]),
        }

    def tripped(self, row: Any) -> Fields:
        condition = int(row["condition"])
        instrument, actions = int(row["instrument"]), int(row["actions"])
        return {
            "breaker": self._names.breaker(int(row["breaker"])),
            "condition": _name(Condition, condition),
            "symbol": self._names.instrument(instrument).symbol if condition in OF_INSTRUMENT else None,
            "limit": figure_text(condition, int(row["limit"]), self._names, instrument),
            "observed": figure_text(condition, int(row["observed"]), self._names, instrument),
            "actions": [action.name.lower() for action in BreakerAction if actions & action],
        }

    def changed(self, row: Any) -> Fields:
        status = _name(BreakerStatus, row["status"])
        return {"breaker": self._names.breaker(int(row["breaker"])), "status": status}

    def report(self, row: Any) -> Fields:
        return {**self.of_order(row), "exchange_order_id": int(row["exchange_order_id"]), "reason": _reason(row)}

    def amended(self, row: Any) -> Fields:
        quantity, price = self.quantity(row, row["quantity_lots"]), self.price(row, row["price_ticks"])
        return {**self.report(row), "quantity": quantity, "price": price}

    def adopted(self, row: Any) -> Fields:
        flags = int(row["source"])
        return {
            **self.of_order(row),
            **self.terms(row),
            "filled": self.quantity(row, row["filled_lots"]),
            "strategy": self._names.strategy(0),
            "placed": time_text(int(row["ts_exchange_ns"])),
            "side": "sell" if flags & OrderFlag.SELL else "buy",
            "order_type": _name(OrderType, row["order_type"]),
            "reduce_only": bool(flags & OrderFlag.REDUCE_ONLY),
            "post_only": bool(flags & OrderFlag.POST_ONLY),
        }

    def unanswered(self, row: Any) -> Fields | None:
        failure = _name(RequestFailure, row["failure"])
        return {**self.of_order(row), "failure": failure} if row["order"] else None

    def filled(self, row: Any) -> Fields:
        number, flags = int(row["instrument"]), int(row["fill_flags"])
        instrument, account = self._names.instrument(number), self._names.account(int(row["account"]))
        in_base, fee = bool(flags & FillFlag.FEE_IN_BASE), int(row["fee"])
        return {
            **self.of_order(row),
            "trade_id": int(row["trade_id"]),
            "side": "sell" if flags & FillFlag.SELL else "buy",
            "liquidity": "maker" if flags & FillFlag.MAKER else "taker",
            "quantity": self.quantity(row, row["quantity_lots"]),
            "price": quantity_text(int(row["price_ticks"]), instrument.tick_size),
            "fee": self.quantity(row, fee) if in_base else money_text(fee, account.money_decimals),
            "currency": account.currency,
            "fee_in_base": in_base,
            "price_ticks": int(row["price_ticks"]),
            "quantity_lots": int(row["quantity_lots"]),
            "fee_count": fee,
            "tick_size": str(instrument.tick_size),
            "lot_size": str(instrument.lot_size),
            "tick_lot_units": self._units.get(number, 0),
            "money_decimals": account.money_decimals,
        }


def _reason(row: Any) -> str | None:
    return _name(Reason, row["reason"]) if row["reason"] else None


def _name(vocabulary: type[IntEnum], value: Any) -> str:
    """A name of the tape's vocabularies; what a later version may have added is called by its number."""
    try:
        return vocabulary(int(value)).name.lower()
    except ValueError:
        return f"{vocabulary.__name__.lower()}_{int(value)}"


def _order(row: Any) -> tuple[str, int]:
    """An order by its number; what is of none is of its instrument."""
    return ("order", int(row["order"])) if row["order"] else ("instrument", int(row["instrument"]))


def _instrument(row: Any) -> tuple[str, int]:
    return "instrument", int(row["instrument"])


def _breaker(row: Any) -> tuple[str, int]:
    return "breaker", int(row["breaker"])


class _Record(NamedTuple):
    """How a kind of record is read, what it becomes, and whose it is."""

    says: type[TapeEvent]
    dtype: np.dtype[Any]
    fields: Callable[[Translator, Any], Fields | None]
    originator: Callable[[Any], tuple[str, int]] = _order


_TOLD: dict[EventKind, _Record] = {
    EventKind.ORDER_SENT: _Record(events.OrderSent, ORDER_REPORT, Translator.report),
    EventKind.ORDER_ACCEPTED: _Record(events.OrderAccepted, ORDER_REPORT, Translator.report),
    EventKind.ORDER_REJECTED: _Record(events.OrderRejected, ORDER_REPORT, Translator.report),
    EventKind.ORDER_FILLED: _Record(events.OrderFilled, FILL, Translator.filled),
    EventKind.ORDER_CANCELED: _Record(events.OrderCanceled, ORDER_REPORT, Translator.report),
    EventKind.ORDER_EXPIRED: _Record(events.OrderExpired, ORDER_REPORT, Translator.report),
    EventKind.ORDER_AMENDED: _Record(events.OrderAmended, ORDER_REPORT, Translator.amended),
    EventKind.CANCEL_REJECTED: _Record(events.CancelRejected, ORDER_REPORT, Translator.report),
    EventKind.ORDER_TRIGGERED: _Record(events.OrderTriggered, ORDER_REPORT, Translator.report),
    EventKind.ORDER_ADOPTED: _Record(events.OrderAdopted, ADOPTION, Translator.adopted),
    EventKind.REQUEST_FAILED: _Record(events.OrderUnanswered, REQUEST_FAILURE, Translator.unanswered),
}
_DECIDED: dict[DecisionKind, _Record] = {
    DecisionKind.PLACE_ORDER: _Record(events.OrderPlaced, COMMAND, Translator.placed),
    DecisionKind.CANCEL_ORDER: _Record(events.CancelRequested, COMMAND, Translator.of_order),
    DecisionKind.AMEND_ORDER: _Record(events.AmendmentRequested, COMMAND, Translator.amendment),
    DecisionKind.RELEASE_ORDER: _Record(events.OrderReleased, COMMAND, Translator.released),
    DecisionKind.REFUSAL: _Record(events.OrderRefused, REFUSAL, Translator.refused, _instrument),
    DecisionKind.BREAKER_TRIPPED: _Record(events.BreakerTripped, BREAKER_DECISION, Translator.tripped, _breaker),
    DecisionKind.BREAKER_CHANGED: _Record(events.BreakerChanged, BREAKER_DECISION, Translator.changed, _breaker),
}
TOPICS = tuple(get_topic(record.says) for record in (*_TOLD.values(), *_DECIDED.values()))


def _candidates(
    block: Block, told: Any, decided: Any, first_id: int, topics: Sequence[str]
) -> Iterator[tuple[int, int, Any, _Record]]:
    """(seq, place, row, how it is read) of what may be a notification, in the order of seq and place."""
    chosen_told = _wanted(_TOLD, topics)
    chosen_decided = _wanted(_DECIDED, topics)
    events_found = np.flatnonzero(np.isin(told["kind"], list(chosen_told))).tolist()
    decisions_found = np.flatnonzero(np.isin(decided["kind"], list(chosen_decided))).tolist()
    found = [(block.first_seq + index, 0, index) for index in events_found]
    if decisions_found:
        seqs = decided["seq"]
        firsts = np.searchsorted(seqs, seqs[decisions_found])
        places = np.asarray(decisions_found) - firsts + 1
        found += zip(seqs[decisions_found].tolist(), places.tolist(), decisions_found, strict=True)
        found.sort()
    for seq, place, index in found[bisect_left(found, first_id, key=lambda one: notification_id(one[0], one[1])) :]:
        rows, kinds = (decided, chosen_decided) if place else (told, chosen_told)
        record = kinds[int(rows["kind"][index])]
        yield seq, place, rows[index : index + 1].view(record.dtype)[0], record


def _wanted(records: Any, topics: Sequence[str]) -> dict[int, _Record]:
    return {int(kind): record for kind, record in records.items() if not topics or get_topic(record.says) in topics}
