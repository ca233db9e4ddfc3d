"""The states of a breaker: looked at, tripped, cooling, armed again; each change is a record."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, later
from engine.breakers.acting import act
from engine.breakers.conditions import (
    AT_ANY_TIME,
    NO_FIGURE,
    OF_ACCOUNT,
    OF_EVENT,
    OF_INSTRUMENT,
    OF_POSITION,
    OF_THE_EVENT_ALONE,
    ON_EQUITY,
    UNKNOWN,
    account_figure,
    covers_account,
    covers_event,
    covers_instrument,
    event_figure,
    has,
    instrument_figure,
    makes_sense,
    position_figure,
    subject_of,
)
from engine.breakers.forgetting import forget
from engine.breakers.thresholds import watch_everything
from engine.decisions import next_command
from engine.jit import inner_kernel, overlay
from engine.kinds import BreakerStatus, Condition, DecisionKind, RearmRule, Scope
from engine.records import BREAKER_DECISION

_ZERO = np.int64(0)
_ONE = np.int64(1)
# What is looked at: what the event concerns, or all there is because a breaker was just armed.
OF_THIS_EVENT = np.int64(0)
OF_ALL = np.int64(1)
_TRIPPED = np.int64(DecisionKind.BREAKER_TRIPPED)
_CHANGED = np.int64(DecisionKind.BREAKER_CHANGED)


@inner_kernel
def look_at(state: Any, outbox: Any, number: Any, extent: Any) -> None:
    """Compute the figures of one breaker that are to be looked at: an armed one trips, a tripped one may be clear."""
    row = state.breakers[number]
    if not makes_sense(state, row):
        if row.status == BreakerStatus.ARMED:
            _trip(state, outbox, number, UNKNOWN, _ZERO, _ZERO)
        return
    subject = subject_of(row)
    first_account, last_account = _ZERO, np.int64(len(state.accounts)) if subject <= OF_POSITION else _ONE
    if extent == OF_THIS_EVENT and state.look_account > 0 and _is_of_its_account(state, row, subject):
        first_account, last_account = state.look_account - 1, state.look_account
    first, last = _ZERO, _ONE
    if OF_POSITION <= subject <= OF_INSTRUMENT:
        last = np.int64(len(state.instruments))
        if extent == OF_THIS_EVENT and state.look_instrument > 0:
            first, last = state.look_instrument - 1, state.look_instrument
    below = False
    for account in range(first_account, last_account):
        for instrument in range(first, last):
            figure = _figure(state, row, subject, np.int64(account), np.int64(instrument), extent)
            if figure == NO_FIGURE:
                continue
            if figure == UNKNOWN or figure >= row.limit:
                if row.status == BreakerStatus.ARMED:
                    _trip(state, outbox, number, figure, np.int64(account), np.int64(instrument))
                return
            below = True
    if below and row.status == BreakerStatus.TRIPPED:
        begin_cooling(state, outbox, number)


@inner_kernel
def begin_cooling(state: Any, outbox: Any, number: Any) -> None:
    """What tripped a breaker is over."""
    row = state.breakers[number]
    set_due(state, row, later(state.ts_ns, row.cooldown_ns))
    change_to(state, outbox, number, np.int64(BreakerStatus.COOLING))


@inner_kernel
def _is_of_its_account(state: Any, row: Any, subject: Any) -> Any:
    """Whether what the event concerns is of its account alone. The first price of an instrument is everybody's."""
    if subject == OF_POSITION:
        return state.look_instrument > 0 and state.instruments[state.look_instrument - 1].mark_source != 0
    return subject == OF_ACCOUNT and not has(ON_EQUITY, row.condition)


@inner_kernel
def _figure(state: Any, row: Any, subject: Any, account: Any, instrument: Any, extent: Any) -> Any:
    """The figure of one account, position, instrument or event, where it is to be looked at, else NO_FIGURE."""
    if row.status == BreakerStatus.TRIPPED and _is_another(state, row, subject, account, instrument):
        return NO_FIGURE
    figure = NO_FIGURE
    if subject == OF_ACCOUNT:
        if covers_account(row, account) and _account_is_looked_at(state, row, account, extent):
            figure = account_figure(state, row, account)
    elif subject == OF_EVENT:
        day_begins = state.look_day != 0 and row.scope == Scope.STRATEGY and has(ON_EQUITY, row.condition)
        if extent == OF_ALL or day_begins or covers_event(state, row):
            figure = event_figure(state, row)
    elif state.instruments[instrument].defined:
        covered = covers_instrument(row, instrument)
        if subject == OF_INSTRUMENT and covered:
            figure = instrument_figure(state, row, instrument)
        elif subject == OF_POSITION and (covered or covers_account(row, account)):
            # A price concerns what is held; fills and timers all positions.
            by_price = extent == OF_THIS_EVENT and state.look_accounts == 0
            if not by_price or state.positions[account, instrument].quantity_lots != 0:
                figure = position_figure(state, row, account, instrument)
    # Arming looks at what can be computed now; the rest trips the next time it is looked at.
    return NO_FIGURE if extent == OF_ALL and figure == UNKNOWN else figure


@inner_kernel
def _is_another(state: Any, row: Any, subject: Any, account: Any, instrument: Any) -> Any:
    """Whether this is not whose figure tripped the breaker; of events only a position report is somebody's."""
    if subject != OF_EVENT:
        return account != row.tripped_account or instrument != row.tripped_instrument
    if row.condition != Condition.RECONCILIATION:
        return False
    return state.look_account != row.tripped_account + 1 or state.look_instrument != row.tripped_instrument + 1


@inner_kernel
def _account_is_looked_at(state: Any, row: Any, account: Any, extent: Any) -> Any:
    if not state.accounts[account].defined:
        return False
    if extent == OF_ALL:
        return state.accounts[account].equity_units > 0
    if has(state.look_accounts, account):
        return True
    moved = state.look_day != 0 or has(state.attention_accounts, account)
    return moved and has(ON_EQUITY, row.condition)


@inner_kernel
def _trip(state: Any, outbox: Any, number: Any, figure: Any, account: Any, instrument: Any) -> None:
    row = state.breakers[number]
    row.observed = figure
    row.trips += 1
    row.tripped_seq = state.seq
    row.tripped_ts_ns = state.ts_ns
    row.tripped_account = account
    row.tripped_instrument = instrument
    if has(OF_THE_EVENT_ALONE, row.condition):
        row.tripped_account = max(state.look_account - 1, _ZERO)
        row.tripped_instrument = max(state.look_instrument - 1, _ZERO)
    state.breaker_trips += 1
    row.due_ts_ns = 0
    if row.rearm_rule == RearmRule.OPERATOR:
        row.status = np.int64(BreakerStatus.LATCHED)
    elif row.rearm_rule == RearmRule.CLEAR:
        row.status = np.int64(BreakerStatus.TRIPPED)
    else:
        row.status = np.int64(BreakerStatus.COOLING)
        due_ts_ns = later(state.ts_ns, row.cooldown_ns)
        if row.rearm_rule == RearmRule.NEXT_DAY:
            due_ts_ns = max(due_ts_ns, state.day_ends_ts_ns)
        set_due(state, row, due_ts_ns)
    _record(state, outbox, number, _TRIPPED)
    watch_everything(state)
    act(state, outbox, row)


@inner_kernel
def change_to(state: Any, outbox: Any, number: Any, status: Any) -> None:
    """Give a breaker another status, and record it."""
    if state.breakers[number].status != status:
        state.breakers[number].status = status
        _record(state, outbox, number, _CHANGED)
    watch_everything(state)


@inner_kernel
def arm(state: Any, outbox: Any, number: Any) -> None:
    """Arm a breaker, and look at once at what has a figure at any time."""
    state.breakers[number].due_ts_ns = 0
    change_to(state, outbox, number, np.int64(BreakerStatus.ARMED))
    look_at_armed(state, outbox, number)


@inner_kernel
def look_at_armed(state: Any, outbox: Any, number: Any) -> None:
    row = state.breakers[number]
    if has(AT_ANY_TIME, row.condition) or not makes_sense(state, row):
        look_at(state, outbox, number, OF_ALL)


@inner_kernel
def disable(state: Any, outbox: Any, number: Any) -> None:
    state.breakers[number].due_ts_ns = 0
    change_to(state, outbox, number, np.int64(BreakerStatus.DISABLED))


@inner_kernel
def set_due(state: Any, row: Any, due_ts_ns: Any) -> None:
    """When a cooling is over."""
    row.due_ts_ns = due_ts_ns
    wake_at(state, due_ts_ns)


@inner_kernel
def wake_at(state: Any, due_ts_ns: Any) -> None:
    state.breakers_due_ts_ns = min(state.breakers_due_ts_ns, due_ts_ns)
    state.due_ts_ns = min(state.due_ts_ns, due_ts_ns)


@inner_kernel
def arm_cooled(state: Any, outbox: Any) -> None:
    """Arm what has cooled, and note when the next has."""
    state.breakers_due_ts_ns = np.int64(INT64_MAX)
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        if row.status == BreakerStatus.COOLING and row.due_ts_ns <= state.ts_ns:
            if row.condition == Condition.LOSING_STREAK and row.rearm_rule != RearmRule.CLEAR:
                # A streak cannot end while nothing is entered.
                forget(state, row)
            arm(state, outbox, np.int64(number))
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        if row.status == BreakerStatus.COOLING:
            wake_at(state, row.due_ts_ns)


@inner_kernel
def _record(state: Any, outbox: Any, number: Any, kind: Any) -> None:
    """What a breaker is now, and whose figure tripped it, where it is somebody's."""
    row = state.breakers[number]
    command = next_command(state, outbox, kind)
    command.instrument = np.uint16(row.tripped_instrument & 0xFFFF)
    command.account = np.uint8(row.tripped_account & 0xFF)
    if row.scope == Scope.STRATEGY:
        command.strategy = np.uint8(row.scope_id & 0xFF)
    decision = overlay(command, BREAKER_DECISION)
    decision.breaker = number
    decision.status = row.status
    decision.condition = row.condition
    decision.limit = row.limit
    decision.observed = row.observed
    decision.actions = row.actions
