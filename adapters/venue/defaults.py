"""What a venue trades where no configuration says otherwise: two perpetual futures of a seeded random market."""

from pathlib import Path

from adapters.configuration import Configuration, parse_configuration

_TEXT = """
[run]
name = "venue"

[[accounts]]
name = "margin"
kind = "margin"
currency = "{currency}"
balance = "100000"

[[instruments]]
symbol = "BTC/{currency}:{currency}"
account = "margin"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
quantity_max = "1000"
notional_min = "{notional_min}"
maker_fee_bps = 2
taker_fee_bps = 5
margin_initial = "0.05"
margin_maintenance = "0.025"

[[instruments]]
symbol = "ETH/{currency}:{currency}"
account = "margin"
kind = "linear"
tick_size = "0.01"
lot_size = "0.001"
quantity_max = "10000"
notional_min = "{notional_min}"
maker_fee_bps = 2
taker_fee_bps = 5
margin_initial = "0.05"
margin_maintenance = "0.025"
"""


def default_configuration(currency: str, notional_min: str = "5") -> Configuration:
    """BTC and ETH against a currency, and 100,000 of it for each customer."""
    text = _TEXT.format(currency=currency, notional_min=notional_min)
    return parse_configuration(text, Path("venue.toml"))
