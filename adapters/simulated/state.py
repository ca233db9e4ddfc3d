"""What the simulated exchange knows, as one record of bytes: its terms, books, orders, ledger and rings.

A side is a number here: `BUYS` or `SELLS`. Each instrument keeps ten lists of orders, one of each class and
side, sorted by rank, so that the order that acts next is the head of its list.

A price seen from a side is signed so that more is better for a resting order to be filled: a sell sees
+price and a buy sees -price. With `seen` for a price so signed, what makes the head of a list act is:

    LIMITS, TARGETS   rank = seen(limit or trigger)     seen(market) >= rank
    STOPS             rank = -seen(trigger)             seen(market) <= -rank
    TRAILS            rank = distance of the trail      seen(market) <= trail_best - rank
    WORKING           rank = order of arrival           there is something to take
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from engine.arithmetic import INT64_MAX
from engine.kinds import AccountKind
from engine.records import record
from engine.state import DEFAULT_LIMITS, Limits

# The numbers below are int64 and not int: numba would compile a kernel once more for every plain constant
# that is passed to it.
BUYS = np.int64(0)
SELLS = np.int64(1)

# The classes of lists; a list's number is its class plus its side.
WORKING = np.int64(0)  # takers: what is left of market orders, and orders that wait for a bar to open
LIMITS = np.int64(2)
STOPS = np.int64(4)
TARGETS = np.int64(6)  # take-profits, and trailing stops that wait for their activation price
TRAILS = np.int64(8)  # trailing stops that follow the market as one; `trail_best` is the best price they saw
LISTS = 10

# What the book was last made of.
BOOK_NONE = np.int64(0)
BOOK_QUOTE = np.int64(1)
BOOK_TRADE = np.int64(2)
BOOK_BAR = np.int64(3)

NEVER = np.int64(INT64_MAX)
UNLIMITED = np.int64(INT64_MAX)
# Prices beyond this are refused, so that sums of prices and distances always fit.
TICKS_MAX = 1 << 53


class ExchangeFault(IntEnum):
    """Why `fault` of the exchange is set: the run has to stop."""

    NONE = 0
    ARRIVALS_FULL = 1
    REPORTS_FULL = 2


class SlippageModel(IntEnum):
    NONE = 0
    TICKS = 1
    VOLUME_SHARE = 2


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """An account at the exchange; its number is its place. `balance_units` is what it starts with."""

    kind: AccountKind
    balance_units: int


@dataclass(frozen=True, slots=True)
class InstrumentTerms:
    """An instrument at the exchange; its number is its place. 0 leaves a maximum or a margin unset.

    `tick_lot_units` is the money value of one tick of one lot in units of the account's currency.
    With `fee_in_base` the fee of a buy is taken in lots of what was bought.
    """

    account: int
    tick_lot_units: int
    quantity_step_lots: int = 1
    quantity_min_lots: int = 0
    quantity_max_lots: int = 0
    notional_min_units: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    fee_in_base: bool = False
    margin_initial_ppm: int = 0


@dataclass(frozen=True, slots=True)
class ExchangeTerms:
    """How the exchange behaves. A `bar_volume_share_ppm` of 0 leaves a bar's volume unlimited."""

    latency_in_ns: int = 0
    latency_out_ns: int = 0
    slippage_model: SlippageModel = SlippageModel.NONE
    slippage_ticks: int = 0
    impact_ppm: int = 0
    bar_volume_share_ppm: int = 0


def _i8(*names: str) -> list[tuple[str, str]]:
    return [(name, "<i8") for name in names]


def _pair(*names: str) -> list[tuple[str, str, tuple[int]]]:
    return [(name, "<i8", (2,)) for name in names]


_ACCOUNT = record(_i8("defined", "account_kind", "balance_units", "cost_units", "reserved_units"))

# What is held of an instrument, and the quantities of open orders that may add to it (reduce-only ones may not).
_POSITION = record(
    _i8("quantity_lots", "cost_units", "open_buy_lots", "open_sell_lots", "reduce_slot", "reduce_lots_max")
)

# `touch_ticks`, `shown_lots`, `left_lots`: best bid and ask, the size displayed, what of it we have not taken.
# `first_lots`: the size displayed when that price became the touch. `sized`: the feed has shown a size.
# `acts_above`, `acts_below`: between these two prices, seen from a side, no order of that side can act.
# `parked_best`: the nearest best price, as seen, at which a trailing stop among the STOPS begins to follow again.
_INSTRUMENT = record(
    _i8(
        "defined",
        "account",
        "tick_lot_units",
        "quantity_step_lots",
        "quantity_min_lots",
        "quantity_max_lots",
        "notional_min_units",
        "maker_fee_ppm",
        "taker_fee_ppm",
        "fee_in_base",
        "margin_initial_ppm",
        "book",
        "sized",
        "mark_ticks",
        "market_ts_ns",
        "market_source",
    )
    + _pair("touch_ticks", "shown_lots", "left_lots", "first_lots")
    + _pair("acts_above", "acts_below", "trail_best", "parked_best")
    + [("heads", "<i8", (LISTS,)), ("tails", "<i8", (LISTS,)), ("head_ranks", "<i8", (LISTS,))]
)

# `book_side` is BUYS or SELLS; `limited` and `waits` say whether the type has a limit and a trigger price.
# `list_number` counts from 1, 0 is none. `best`: the best price seen by a trailing stop among the STOPS.
# `queue_lots`: the estimated size ahead of a resting order at its price, once known; below zero for the one
# trade (`market_record`) that went beyond it.
_ORDER = record(
    _i8(
        "order",
        "exchange_order_id",
        "instrument",
        "side",
        "book_side",
        "order_type",
        "limited",
        "waits",
        "time_in_force",
        "order_flags",
        "quantity_lots",
        "filled_lots",
        "limit_ticks",
        "trigger_ticks",
        "trail_ticks",
        "expire_ts_ns",
        "sent_ts_ns",
        "triggered",
        "priority",
        "list_number",
        "rank",
        "next_slot",
        "previous_slot",
        "next_expiry_slot",
        "previous_expiry_slot",
        "next_reduce_slot",
        "previous_reduce_slot",
        "best",
        "queue_known",
        "queue_lots",
        "market_record",
        "reserve_ticks",
        "reserved_units",
    )
)

WORDS = record([("words", "<i8", (8,))])
_ARRIVAL = record([*_i8("due_ts_ns", "sent_ts_ns"), ("command", WORDS)])


def exchange_layout(limits: Limits) -> np.dtype:
    """The exchange's record for these capacities: twice as many live orders as the engine holds open.

    `walk_*` is the market record that is being worked through, `path_*` where its price is within a bar.
    """
    return record(
        _i8(
            "time_ns",
            "fault",
            "latency_in_ns",
            "latency_out_ns",
            "slippage_model",
            "slippage_ticks",
            "impact_ppm",
            "bar_volume_share_ppm",
            "instruments_defined",
            "trades",
            "orders_accepted",
            "priorities",
            "live_orders",
            "slots_used",
            "free_slot",
            "expiry_slot",
            "next_expiry_ns",
            "bars_ignored",
            "arrival_head",
            "arrival_count",
            "arrival_due_ns",
            "report_head",
            "report_count",
            "report_due_ns",
            "market_record",
            "walk_instrument",
            "walk_kind",
            "trade_lots",
            "trade_left_lots",
            "path_ticks",
            "path_low_ticks",
            "path_high_ticks",
            "path_close_ticks",
            "path_open_ts_ns",
            "path_low_first",
            "path_low_seen",
            "path_high_seen",
            "path_closed",
        )
        + _pair("walk_seen")
        + [
            ("accounts", _ACCOUNT, (limits.accounts,)),
            ("instruments", _INSTRUMENT, (limits.instruments,)),
            ("positions", _POSITION, (limits.instruments,)),
            ("order_slots", "<i8", (4 * limits.orders,)),
            ("orders", _ORDER, (2 * limits.orders,)),
            ("arrivals", _ARRIVAL, (4 * limits.orders,)),
            ("reports", WORDS, (4 * limits.orders,)),
            ("report_spilled", WORDS),
        ]
    )


EXCHANGE = exchange_layout(DEFAULT_LIMITS)


def build_exchange(
    terms: ExchangeTerms,
    accounts: Sequence[AccountTerms],
    instruments: Sequence[InstrumentTerms],
    limits: Limits = DEFAULT_LIMITS,
) -> np.ndarray:
    """A new exchange before its first market record, as uint8 bytes of `exchange_layout(limits)`.

    Raises ValueError where the terms make no sense together; whoever reads them from a user checks first.
    """
    _check_terms(terms, accounts, instruments, limits)
    layout = exchange_layout(limits)
    exchange_bytes = np.zeros(layout.itemsize, dtype=np.uint8)
    ex = exchange_bytes.view(layout)[0]
    for name in ExchangeTerms.__dataclass_fields__:
        ex[name] = int(getattr(terms, name))
    ex.instruments_defined = len(instruments)
    ex.next_expiry_ns = ex.arrival_due_ns = ex.report_due_ns = NEVER
    for account, account_terms in zip(ex.accounts, accounts, strict=False):
        account.defined = 1
        account.account_kind = int(account_terms.kind)
        account.balance_units = account_terms.balance_units
    for row, instrument_terms in zip(ex.instruments, instruments, strict=False):
        row.defined = 1
        for name in InstrumentTerms.__dataclass_fields__:
            row[name] = int(getattr(instrument_terms, name))
        row.head_ranks[:] = NEVER
        row.parked_best[:] = NEVER
        row.acts_above[:] = NEVER
        row.acts_below[:] = -NEVER
    return exchange_bytes


def _check_terms(
    terms: ExchangeTerms, accounts: Sequence[AccountTerms], instruments: Sequence[InstrumentTerms], limits: Limits
) -> None:
    if len(accounts) > limits.accounts or len(instruments) > limits.instruments:
        raise ValueError(f"expected at most {limits.accounts} accounts and {limits.instruments} instruments")
    if min(terms.latency_in_ns, terms.latency_out_ns, terms.slippage_ticks) < 0:
        raise ValueError(f"expected latencies and slippage of 0 or more, found {terms}")
    if not (0 <= terms.impact_ppm <= 1_000_000 and 0 <= terms.bar_volume_share_ppm <= 1_000_000):
        raise ValueError(f"expected impact and volume share between 0 and 1000000 ppm, found {terms}")
    for number, row in enumerate(instruments):
        if not 0 <= row.account < len(accounts):
            raise ValueError(f"instrument {number}: expected an account below {len(accounts)}, found {row.account}")
        if row.tick_lot_units <= 0 or row.quantity_step_lots <= 0:
            raise ValueError(f"instrument {number}: expected a tick value and a quantity step above 0, found {row}")
        if max(abs(row.maker_fee_ppm), abs(row.taker_fee_ppm)) >= 1_000_000:
            raise ValueError(f"instrument {number}: expected fees below 1000000 ppm, found {row}")
