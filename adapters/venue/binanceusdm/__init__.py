"""The venue's face of Binance USD-M futures, as far as ccxt uses it: one-way positions, cross margin."""

from adapters.venue.binanceusdm.face import BinanceFace

__all__ = ["BinanceFace"]
