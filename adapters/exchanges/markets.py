"""An instrument as its exchange lists it: its scales, and the rules that an order is checked against first."""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from adapters.errors import UserError
from adapters.exchanges.port import Command, ExchangeInstrument
from adapters.exchanges.scales import INT64_MAX, Scale
from engine.kinds import OrderFlag, OrderType
from engine.reasons import Reason

WITH_LIMIT = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT))
# Orders that wait for a price before they are in the book.
CONDITIONAL = frozenset(
    (
        OrderType.STOP,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP,
    )
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What an exchange accepts; in the units of the instrument. The smallest notional is in ticks times lots."""

    quantity_min_lots: int = 1
    quantity_max_lots: int = INT64_MAX
    market_quantity_max_lots: int = INT64_MAX
    price_min_ticks: int = 1
    price_max_ticks: int = INT64_MAX
    notional_min_tick_lots: int = 0
    # A price may have no more than so many significant digits, whatever the tick; 0 is any.
    price_significant_digits: int = 0
    # Whole numbers are prices, whatever their digits.
    any_whole_price: bool = False


@dataclass(frozen=True, slots=True)
class Market:
    """One instrument of a connection, with the exchange's own id for it."""

    instrument: ExchangeInstrument
    market_id: str
    rules: Rules
    price: Scale = field(init=False)
    # Marks, indices and entry prices are averages and hardly ever on a tick: rounding them says nothing.
    mark: Scale = field(init=False)
    size: Scale = field(init=False)
    # Some exchanges add volumes up in floats.
    volume_scale: Scale = field(init=False)
    money: Scale = field(init=False)

    def __post_init__(self) -> None:
        known = self.instrument
        object.__setattr__(self, "price", Scale(known.tick_size))
        object.__setattr__(self, "mark", Scale(known.tick_size))
        object.__setattr__(self, "size", Scale(known.lot_size))
        object.__setattr__(self, "volume_scale", Scale(known.lot_size))
        object.__setattr__(self, "money", Scale(Decimal(1).scaleb(-known.money_decimals)))

    @property
    def number(self) -> int:
        return self.instrument.number

    def volume(self, value: object) -> int:
        """The traded lots of a bar, to the nearest."""
        return self.volume_scale.nearest(value)

    def objection(self, command: Command) -> Reason:
        """Why the exchange would not take this order as it stands, NONE where it may."""
        rules = self.rules
        if command.quantity_lots < max(rules.quantity_min_lots, 1):
            return Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM
        at_market = command.order_type not in WITH_LIMIT
        most = min(rules.quantity_max_lots, rules.market_quantity_max_lots if at_market else INT64_MAX)
        if command.quantity_lots > most:
            return Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM
        if not at_market and not self._is_price(command.limit_ticks):
            return Reason.EXCHANGE_PRICE_OFF_TICK
        waits = command.order_type in CONDITIONAL and command.order_type != OrderType.TRAILING_STOP
        if waits and not self._is_price(command.trigger_ticks):
            return Reason.EXCHANGE_TRIGGER_INVALID
        closes = bool(command.order_flags & OrderFlag.REDUCE_ONLY)
        price = command.trigger_ticks if at_market else command.limit_ticks
        if price and not closes and price * command.quantity_lots < rules.notional_min_tick_lots:
            return Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM
        if command.order_flags & OrderFlag.POST_ONLY and command.order_type != OrderType.LIMIT:
            return Reason.EXCHANGE_ORDER_INVALID
        return Reason.NONE

    def _is_price(self, ticks: int) -> bool:
        if not self.rules.price_min_ticks <= ticks <= self.rules.price_max_ticks:
            return False
        most = self.rules.price_significant_digits
        if most == 0:
            return True
        whole, _, fraction = self.price.text(ticks).partition(".")
        if self.rules.any_whole_price and not fraction.strip("0"):
            return True
        return len((whole + fraction).strip("0")) <= most


def steps_at_least(value: object, scale: Scale, otherwise: int) -> int:
    """The least steps that are a limit or more, for a limit that an exchange may leave out or state as 0."""
    number = Decimal(str(value or 0))
    return int((number / scale.step).to_integral_value(ROUND_CEILING)) if number > 0 else otherwise


def steps_at_most(value: object, scale: Scale) -> int:
    """The most steps that are a limit or less, for a limit that an exchange may leave out or state as 0."""
    number = Decimal(str(value or 0))
    return min(int((number / scale.step).to_integral_value(ROUND_FLOOR)), INT64_MAX) if number > 0 else INT64_MAX


def check_step(symbol: str, what: str, ours: Decimal, theirs: object, exchange: str) -> None:
    """Raise UserError where an instrument's step is not a multiple of what the exchange trades in."""
    step = Decimal(str(theirs or 0))
    if step > 0 and ours % step != 0:
        raise UserError(f"{symbol}: {what} is {ours}, but {exchange} trades in steps of {step.normalize():f}")


def check_lot(symbol: str, ours: Decimal, theirs: object, exchange: str) -> None:
    """Raise UserError where a lot is another one than the exchange's: sizes of others would be between two lots."""
    step = Decimal(str(theirs or 0))
    if step > 0 and ours != step:
        expected = f"expected {step.normalize():f}, in steps of which {exchange} trades"
        raise UserError(f"{symbol}: lot_size is {ours}, {expected}")
