"""Instruments under Binance's names, with the scales of their prices, quantities and money."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.configuration import Account, Instrument
from adapters.errors import UserError
from adapters.venue.amounts import Scale, ratio_text, unit_scale
from adapters.venue.binanceusdm.errors import BinanceError


@dataclass(frozen=True)
class Symbol:
    """An instrument as Binance knows it; `name` is BTCUSDT for BTC/USDT:USDT."""

    name: str
    instrument: Instrument
    asset: str
    prices: Scale
    quantities: Scale
    money: Scale

    @property
    def number(self) -> int:
        return self.instrument.number

    def cost_text(self, ticks_lots: int) -> str:
        """The money value of so many ticks times lots."""
        return self.money.text(ticks_lots * self.instrument.tick_lot_units)

    def price_of(self, ticks_lots: int, lots: int) -> str:
        """An average price."""
        return ratio_text(ticks_lots, lots, self.instrument.tick_size)

    def entry_text(self, cost_units: int, lots: int) -> str:
        """The price at which a position was entered."""
        return ratio_text(cost_units, lots * self.instrument.tick_lot_units, self.instrument.tick_size)


class Symbols:
    """All of a venue's instruments, by number and by name."""

    def __init__(self, accounts: Sequence[Account], instruments: Sequence[Instrument]) -> None:
        """Raises UserError for an instrument that Binance has no way to state."""
        self.all = [_symbol(accounts[instrument.account], instrument) for instrument in instruments]
        self._by_name = {symbol.name: symbol for symbol in self.all}

    def __getitem__(self, number: int) -> Symbol:
        return self.all[number]

    def named(self, name: str) -> Symbol:
        symbol = self._by_name.get(name)
        if symbol is None:
            raise BinanceError(-1121, "Invalid symbol.")
        return symbol


def _symbol(account: Account, instrument: Instrument) -> Symbol:
    if instrument.multiplier != 1:
        raise UserError(f"{instrument.symbol}: expected a multiplier of 1 at Binance, found {instrument.multiplier}")
    return Symbol(
        name=f"{instrument.base_currency}{instrument.quote_currency}",
        instrument=instrument,
        asset=instrument.settlement_currency,
        prices=Scale(instrument.tick_size),
        quantities=Scale(instrument.lot_size),
        money=unit_scale(account.money_decimals),
    )
