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
    ORDER_REQUESTED = 12
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
    ORDER_ADOPTED = 53
    NOTICE = 54


class DecisionKind(IntEnum):
    """What the fold decided on an event."""

    PLACE_ORDER = 1
    CANCEL_ORDER = 2
    AMEND_ORDER = 3
    RELEASE_ORDER = 4
    REFUSAL = 10
    ALERT = 11
    SIGNALS_COMBINED = 12
    ORDER_SIZED = 13
    BREAKER_TRIPPED = 14
    BREAKER_CHANGED = 15
    RISK_LEVEL_CHANGED = 16
    BRACKET_CHANGED = 17
    TRANSPORT_CHANGED = 18


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
    HELD_BY_ENGINE = 8


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
    HELD = 11


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
    ENABLE_STRATEGY = 8
    DISABLE_BREAKER = 9


class FundingBasis(IntEnum):
    """Whether a funding event carries a rate for every holder or the amount one account was paid."""

    RATE = 0
    AMOUNT = 1


class OrderRole(IntEnum):
    """What an order is for. Legs (STOP and later) wait beside a position and do not count as on their way."""

    ENTRY = 0
    EXIT = 1
    STOP = 2
    TARGET = 3
    GROUPED = 4


class SignalMode(IntEnum):
    """How an instrument acts on signals: each opens a position, or all together name a share of the equity."""

    ENTRIES = 0
    TARGETS = 1


class SizingMethod(IntEnum):
    FIXED_QUANTITY = 0
    FIXED_AMOUNT = 1
    FIXED_FRACTION = 2
    RISK_BASED = 3
    VOLATILITY_BASED = 4
    KELLY = 5


class SizeLimit(IntEnum):
    """Which limit bound a size; recorded with every size."""

    NONE = 0
    POSITION_WEIGHT = 1
    POSITION_QUANTITY = 2
    ORDER_QUANTITY = 3
    ORDER_NOTIONAL = 4
    FUNDS = 5
    LOT_STEP = 6


class Distance(IntEnum):
    """What a distance of a bracket is measured in; its value is then ticks, ppm of the price, or ppm of the ATR."""

    NONE = 0
    SIGNAL = 1
    TICKS = 2
    PPM = 3
    ATR = 4


class GroupKind(IntEnum):
    """What ties orders together."""

    NONE = 0
    BRACKET = 1
    OCO = 2
    OTO = 3


class BracketStatus(IntEnum):
    NONE = 0
    WAITING = 1
    OPEN = 2
    CLOSING = 3
    CLOSED = 4


class BracketChange(IntEnum):
    """What a BRACKET_CHANGED decision says."""

    OPENED = 1
    STOP_MOVED = 2
    BREAK_EVEN = 3
    TIME_LIMIT = 4
    LEG_LOST = 5
    CUT = 6
    REPAIRED = 7
    CLOSED = 8


class LegPolicy(IntEnum):
    """What to do when the exchange rejects a leg or loses it."""

    REPLACE = 0
    CLOSE = 1


class RiskLevel(IntEnum):
    NORMAL = 0
    REDUCED = 1
    MINIMAL = 2
    STOPPED = 3


class Scope(IntEnum):
    """What a breaker watches and acts upon; its `scope_id` is the number of the account, instrument or strategy.

    An exchange is the account at it.
    """

    EVERYTHING = 0
    ACCOUNT = 1
    INSTRUMENT = 2
    STRATEGY = 3


class Condition(IntEnum):
    """What a breaker watches. Its limit is in the unit named here."""

    ACCOUNT_DRAWDOWN = 1  # ppm of the peak
    POSITION_LOSS = 2  # ppm of the position's cost
    DAILY_LOSS = 3  # ppm of the equity at the start of the day
    WEEKLY_LOSS = 4  # ppm of the equity at the start of the week
    LOSING_STREAK = 5  # trades
    VOLATILITY = 6  # ppm a sample
    PRICE_JUMP = 7  # ppm in the window
    SPREAD = 8  # ppm of the middle
    STALE_DATA = 9  # ns
    EXPOSURE = 10  # ppm of the equity
    MARGIN_RATIO = 11  # ppm of the equity
    REJECTS = 12  # count in the window
    REQUEST_FAILURES = 13  # count in the window
    FILL_SLIPPAGE = 14  # ppm of the price when it was ordered
    CLOCK_SKEW = 15  # ns
    RECONCILIATION = 16  # lots


class BreakerAction(IntEnum):
    """Bits of a breaker's actions."""

    ALERT = 1
    BLOCK_ENTRIES = 2
    REDUCE_ONLY = 4
    CANCEL_ORDERS = 8
    CLOSE_POSITION = 16
    CLOSE_EVERYTHING = 32
    KILL_SWITCH = 64


class BreakerStatus(IntEnum):
    NONE = 0
    DISABLED = 1
    ARMED = 2
    TRIPPED = 3
    COOLING = 4
    LATCHED = 5


class RearmRule(IntEnum):
    """When a tripped breaker is armed again."""

    OPERATOR = 0
    COOLDOWN = 1
    CLEAR = 2
    NEXT_DAY = 3


class TransportStatus(IntEnum):
    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class RequestFailure(IntEnum):
    """Why a request to an exchange failed."""

    OTHER = 0
    TIMEOUT = 1
    RATE_LIMITED = 2
    SERVER_ERROR = 3
    MALFORMED = 4
    CONNECTION = 5


class Setting(IntEnum):
    """What a configuration event sets; its scope is the record's instrument, account or strategy.

    These have a meaning of their own; the rest are rules, one number each, in `engine.rules`.
    """

    TRADING_STATE = 1
    STRATEGY_ENABLED = 2
    ORDER_QUANTITY_LOTS = 3
    SHORT_ALLOWED = 4
