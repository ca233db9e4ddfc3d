"""Binance USD-M futures: stream messages to events, commands to requests, error codes to reasons."""

from adapters.exchanges.binanceusdm.client import BinanceUsdm
from adapters.exchanges.binanceusdm.messages import BinanceMessages

__all__ = ["BinanceMessages", "BinanceUsdm"]
