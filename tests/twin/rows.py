"""Orders that belong together, in the twin: the rows of brackets and groups, and how many there is room for."""

from dataclasses import dataclass, field

from engine.kinds import BracketChange, BracketStatus, DecisionKind, GroupKind, OrderFlag, OrderRole
from engine.state import Limits
from tests.twin.base import Rules
from tests.twin.hooks import Hooks
from tests.twin.orders import Order


@dataclass
class Leg:
    """A stop, a target or a member of a group; `order` is its present or last order, None before the first."""

    order_role: int
    order_type: int
    side: int
    limit_ticks: int = 0
    trigger_ticks: int = 0
    distance: int = 0
    distance_value: int = 0
    share_ppm: int = 0
    flags: int = 0
    expire_ts_ns: int = 0
    quantity_lots: int = 0
    filled_lots: int = 0
    replacements: int = 0
    order: Order | None = None

    @property
    def is_live(self) -> bool:
        return self.order is not None and self.order.is_open

    @property
    def price_ticks(self) -> int:
        return self.trigger_ticks if self.order_role == OrderRole.STOP else self.limit_ticks


@dataclass
class Bracket:
    """A bracket, or a group of requested orders; `legs` of a bracket are its stop and then its targets."""

    number: int
    group_kind: int
    instrument: int
    account: int
    strategy: int
    step: int
    rules: Rules
    side: int = 0
    group: int = 0
    status: int = BracketStatus.WAITING
    legs: list[Leg] = field(default_factory=list)
    entry: Order | None = None
    exits: list[Order] = field(default_factory=list)
    exit_limit_ticks: int = 0
    exit_refusals: int = 0
    exit_due_ts_ns: int = 0
    entered_lots: int = 0
    exited_lots: int = 0
    entry_units: int = 0
    entry_ticks: int = 0
    best_ticks: int = 0
    stop_ticks: int = 0
    trail_distance: int = 0
    trail_value: int = 0
    trail_active: int = 0
    broke_even: int = 0
    opened_ts_ns: int = 0
    expire_ts_ns: int = 0
    close_reason: int = 0
    uncovered_events: int = 0
    uncovered_seq: int = 0

    @property
    def held(self) -> int:
        """What it holds, to the lot; below 0 where more was closed than there was."""
        return self.entered_lots - self.exited_lots

    @property
    def is_closed(self) -> bool:
        return self.status == BracketStatus.CLOSED

    @property
    def replacements_max(self) -> int:
        return self.rules["leg_replacements_max"] or 3


@dataclass
class Leftovers:
    """What gone brackets left of an instrument; their exits have this for a bracket."""

    instrument: int
    lots: int = 0
    strategy: int = 0
    refusals: int = 0
    due_ts_ns: int = 0
    exits: list[Order] = field(default_factory=list)


class Rows(Hooks):
    """The table of rows: as many at once as there is room, those closed the longest making room."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.brackets: dict[int, Bracket] = {}
        self.closed_rows: list[int] = []
        self.leftovers: dict[int, Leftovers] = {}

    def live_rows(self, instrument: int | None = None) -> list[Bracket]:
        """Rows that are not closed, the youngest first."""
        rows = [row for row in self.brackets.values() if not row.is_closed and instrument in (None, row.instrument)]
        return sorted(rows, key=lambda row: -row.number)

    def live_brackets(self, instrument: int | None = None) -> list[Bracket]:
        return [row for row in self.live_rows(instrument) if row.group_kind == GroupKind.BRACKET]

    def open_orders_of(self, row: Bracket) -> list[Order]:
        """The orders that the row still waits for."""
        return [order for order in self.orders.open() if order.bracket is row]

    def has_free_row(self) -> bool:
        return len(self.live_rows()) < self.limits.brackets

    def take_row(self, group_kind: int, instrument: int, strategy: int) -> Bracket:
        if len(self.brackets) == self.limits.brackets:
            del self.brackets[self.closed_rows.pop(0)]
        self.count("brackets_opened")
        number = self.counts["brackets_opened"]
        of = self.instruments[instrument]
        rules = Rules(self.instrument_rules[instrument])
        row = Bracket(number, group_kind, instrument, of.account, strategy, of.quantity_step_lots, rules)
        self.brackets[number] = row
        return row

    def say(self, row: Bracket, change: BracketChange, order: Order | None = None, reason: int = 0) -> None:
        fields = {"instrument": row.instrument, "account": row.account, "strategy": row.strategy}
        fields |= {"bracket": row.number, "bracket_change": change, "held_lots": row.held}
        fields |= {"stop_ticks": row.stop_ticks, "order": order.order if order is not None else 0, "reason": reason}
        self.decide(DecisionKind.BRACKET_CHANGED, **fields)

    def close_row(self, row: Bracket) -> None:
        row.status = BracketStatus.CLOSED
        self.closed_rows.append(row.number)

    def lots_fit(self, instrument: int, side: int, lots: int) -> bool:
        """Whether the lots on order of a side stay a number that the ledger allows."""
        orders = [o for o in self.orders.open(instrument) if o.side == side]
        ahead = sum(o.left_lots for o in orders if not o.is_leg)
        beside = sum(o.left_lots for o in orders if o.is_leg)
        return lots <= 2**60 - max(ahead, beside)

    def closing_flags(self, instrument: int, side: int, lots: int) -> int:
        """Reduce-only where the position is on the other side and at least as large."""
        held = self.position(instrument).quantity_lots * -side
        return OrderFlag.REDUCE_ONLY if held >= lots else 0
