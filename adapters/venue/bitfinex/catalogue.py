"""The lists of pairs and currencies (`conf`), as far as markets are loaded from them."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from adapters.venue.bitfinex.errors import invalid
from adapters.venue.bitfinex.names import CODES, DERIVATIVE, Market
from adapters.venue.bitfinex.numbers import Number, number

_PPM = 1_000_000
# What is said of an instrument without a largest order.
_QUANTITY_UNLIMITED = "100000000.0"


def catalogue(markets: Sequence[Market], labels: str) -> list[object]:
    """What `conf/label,label` answers: one entry for each label. Raises Refused."""
    wanted = labels.split(",")
    if any(label not in _LISTS for label in wanted):
        raise invalid("conf")
    return [_LISTS[label](markets) for label in wanted]


def _spot(markets: Sequence[Market]) -> list[Market]:
    return [market for market in markets if not market.is_derivative]


def _derivatives(markets: Sequence[Market]) -> list[Market]:
    return [market for market in markets if market.is_derivative]


def _pairs(markets: Sequence[Market]) -> list[object]:
    return [market.pair for market in markets]


def _terms(market: Market, length: int) -> list[object]:
    """[pair, [..., smallest order, largest order, ..., initial margin, maintenance margin, ...]]."""
    instrument = market.instrument
    terms: list[object] = [None] * length
    terms[3] = _size(market, max(instrument.quantity_min_lots, instrument.quantity_step_lots))
    terms[4] = _size(market, instrument.quantity_max_lots) if instrument.quantity_max_lots else _QUANTITY_UNLIMITED
    if market.on_margin:
        terms[8] = _ratio(instrument.margin_initial_ppm)
        terms[9] = _ratio(instrument.margin_maintenance_ppm)
    return [market.pair, terms]


def _size(market: Market, lots: int) -> str:
    text = f"{(market.instrument.lot_size * lots).normalize():f}"
    return text if "." in text else f"{text}.0"


def _ratio(ppm: int) -> Number:
    return number(Decimal(ppm) / _PPM)


def _currencies(markets: Sequence[Market]) -> list[str]:
    return sorted({name for market in markets for name in (market.base, market.quote)})


def _symbols(markets: Sequence[Market]) -> list[object]:
    """What Bitfinex's codes stand for."""
    codes = {code: name for name, code in CODES.items()}
    return [[name, codes[name]] for name in _currencies(markets) if name in codes]


def _underlying(markets: Sequence[Market]) -> list[object]:
    return [[name, name.removesuffix(DERIVATIVE)] for name in _currencies(markets) if name.endswith(DERIVATIVE)]


def _nothing(_: Sequence[Market]) -> list[object]:
    return []


_LISTS: dict[str, Callable[[Sequence[Market]], object]] = {
    "pub:info:pair": lambda markets: [_terms(market, 12) for market in _spot(markets)],
    "pub:info:pair:futures": lambda markets: [_terms(market, 10) for market in _derivatives(markets)],
    "pub:list:pair:exchange": lambda markets: _pairs(_spot(markets)),
    "pub:list:pair:margin": lambda markets: _pairs([market for market in _spot(markets) if market.on_margin]),
    "pub:list:pair:futures": lambda markets: _pairs(_derivatives(markets)),
    "pub:list:pair:securities": _nothing,
    "pub:list:currency": _currencies,
    "pub:list:currency:margin": lambda markets: sorted({m.quote for m in markets if m.on_margin}),
    "pub:map:currency:sym": _symbols,
    "pub:map:currency:undl": _underlying,
    "pub:map:currency:label": _nothing,
    "pub:map:currency:unit": _nothing,
    "pub:map:currency:pool": _nothing,
    "pub:map:currency:explorer": _nothing,
    "pub:map:currency:tx:fee": _nothing,
    "pub:map:tx:method": _nothing,
    "pub:info:tx:status": _nothing,
}
