"""Hyperliquid: stream messages to events, commands to signed actions, error texts to reasons."""

from adapters.exchanges.hyperliquid.client import Hyperliquid
from adapters.exchanges.hyperliquid.messages import HyperliquidMessages

__all__ = ["Hyperliquid", "HyperliquidMessages"]
