"""Amounts that checks compare: worth of lots, parts in ppm. What does not fit the ledger is BEYOND_UNITS."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, MONEY_MAX, PPM, ppm_part, ppm_part_up, product_fits
from engine.decisions import Stage, list_passed
from engine.jit import inner_kernel
from engine.reasons import Reason

ZERO = np.int64(0)
ONE = np.int64(1)
LARGEST = np.int64(MONEY_MAX)
# Stands for every amount above the largest: whoever computes with one asks for it first.
BEYOND_UNITS = np.int64(MONEY_MAX + 1)
# What a check returns: (reason, limit, observed).
PASSED = (ZERO, ZERO, ZERO)
_CHECK = np.int64(Stage.CHECK)


@inner_kernel
def passes(outbox: Any, reason: Any, limit: Any, observed: Any) -> None:
    """Note that a check was asked and passed, at which figure."""
    list_passed(outbox, _CHECK, reason, limit, observed)


@inner_kernel
def overflow(quantity_lots: Any) -> Any:
    """The refusal of an order for which a figure cannot be computed."""
    return np.int64(Reason.MONEY_OVERFLOW), LARGEST, quantity_lots


@inner_kernel
def part_up(amount_units: Any, ppm: Any) -> Any:
    """amount * ppm / 1,000,000 rounded up, of an amount from 0 to 2**60 and ppm >= 0; BEYOND_UNITS where it is more."""
    if ppm > PPM and amount_units > INT64_MAX // (ppm // PPM + 1):
        return BEYOND_UNITS
    return min(BEYOND_UNITS, ppm_part_up(amount_units, ppm))


@inner_kernel
def allowed_part(equity_units: Any, ppm: Any) -> Any:
    """equity * ppm / 1,000,000 rounded down, from 0 to 2**60: what a rule in ppm of the equity allows."""
    if equity_units <= 0:
        return ZERO
    if ppm > PPM and equity_units > INT64_MAX // (ppm // PPM + 1):
        return LARGEST
    return min(LARGEST, ppm_part(equity_units, ppm))


@inner_kernel
def lots_worth(lots: Any, price_ticks: Any, unit: Any) -> Any:
    """lots * price * unit with the sign of the lots, or BEYOND_UNITS."""
    if not product_fits(lots, price_ticks, unit):
        return BEYOND_UNITS
    return lots * price_ticks * unit


@inner_kernel
def held_lots(position: Any, closing_lots: Any) -> Any:
    """What is held, less what the same signal closes of it."""
    held = position.quantity_lots
    gone = min(closing_lots, abs(held))
    return held - gone if held > 0 else held + gone


@inner_kernel
def lots_towards(position: Any, side: Any, closing_lots: Any) -> Any:
    """The position in the direction of `side` if all on order there were filled; below 0 where it stays opposite."""
    held = held_lots(position, closing_lots)
    if side > 0:
        return held + position.open_buy_lots + position.grouped_buy_lots
    return position.open_sell_lots + position.grouped_sell_lots - held


@inner_kernel
def worth_towards(instrument: Any, side: Any, lots: Any) -> Any:
    """The worth of lots in the direction of `side` (negative: opposite) at what closing them would bring."""
    long = (lots > 0) == (side > 0)
    mark = instrument.long_mark_ticks if long else instrument.short_mark_ticks
    return lots_worth(lots, mark, instrument.tick_lot_units)
