"""The closed vocabularies of the tape. A number here never changes its meaning: tapes outlive programs."""

from enum import IntEnum


class EventKind(IntEnum):
    """What an event record says; each kind has its overlay in `engine.records.OVERLAYS`."""

    QUOTE = 1
    TRADE = 2
    BAR = 3
    MARK_PRICE = 4
    FUNDING = 5
    SIGNAL = 10
    TIMER = 11
    ORDER_SENT = 20
    ORDER_ACCEPTED = 21
    ORDER_REJECTED = 22
    ORDER_FILLED = 23
    ORDER_CANCELED = 24
    ORDER_EXPIRED = 25
    ORDER_AMENDED = 26
    CANCEL_REJECTED = 27
    ORDER_TRIGGERED = 28
    CONFIGURATION_CHANGED = 30
    INSTRUMENT_DEFINED = 31
    INSTRUMENT_TERMS_DEFINED = 32
    ACCOUNT_DEFINED = 33
    STRATEGY_DEFINED = 34
    OPERATOR_COMMAND = 35
    REQUEST_FAILED = 40
    CONNECTION_LOST = 41
    CONNECTION_RESTORED = 42
    BALANCE_REPORTED = 50
    POSITION_REPORTED = 51
    CASH_MOVED = 52


class DecisionKind(IntEnum):
    """What the fold decided on an event."""

    PLACE_ORDER = 1
    CANCEL_ORDER = 2
    AMEND_ORDER = 3
    REFUSAL = 10
    ALERT = 11


class Side(IntEnum):
    """Signed direction: multiply a quantity by it."""

    SELL = -1
    BUY = 1


class Aggressor(IntEnum):
    """Who took liquidity in a public trade."""

    UNKNOWN = 0
    BUYER = 1
    SELLER = 2


class OrderType(IntEnum):
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TAKE_PROFIT = 5
    TAKE_PROFIT_LIMIT = 6
    TRAILING_STOP = 7


class TimeInForce(IntEnum):
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4


class OrderFlag(IntEnum):
    """Bits of `order_flags` of a command and of an order."""

    SELL = 1
    POST_ONLY = 2
    REDUCE_ONLY = 4


class FillFlag(IntEnum):
    """Bits of `fill_flags` of a fill."""

    SELL = 1
    MAKER = 2
    FEE_IN_BASE = 4


class OrderStatus(IntEnum):
    """The life cycle of an order; what may follow what is the table in `engine.orders`."""

    NONE = 0
    PENDING = 1
    SENT = 2
    ACCEPTED = 3
    PARTIALLY_FILLED = 4
    FILLED = 5
    PENDING_CANCEL = 6
    CANCELED = 7
    REJECTED = 8
    EXPIRED = 9
    UNKNOWN = 10


class Action(IntEnum):
    """What a strategy asks for."""

    HOLD = 0
    BUY = 1
    SELL = 2
    CLOSE = 3


class InstrumentKind(IntEnum):
    SPOT = 0
    LINEAR = 1


class AccountKind(IntEnum):
    CASH = 0
    MARGIN = 1


class TradingState(IntEnum):
    ACTIVE = 0
    REDUCE_ONLY = 1
    HALTED = 2


class OperatorAction(IntEnum):
    KILL = 1
    RESUME = 2
    REDUCE_ONLY = 3
    CANCEL_ALL = 4
    CLOSE = 5
    FLATTEN = 6
    RESET_BREAKER = 7


class FundingBasis(IntEnum):
    """Whether a funding event carries a rate for every holder or the amount one account was paid."""

    RATE = 0
    AMOUNT = 1


class Setting(IntEnum):
    """What a configuration event sets; its scope is the record's instrument, account or strategy."""

    TRADING_STATE = 1
    STRATEGY_ENABLED = 2
    ORDER_QUANTITY_LOTS = 3
    SHORT_ALLOWED = 4
