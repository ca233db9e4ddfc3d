"""Client ids: each exchange's format, and back to the order's number."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchanges.client_ids import ClientIds

IDS = ClientIds("0123456789abcdef0123456789abcdef")
OTHER = ClientIds("fedcba98765432100123456789abcdee")


@given(st.integers(1, (1 << 26) - 1))
def test_an_id_names_its_order(order: int) -> None:
    assert IDS.order_of_binance(IDS.binance(order)) == order
    assert IDS.order_of_bitfinex(IDS.bitfinex(order)) == order
    assert IDS.order_of_hyperliquid(IDS.hyperliquid(order)) == order


@given(st.integers(1, (1 << 26) - 1))
def test_ids_have_the_formats_of_their_exchanges(order: int) -> None:
    assert re.fullmatch(r"[\.A-Z\:/a-z0-9_-]{1,36}", IDS.binance(order))
    assert 0 < IDS.bitfinex(order) < 1 << 45
    assert re.fullmatch(r"0x[0-9a-f]{32}", IDS.hyperliquid(order))


def test_ids_of_others_are_of_no_order() -> None:
    assert IDS.order_of_binance(OTHER.binance(7)) == 0
    assert IDS.order_of_bitfinex(OTHER.bitfinex(7)) == 0
    assert IDS.order_of_hyperliquid(OTHER.hyperliquid(7)) == 0
    for foreign in ("", "web_123", "tf-0123456789ab-", "tf-0123456789ab-x", "x-0123456789ab-7"):
        assert IDS.order_of_binance(foreign) == 0
    for foreign in ("", "0x", "0x" + "f" * 32, "0x0123456789abcdef0123zzzzzzzzzzzz"):
        assert IDS.order_of_hyperliquid(foreign) == 0


def test_a_tape_with_too_many_orders_for_bitfinex_is_refused() -> None:
    with pytest.raises(OverflowError, match="room"):
        IDS.bitfinex(1 << 26)
