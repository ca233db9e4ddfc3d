"""The checks of an order that opens or enlarges a position, in their order; the table is in docs/risk/checks.md."""

from typing import Any

from engine.checks.exposure import check_exposure
from engine.checks.funds import affordable_lots, check_funds
from engine.checks.gates import check_gates
from engine.checks.levels import check_level
from engine.checks.losses import check_losses
from engine.checks.pace import check_day, check_rates, check_repetition, note_entry
from engine.checks.prices import check_reference, check_self_cross
from engine.checks.sizes import check_counts, check_size
from engine.jit import inner_kernel

__all__ = ["affordable_lots", "check_entry", "note_entry"]


@inner_kernel
def check_entry(
    state: Any,
    outbox: Any,
    instrument_number: Any,
    strategy: Any,
    side: Any,
    quantity_lots: Any,
    price_ticks: Any,
    limit_ticks: Any,
    closing_lots: Any,
) -> Any:
    """(reason, limit, observed) of the first check that fails, or (NONE, 0, 0).

    `price_ticks` is what the order is worth, `limit_ticks` its limit or 0; `closing_lots` of the present position
    (counted without sign) are closed by the same signal and taken as gone. Checks that pass are listed in the outbox.
    """
    instrument = state.instruments[instrument_number]
    refusal = check_gates(state, outbox, instrument_number, strategy)
    if refusal[0] == 0:
        refusal = check_reference(state, outbox, instrument, side, quantity_lots, limit_ticks)
    if refusal[0] == 0:
        refusal = check_repetition(state, outbox, instrument_number, strategy, side, quantity_lots, limit_ticks)
    if refusal[0] == 0:
        refusal = check_self_cross(state, outbox, instrument, side, price_ticks)
    if refusal[0] == 0:
        refusal = check_size(state, outbox, instrument_number, side, quantity_lots, price_ticks, closing_lots)
    if refusal[0] == 0:
        refusal = check_exposure(state, outbox, instrument_number, side, quantity_lots, price_ticks, closing_lots)
    if refusal[0] == 0:
        refusal = check_funds(state, outbox, instrument_number, side, quantity_lots, price_ticks, closing_lots)
    if refusal[0] == 0:
        refusal = check_counts(state, outbox, instrument_number)
    if refusal[0] == 0:
        refusal = check_day(state, outbox, instrument)
    if refusal[0] == 0:
        refusal = check_losses(state, outbox, state.accounts[instrument.account], strategy, quantity_lots)
    if refusal[0] == 0:
        refusal = check_level(state, outbox, instrument_number)
    if refusal[0] == 0:
        refusal = check_rates(state, outbox)
    return refusal
