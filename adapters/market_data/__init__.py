"""Market data files as event records, several sources merged in order of time."""

from adapters.market_data.merge import MarketData, market_events, merged
from adapters.market_data.report import Fault, LoadReport

__all__ = ["Fault", "LoadReport", "MarketData", "market_events", "merged"]
