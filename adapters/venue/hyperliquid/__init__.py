"""The venue's face of Hyperliquid's perpetuals, as far as ccxt uses it: cross margin, wallets that sign."""

from adapters.venue.hyperliquid.coins import default_configuration
from adapters.venue.hyperliquid.face import CLIENT_ID_KEPT_NS, HyperliquidFace, wallets

__all__ = ["CLIENT_ID_KEPT_NS", "HyperliquidFace", "default_configuration", "wallets"]
