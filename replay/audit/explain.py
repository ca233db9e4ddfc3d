"""Why an order was placed as it was, or why none was: decided again, with every figure that was compared."""

from collections.abc import Callable, Iterator
from typing import Any

from adapters.journal import JournalReader, TextDocument
from adapters.report.amounts import time_text
from engine.kinds import (
    DecisionKind,
    EventKind,
    GroupKind,
    OrderRole,
    SignalMode,
)
from engine.reasons import Reason
from replay.audit.comparing import Amounts
from replay.audit.deciding import PLACED, REFUSED, decision_of, place_of
from replay.audit.naming import check_order
from replay.audit.seek import event_at, placed_at
from replay.audit.story import Chapter, Story, find_order, tell_story
from replay.audit.walk import Decided, Walk
from replay.audit.wording import decision_text, event_text
from replay.names import Names, read_names

Json = dict[str, Any]
Progress = Callable[[int], None]


def explain_order(reader: JournalReader, order: int, progress: Progress | None = None) -> Json:
    """An order from what led to it to what it made. Raises UserError for a number that no order of the tape has."""
    check_order(reader, order, "order")
    seq = placed_at(reader, order)
    names, walk = read_names(reader), Walk(reader, progress)
    decided = walk.decide(seq)
    row = find_order(decided.after, order)
    story = tell_story(reader, walk, row, decided.after)
    place = place_of(decided, order)
    found = {
        "subject": f"order {order}",
        "order": order,
        "text": decision_text(decided.decisions[place], names),
        **_of_event(decided, names),
        "why": _why(decided, place, row, story, names),
        **decision_of(decided, place, names),
    }
    entry = 0 if story.row is None else int(story.row["entry_order"])
    if entry not in (0, order):
        found["entry"] = _entry(walk, placed_at(reader, entry), entry, names)
    return found | _told(reader, story, row, names)


def explain_event(reader: JournalReader, seq: int, progress: Progress | None = None) -> Json:
    """What was decided on an event and why: its orders and its refusals, each with what was compared."""
    names, walk = read_names(reader), Walk(reader, progress)
    decided = walk.decide(seq)
    places = [i for i, item in enumerate(decided.decisions) if int(item["kind"]) in (PLACED, REFUSED)]
    return {
        "subject": f"event {seq}",
        **_of_event(decided, names),
        "decisions": [decision_text(item, names) for item in decided.decisions],
        "explained": [
            {"text": decision_text(decided.decisions[place], names), **decision_of(decided, place, names)}
            for place in places
        ],
    }


def _of_event(decided: Decided, names: Names) -> Json:
    document = decided.document
    said = {"text": document.text, "author": document.author} if isinstance(document, TextDocument) else None
    return {
        "seq": decided.seq,
        "time": time_text(int(decided.event["ts_ns"])),
        "event": event_text(decided.event, names, document),
        "said": said,
    }


# Why


def _why(decided: Decided, place: int, row: Any, story: Story, names: Names) -> list[str]:
    """What an order is for, and what brought it about."""
    role = OrderRole(int(row["order_role"]))
    brought = [
        decision_text(item, names)
        for item in decided.decisions[:place]
        if int(item["kind"]) in (DecisionKind.BREAKER_TRIPPED, DecisionKind.BRACKET_CHANGED)
        and _concerns(item, row, story)
    ]
    kind = int(decided.event["kind"])
    if kind == EventKind.OPERATOR_COMMAND:
        brought.insert(0, event_text(decided.event, names, decided.document))
    return [_purpose(role, row, story, decided, names, is_followed=not brought), *brought]


def _concerns(item: Any, row: Any, story: Story) -> bool:
    """Whether a decision before an order is one that brought it about."""
    if int(item["kind"]) == DecisionKind.BREAKER_TRIPPED:
        return int(row["order_role"]) == OrderRole.EXIT
    # The bracket's number stands where a command has its order.
    return bool(story.bracket) and int(item["order"]) == story.bracket


def _purpose(role: OrderRole, row: Any, story: Story, decided: Decided, names: Names, is_followed: bool) -> str:
    """What an order is for; `is_followed` where nothing but a target can have brought it about, if there is one."""
    is_group = story.row is not None and int(story.row["group_kind"]) != GroupKind.BRACKET
    of = f" of {'group' if is_group else 'bracket'} {story.bracket}" if story.bracket else ""
    strategy = names.strategy(int(row["strategy"]))
    if role in (OrderRole.STOP, OrderRole.TARGET):
        leg = f" {int(row['leg'])}" if role == OrderRole.TARGET else ""
        return f"{role.name.lower()}{leg}{of}, which protects what entry order {int(story.row['entry_order'])} opened"
    if role == OrderRole.EXIT and story.bracket:
        reason = int(decided.after.brackets[int(row["bracket_slot"]) - 1]["close_reason"])
        return f"exit{of}: {Reason(reason).name.lower().replace('_', ' ')}"
    if int(decided.event["kind"]) == EventKind.ORDER_REQUESTED:
        return f"requested by {strategy}{of}"
    instrument = decided.after.instruments[int(row["instrument"])]
    if is_followed and instrument["target_set"] and instrument["rules"]["signal_mode"] == SignalMode.TARGETS:
        target = Amounts(names, int(row["instrument"])).lots(int(instrument["target_lots"]))
        return f"{role.name.lower()} towards the target of {target}, set by {strategy}"
    return f"{role.name.lower()} for {strategy}{of}"


# What became of it


def _entry(walk: Walk, seq: int, order: int, names: Names) -> Json:
    """How the entry came about that an order protects or closes."""
    decided = walk.decide(seq)
    place = place_of(decided, order)
    text = decision_text(decided.decisions[place], names)
    return {"text": text, **_of_event(decided, names), **decision_of(decided, place, names)}


def _told(reader: JournalReader, story: Story, row: Any, names: Names) -> Json:
    amounts = Amounts(names, int(row["instrument"]))
    own = next(chapter for chapter in story.chapters if chapter.number == int(row["order"]))
    found: Json = {"happened": list(_happened(reader, own, story, names, amounts))}
    if story.bracket:
        found["bracket"] = {
            "bracket": story.bracket,
            "changes": [
                {
                    "seq": int(item["seq"]),
                    "time": _time_of(reader, int(item["seq"])),
                    "text": decision_text(item, names),
                }
                for item in story.changes
            ],
            "orders": [
                {
                    "order": chapter.number,
                    "role": OrderRole(int(chapter.order["order_role"])).name.lower(),
                    "happened": list(_happened(reader, chapter, story, names, amounts)),
                }
                for chapter in story.chapters
                if chapter is not own
            ],
        }
    return found | {"result": _result(story, amounts)}


def _happened(reader: JournalReader, chapter: Chapter, story: Story, names: Names, amounts: Amounts) -> Iterator[Json]:
    """Each event and decision about an order; what was decided on another's event says on which."""
    for found in chapter.found:
        time, seq = time_text(int(found.event["ts_ns"])), found.seq
        if found.event_asked:
            entry = {"seq": seq, "time": time, "text": event_text(found.event, names)}
            if seq in story.made:
                entry |= _fill(story, seq, amounts)
            yield entry
        for item in found.decisions[found.decisions_asked]:
            if item["kind"] == DecisionKind.BRACKET_CHANGED:
                continue
            text = decision_text(item, names)
            by = None if found.event_asked else event_text(found.event, names, reader.document(seq))
            yield {"seq": seq, "time": time, "text": text, "on": by}


def _fill(story: Story, seq: int, amounts: Amounts) -> Json:
    made = story.made[seq]
    return {
        "realized_pnl": amounts.exact_money(made.realized_units),
        "fees": amounts.exact_money(made.fees_units),
        "held": amounts.exact_lots(made.held_lots),
    }


def _result(story: Story, amounts: Amounts) -> Json:
    """What all fills made: realised profit, fees, and what is left of it."""
    gross = sum(made.realized_units for made in story.made.values())
    fees = sum(made.fees_units for made in story.made.values())
    fees_text = amounts.money(fees)
    return {
        "fills": len(story.made),
        "realized_pnl": amounts.exact_money(gross),
        "fees": amounts.exact_money(fees),
        "net_pnl": amounts.exact_money(gross - fees),
        "text": f"realized {amounts.money(gross)}, fees {fees_text}, net {amounts.money(gross - fees)}",
    }


def _time_of(reader: JournalReader, seq: int) -> str:
    return time_text(int(event_at(reader, seq).event["ts_ns"]))
