"""Where a step writes what it decided: commands for the exchange, refusals and alerts for people.

And, where somebody asks for it, what it compared on the way and let pass: a decision that was refused is on the tape
with the rule, its limit and the figure, but an order is not there with all that it passed.
"""

from enum import IntEnum
from typing import Any

import numpy as np

from engine.jit import inner_kernel, overlay
from engine.kinds import DecisionKind
from engine.records import COMMAND, REFUSAL, SIGNAL, record
from engine.state import Limits

# A step may cancel every open order, say something of every bracket and still has room for what else it decides.
_BESIDES_CANCELS = 512


# One entry compares less than this; where all targets are followed at once each instrument may have one.
_COMPARED_BY_ENTRY = 64


class Stage(IntEnum):
    """At what an entry is when something is compared."""

    SIGNAL = 0
    BRACKET = 1
    METHOD = 2
    CUT = 3
    BOUNDS = 4
    CHECK = 5
    ROOM = 6


# What was compared and passed. `what` is the Reason it would have been refused with; of a METHOD the SizingMethod, with
# the amount that it spends (units) as the limit and what that is divided by (ticks) as observed; of a CUT the
# SizeLimit (NONE: the risk level), with the lots that it leaves and those there were. `decisions` were made before.
COMPARED = record([(name, "<i8") for name in ("stage", "what", "limit", "observed", "decisions")])


def outbox_layout(limits: Limits) -> np.dtype[Any]:
    """The decisions of one step, as many as a state of these limits can ever make at once.

    `told` is room for the signal that is being decided, as it counts after several strategies are combined. Where
    `listing` is not 0, `compared` gets a row for all that passes; the caller sets `listed`, their number, to 0.
    """
    items = limits.orders + 4 * limits.brackets + _BESIDES_CANCELS
    rows = _COMPARED_BY_ENTRY * limits.instruments
    return record(
        [
            ("count", "<i8"),
            ("told", SIGNAL, (1,)),
            ("items", COMMAND, (items,)),
            ("listing", "<i8"),
            ("listed", "<i8"),
            ("compared", COMPARED, (rows,)),
        ]
    )


@inner_kernel
def list_passed(outbox: Any, stage: Any, what: Any, limit: Any, observed: Any) -> None:
    """Note what was compared and passed, where somebody asked for it."""
    if outbox.listing == 0 or outbox.listed == len(outbox.compared):
        return
    row = outbox.compared[outbox.listed]
    outbox.listed += 1
    row.stage = np.int64(stage)
    row.what = np.int64(what)
    row.limit = np.int64(limit)
    row.observed = np.int64(observed)
    row.decisions = outbox.count


@inner_kernel
def next_command(state: Any, outbox: Any, kind: Any) -> Any:
    """A cleared decision at the end of the outbox, to be filled in by the caller."""
    assert outbox.count < len(outbox.items)
    command = outbox.items[outbox.count]
    outbox.count += 1
    command.kind = np.uint8(kind)
    command.order_type = np.uint8(0)
    command.time_in_force = np.uint8(0)
    command.order_flags = np.uint8(0)
    command.instrument = np.uint16(0)
    command.account = np.uint8(0)
    command.strategy = np.uint8(0)
    command.seq = state.seq
    command.order = 0
    command.quantity_lots = 0
    command.limit_ticks = 0
    command.trigger_ticks = 0
    command.trail_ticks = 0
    command.expire_ts_ns = 0
    return command


@inner_kernel
def refuse(state: Any, outbox: Any, signal: Any, reason: Any, limit: Any, observed: Any) -> None:
    """Record why a signal led to no order: the rule's code, its limit and the figure it saw."""
    state.refusals += 1
    strategy_number = np.int64(signal.source)
    if strategy_number < len(state.strategies) and state.strategies[strategy_number].defined:
        state.strategies[strategy_number].refusals += 1
    refusal = overlay(next_command(state, outbox, DecisionKind.REFUSAL), REFUSAL)
    refusal.instrument = signal.instrument
    refusal.strategy = np.uint8(signal.source)
    refusal.reason = np.int64(reason)
    refusal.limit = limit
    refusal.observed = observed


@inner_kernel
def alert(state: Any, outbox: Any, instrument: Any, strategy: Any, order: Any, reason: Any, observed: Any) -> None:
    """Record what a person should see at once."""
    note = overlay(next_command(state, outbox, np.int64(DecisionKind.ALERT)), REFUSAL)
    note.instrument = np.uint16(instrument)
    note.strategy = np.uint8(strategy)
    note.order = order
    note.reason = np.int64(reason)
    note.observed = observed
