"""Bitfinex: stream messages to events, commands to requests, error texts to reasons."""

from adapters.exchanges.bitfinex.client import Bitfinex
from adapters.exchanges.bitfinex.messages import BitfinexMessages

__all__ = ["Bitfinex", "BitfinexMessages"]
