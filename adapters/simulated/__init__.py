"""The simulated exchange: compiled, with a state record of its own; see docs/simulated-exchange.md.

Commands go in with `submit` and act at `execute_arrival`; a market record is one `begin_market` and then
`continue_market` until it returns 0; what happened is collected with `take_report`. All of them are kernels on
a row of the `EXCHANGE` record, whose bytes `build_exchange` makes.
"""

from adapters.simulated.arrivals import execute_arrival
from adapters.simulated.market import begin_market, continue_market
from adapters.simulated.rings import is_idle, next_arrival_ns, next_report_ns, submit, take_report
from adapters.simulated.state import (
    EXCHANGE,
    AccountTerms,
    ExchangeFault,
    ExchangeTerms,
    InstrumentTerms,
    SlippageModel,
    build_exchange,
    exchange_layout,
)

__all__ = [
    "EXCHANGE",
    "AccountTerms",
    "ExchangeFault",
    "ExchangeTerms",
    "InstrumentTerms",
    "SlippageModel",
    "begin_market",
    "build_exchange",
    "continue_market",
    "exchange_layout",
    "execute_arrival",
    "is_idle",
    "next_arrival_ns",
    "next_report_ns",
    "submit",
    "take_report",
]
