"""Instruments and amounts as Hyperliquid states them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.errors import UserError
from adapters.venue.hyperliquid import default_configuration
from adapters.venue.hyperliquid.coins import amount, coins_of, parsed_amount
from engine.kinds import InstrumentKind

CONFIGURATION = default_configuration()
BTC, ETH = coins_of(CONFIGURATION.accounts, CONFIGURATION.instruments)


@pytest.mark.parametrize(
    ("value", "text"),
    [("50000", "50000.0"), ("0.10", "0.1"), ("-0.5", "-0.5"), ("0", "0.0"), ("1E+3", "1000.0"), ("1E-5", "0.00001")],
)
def test_amounts_have_one_place_at_least(value, text):
    assert amount(Decimal(value)) == text


@pytest.mark.parametrize("text", ["", "x", "-1", "NaN", "Infinity", "1e15", "1e999999999"])
def test_what_is_no_amount_is_none(text):
    assert parsed_amount(text) is None


def test_prices_have_five_digits_or_none_after_the_point():
    finer = replace(ETH, instrument=replace(ETH.instrument, tick_size=Decimal("0.01")))
    assert finer.ticks(Decimal("999.99")) == 99_999
    assert finer.ticks(Decimal("1000.01")) == 0
    assert finer.ticks(Decimal("123456")) == 12_345_600
    assert ETH.ticks(Decimal("3000.05")) == 0
    assert (BTC.lots(Decimal("0.00001")), BTC.lots(Decimal("0.000001"))) == (1, -1)


def test_an_average_price_is_rounded():
    assert BTC.average_price(Decimal(200_001), 3) == "66667.0"
    assert BTC.average_price(Decimal(200_002), 3) == "66667.333333"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": InstrumentKind.SPOT}, "expected a linear one named like BTC/USDC:USDC"),
        ({"symbol": "BTC/USDT:USDT"}, "expected a linear one named like BTC/USDC:USDC"),
        ({"multiplier": Decimal(10)}, "multiplier: expected 1"),
        ({"lot_size": Decimal("0.002")}, "lot_size: expected 1 or one like 0.01"),
        ({"lot_size": Decimal(10)}, "lot_size: expected 1 or one like 0.01"),
    ],
)
def test_what_hyperliquid_has_not_is_refused(changed, message):
    instrument = replace(CONFIGURATION.instruments[0], **changed)
    with pytest.raises(UserError, match=message):
        coins_of(CONFIGURATION.accounts, [instrument])
    with pytest.raises(UserError, match="accounts: expected one for everything"):
        coins_of([*CONFIGURATION.accounts, *CONFIGURATION.accounts], [])
