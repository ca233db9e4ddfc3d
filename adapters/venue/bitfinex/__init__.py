"""The venue's face of Bitfinex, as far as ccxt uses it: derivatives, pairs on margin, pairs bought outright."""

from adapters.venue.bitfinex.face import BitfinexFace

__all__ = ["BitfinexFace"]
