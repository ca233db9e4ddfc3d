"""What a customer writes into an order: types, flags, prices and ids of its own."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from adapters.venue.bitfinex.errors import invalid, invalid_order
from adapters.venue.bitfinex.names import Market
from adapters.venue.bitfinex.numbers import lots_of, milliseconds, ticks_of, whole_number_of
from adapters.venue.orders import OrderRequest, VenueOrder
from engine.kinds import OrderType, Side, TimeInForce

HIDDEN = 64
REDUCE_ONLY = 1024
POST_ONLY = 4096
NO_VARIABLE_RATES = 524288
# Nothing here is shown in a book, and nothing is lent, so two of the flags change nothing. Closing and
# one-cancels-other (512, 16384) would: they are refused.
_FLAGS_TAKEN = HIDDEN | REDUCE_ONLY | POST_ONLY | NO_VARIABLE_RATES

_EXCHANGE = "EXCHANGE "
_TYPES = {
    "LIMIT": (OrderType.LIMIT, TimeInForce.GTC),
    "MARKET": (OrderType.MARKET, TimeInForce.GTC),
    "STOP": (OrderType.STOP, TimeInForce.GTC),
    "STOP LIMIT": (OrderType.STOP_LIMIT, TimeInForce.GTC),
    "TRAILING STOP": (OrderType.TRAILING_STOP, TimeInForce.GTC),
    "FOK": (OrderType.LIMIT, TimeInForce.FOK),
    "IOC": (OrderType.LIMIT, TimeInForce.IOC),
}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_CLIENT_ID_MAX = (1 << 45) - 1
_LEVERAGE_MAX = 100


class Labels(NamedTuple):
    """What an order is called and shows, and what nobody acts on. Client ids may repeat: the exchange takes any."""

    client_id: int
    group: int | None
    leverage: int | None

    def pack(self, serial: int) -> str:
        """As the venue's client id, which the serial number keeps from repeating."""
        return f"{self.client_id}/{self.group or ''}/{self.leverage or ''}/{serial}"


def labels_of(order: VenueOrder) -> Labels:
    client_id, group, leverage, _ = order.client_id.split("/")
    return Labels(int(client_id), int(group) if group else None, int(leverage) if leverage else None)


def type_name(market: Market, order_type: OrderType, time_in_force: TimeInForce) -> str:
    """`LIMIT` of a derivative, `EXCHANGE LIMIT` of what is bought outright."""
    plain = TimeInForce.GTC if time_in_force == TimeInForce.GTD else time_in_force
    return ("" if market.on_margin else _EXCHANGE) + _NAMES[order_type, plain]


def read_order(market: Market, form: Mapping[str, Any], now_ns: int, serial: int) -> OrderRequest:
    """The order that a form asks for; no two have the same serial number. Raises Refused."""
    order_type, time_in_force = _read_type(market, form)
    lots = lots_of(market.instrument, "amount", form.get("amount"))
    if lots == 0:
        raise invalid("amount")
    flags = _read_flags(form)
    expire_ts_ns = _read_expiry(form)
    if expire_ts_ns and time_in_force != TimeInForce.GTC:
        raise invalid("tif")
    labels = Labels(
        _client_id(form, milliseconds(now_ns)), _group(form), _leverage(form) if market.is_derivative else None
    )
    limit_ticks, trigger_ticks, trail_ticks = _read_prices(market, order_type, form)
    return OrderRequest(
        instrument=market.instrument.number,
        side=Side.BUY if lots > 0 else Side.SELL,
        order_type=order_type,
        quantity_lots=abs(lots),
        limit_ticks=limit_ticks,
        trigger_ticks=trigger_ticks,
        trail_ticks=trail_ticks,
        time_in_force=TimeInForce.GTD if expire_ts_ns else time_in_force,
        expire_ts_ns=expire_ts_ns,
        post_only=bool(flags & POST_ONLY),
        reduce_only=bool(flags & REDUCE_ONLY),
        client_id=labels.pack(serial),
    )


def _read_type(market: Market, form: Mapping[str, Any]) -> tuple[OrderType, TimeInForce]:
    name = form.get("type")
    if not isinstance(name, str) or name.removeprefix(_EXCHANGE) not in _TYPES:
        raise invalid("type")
    if name.startswith(_EXCHANGE) == market.on_margin:
        # The order would trade from the other wallet, and there is nothing in it.
        wallet = "tradable" if market.wallet == "exchange" else "exchange"
        raise invalid_order(f"not enough {wallet} balance for {form.get('amount')} {market.pair}")
    return _TYPES[name.removeprefix(_EXCHANGE)]


def _read_prices(market: Market, order_type: OrderType, form: Mapping[str, Any]) -> tuple[int, int, int]:
    """Limit, trigger and trail: the price is the trigger of what waits for one."""
    if order_type == OrderType.MARKET:
        return 0, 0, 0
    if order_type == OrderType.TRAILING_STOP:
        return 0, 0, _ticks(market, form, "price_trailing")
    price = _ticks(market, form, "price")
    if order_type == OrderType.LIMIT:
        return price, 0, 0
    if order_type == OrderType.STOP:
        return 0, price, 0
    return _ticks(market, form, "price_aux_limit"), price, 0


def _ticks(market: Market, form: Mapping[str, Any], field: str) -> int:
    ticks = ticks_of(market.instrument, field, form.get(field))
    if ticks <= 0:
        raise invalid(field)
    return ticks


def _read_flags(form: Mapping[str, Any]) -> int:
    flags = whole_number_of("flags", form.get("flags") or 0)
    if flags & ~_FLAGS_TAKEN:
        raise invalid("flags")
    return flags


def _read_expiry(form: Mapping[str, Any]) -> int:
    """Nanoseconds since 1970 of `tif`: milliseconds, or a date and time of UTC; 0 where there is none."""
    value = form.get("tif")
    if value is None:
        return 0
    if isinstance(value, str) and not value.isdecimal():
        try:
            return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()) * 10**9
        except ValueError:
            raise invalid("tif") from None
    return whole_number_of("tif", value) * 1_000_000


def _client_id(form: Mapping[str, Any], otherwise: int) -> int:
    value = form.get("cid")
    client_id = otherwise if value is None else whole_number_of("cid", value)
    if not 0 <= client_id <= _CLIENT_ID_MAX:
        raise invalid("cid")
    return client_id


def _group(form: Mapping[str, Any]) -> int | None:
    value = form.get("gid")
    return None if value is None else whole_number_of("gid", value)


def _leverage(form: Mapping[str, Any]) -> int | None:
    """It is checked and shown; the margin that an order needs is the instrument's."""
    value = form.get("lev")
    if value is None:
        return None
    leverage = whole_number_of("lev", value)
    if not 1 <= leverage <= _LEVERAGE_MAX:
        raise invalid("lev")
    return leverage
