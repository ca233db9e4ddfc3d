"""Bitfinex's names: `BTC/USDT:USDT` is tBTCF0:USTF0 there, and its money USTF0 in the margin wallet."""

from dataclasses import dataclass

from adapters.configuration import Account, Instrument
from engine.kinds import AccountKind

# Where Bitfinex has a code of its own for a currency; all others are called what everybody calls them.
CODES = {
    "USDT": "UST",
    "USDC": "UDC",
    "TUSD": "TSD",
    "ALGO": "ALG",
    "AMPL": "AMP",
    "ATOM": "ATO",
    "DASH": "DSH",
    "IOTA": "IOT",
    "MANA": "MNA",
    "QTUM": "QTM",
}
DERIVATIVE = "F0"


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument as Bitfinex calls it: `pair` is `symbol` without its t, and `base` and `quote` are its currencies.

    On margin are derivatives and pairs whose account is one; their orders are LIMIT, and EXCHANGE LIMIT elsewhere.
    """

    instrument: Instrument
    pair: str
    base: str
    quote: str
    is_derivative: bool
    on_margin: bool

    @property
    def symbol(self) -> str:
        return f"t{self.pair}"

    @property
    def wallet(self) -> str:
        return "margin" if self.on_margin else "exchange"


def market_of(instrument: Instrument, account: Account) -> Market:
    """A derivative is what has a settlement currency in its symbol."""
    derivative = ":" in instrument.symbol
    suffix = DERIVATIVE if derivative else ""
    base = CODES.get(instrument.base_currency, instrument.base_currency) + suffix
    quote = CODES.get(instrument.quote_currency, instrument.quote_currency) + suffix
    pair = base + quote if len(base) == len(quote) == 3 else f"{base}:{quote}"
    return Market(instrument, pair, base, quote, derivative, account.kind == AccountKind.MARGIN)
