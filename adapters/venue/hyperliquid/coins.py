"""Instruments as Hyperliquid knows them: a coin's name, its place as the asset's number, amounts as decimal texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from adapters.configuration import Account, Configuration, Instrument, parse_configuration
from adapters.errors import UserError
from engine.kinds import InstrumentKind

CURRENCY = "USDC"

_PPM = 1_000_000
_PRICE_DIGITS = 5
_PRICE_DECIMALS = 6
_AMOUNT_MAX = 10**15

_DEFAULT = """
[run]
name = "venue"

[[accounts]]
name = "margin"
kind = "margin"
currency = "USDC"
balance = "100000"

[[instruments]]
symbol = "BTC/USDC:USDC"
account = "margin"
kind = "linear"
tick_size = "1"
lot_size = "0.00001"
notional_min = "10"
maker_fee_bps = "1.5"
taker_fee_bps = "4.5"
margin_initial = "0.025"
margin_maintenance = "0.0125"

[[instruments]]
symbol = "ETH/USDC:USDC"
account = "margin"
kind = "linear"
tick_size = "0.1"
lot_size = "0.0001"
notional_min = "10"
maker_fee_bps = "1.5"
taker_fee_bps = "4.5"
margin_initial = "0.04"
margin_maintenance = "0.02"
"""


def default_configuration() -> Configuration:
    """BTC and ETH with Hyperliquid's sizes and lowest fees, at prices of five digits before the point, and of four."""
    return parse_configuration(_DEFAULT, Path("venue.toml"))


@dataclass(frozen=True, slots=True)
class Coin:
    """An instrument with its name there. `size_decimals` is what a size may have after the point."""

    name: str
    instrument: Instrument
    size_decimals: int
    money_decimals: int

    @property
    def leverage_max(self) -> int:
        return _PPM // self.instrument.margin_initial_ppm

    def price(self, ticks: int) -> str:
        return amount(ticks * self.instrument.tick_size)

    def size(self, lots: int) -> str:
        return amount(lots * self.instrument.lot_size)

    def money(self, units: int) -> str:
        return amount(Decimal(units).scaleb(-self.money_decimals))

    def average_price(self, ticks_lots: Decimal, lots: int) -> str:
        """The price of several trades: the sum of price times size, by their size."""
        return amount(round(ticks_lots * self.instrument.tick_size / lots, _PRICE_DECIMALS))

    def ticks(self, price: Decimal) -> int:
        """How many ticks a price is, 0 where it is not a whole number of them or has too many digits."""
        if price <= 0 or (price != int(price) and len(price.normalize().as_tuple().digits) > _PRICE_DIGITS):
            return 0
        count = price / self.instrument.tick_size
        return int(count) if count == int(count) else 0

    def lots(self, size: Decimal) -> int:
        """How many lots a size is, -1 where it is not a whole number of them."""
        count = size / self.instrument.lot_size
        return int(count) if count == int(count) else -1


def coins_of(accounts: Sequence[Account], instruments: Sequence[Instrument]) -> list[Coin]:
    """By asset. Raises UserError where there is what Hyperliquid has not."""
    if len(accounts) != 1:
        raise UserError(f"accounts: expected one for everything at Hyperliquid, found {len(accounts)}")
    return [_coin(instrument, accounts[0].money_decimals) for instrument in instruments]


def by_name(coins: Sequence[Coin]) -> dict[str, Coin]:
    return {coin.name: coin for coin in coins}


def _coin(instrument: Instrument, money_decimals: int) -> Coin:
    name = instrument.symbol.partition("/")[0]
    where = f"instrument {instrument.symbol}"
    if instrument.kind != InstrumentKind.LINEAR or instrument.symbol != f"{name}/{CURRENCY}:{CURRENCY}":
        raise UserError(f"{where}: expected a linear one named like BTC/{CURRENCY}:{CURRENCY} at Hyperliquid")
    if instrument.multiplier != 1:
        raise UserError(f"{where}: multiplier: expected 1 at Hyperliquid, found {instrument.multiplier}")
    sign, digits, exponent = instrument.lot_size.normalize().as_tuple()
    assert sign == 0 and isinstance(exponent, int), "a configured lot is a positive number"
    if digits != (1,) or exponent > 0:
        raise UserError(f"{where}: lot_size: expected 1 or one like 0.01 at Hyperliquid, found {instrument.lot_size}")
    return Coin(name, instrument, -exponent, money_decimals)


def amount(value: Decimal) -> str:
    """As Hyperliquid writes numbers: no zeros at the end, but always one place after the point."""
    text = format(value.normalize(), "f")
    return text if "." in text else f"{text}.0"


def parsed_amount(text: str) -> Decimal | None:
    """A number of a request; None for what is none, or too large for one."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 <= value < _AMOUNT_MAX else None
