"""The rows of brackets and groups: taken like the slots of orders, and hung in a list of each instrument."""

from typing import Any

import numpy as np

from engine.decisions import next_command
from engine.jit import inner_kernel, overlay
from engine.kinds import BracketStatus, DecisionKind
from engine.orders import find_order, is_open
from engine.records import BRACKET_DECISION, record
from engine.state import BRACKET

_WORDS = record([("words", "<i8", (BRACKET.itemsize // 8,))])


@inner_kernel
def has_free_row(state: Any) -> Any:
    return state.bracket_slots_used < len(state.brackets) or state.bracket_free_count > 0


@inner_kernel
def _take_slot(state: Any) -> Any:
    """A row never used, else the one that has been closed the longest."""
    if state.bracket_slots_used < len(state.brackets):
        state.bracket_slots_used += 1
        return np.int64(state.bracket_slots_used)
    assert state.bracket_free_count > 0
    slot = np.int64(state.bracket_free_slots[state.bracket_free_head])
    state.bracket_free_head = (state.bracket_free_head + 1) % len(state.brackets)
    state.bracket_free_count -= 1
    return slot


@inner_kernel
def take_row(state: Any, instrument_number: Any, strategy: Any, group_kind: Any) -> Any:
    """A cleared row with the next number, in its instrument's list: its slot. The caller has seen a free one."""
    slot = _take_slot(state)
    words = overlay(state.brackets[slot - 1], _WORDS)
    for place in range(len(words.words)):
        words.words[place] = 0
    state.brackets_opened += 1
    state.brackets_open += 1
    row = state.brackets[slot - 1]
    instrument = state.instruments[instrument_number]
    row.number = state.brackets_opened
    row.group_kind = group_kind
    row.instrument = instrument_number
    row.account = instrument.account
    row.strategy = strategy
    first = instrument.first_bracket_slot
    row.next_slot = first
    if first != 0:
        state.brackets[first - 1].previous_slot = slot
    instrument.first_bracket_slot = slot
    instrument.open_brackets += 1
    return slot


@inner_kernel
def close_row(state: Any, slot: Any) -> None:
    """Take a row out of its list; it keeps what it says until it is needed again."""
    row = state.brackets[slot - 1]
    instrument = state.instruments[row.instrument]
    row.status = np.int64(BracketStatus.CLOSED)
    if row.previous_slot != 0:
        state.brackets[row.previous_slot - 1].next_slot = row.next_slot
    else:
        instrument.first_bracket_slot = row.next_slot
    if row.next_slot != 0:
        state.brackets[row.next_slot - 1].previous_slot = row.previous_slot
    instrument.open_brackets -= 1
    state.brackets_open -= 1
    state.bracket_free_slots[(state.bracket_free_head + state.bracket_free_count) % len(state.brackets)] = slot
    state.bracket_free_count += 1


@inner_kernel
def live_slot(state: Any, order: Any) -> Any:
    """The slot of a bracket's or group's order that may still be filled, 0 where it is not or there is none."""
    if order == 0:
        return np.int64(0)
    slot = np.int64(find_order(state, order))
    if slot == 0 or not is_open(state.orders[slot - 1].status):
        return np.int64(0)
    # One that was taken over from the exchange under this number is nobody's.
    if state.orders[slot - 1].bracket_slot == 0:
        return np.int64(0)
    return slot


@inner_kernel
def held_lots(row: Any) -> Any:
    """What a bracket holds, to the lot; below 0 where more was closed than there was."""
    return np.int64(row.entered_lots - row.exited_lots)


@inner_kernel
def count_held(state: Any, row: Any, delta_lots: Any) -> None:
    """Count a change of what a bracket holds on the position that it is a part of."""
    state.positions[row.account, row.instrument].bracket_lots += row.side * delta_lots


@inner_kernel
def say(state: Any, outbox: Any, row: Any, change: Any, order: Any, reason: Any) -> None:
    """Record what happened to a bracket."""
    note = overlay(next_command(state, outbox, np.int64(DecisionKind.BRACKET_CHANGED)), BRACKET_DECISION)
    note.instrument = np.uint16(row.instrument)
    note.account = np.uint8(row.account)
    note.strategy = np.uint8(row.strategy)
    note.bracket = row.number
    note.bracket_change = np.int64(change)
    note.held_lots = held_lots(row)
    note.stop_ticks = row.stop_ticks
    note.order = order
    note.reason = np.int64(reason)
