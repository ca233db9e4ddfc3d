"""The client's signatures are those that ccxt makes."""

import random
from typing import Any

import pytest
from ccxt.pro.hyperliquid import hyperliquid

from adapters.exchanges.hyperliquid.signing import QuickSigning


class Quick(QuickSigning, hyperliquid):
    pass


def an_action(chance: random.Random) -> dict[str, Any]:
    terms = {"limit": {"tif": chance.choice(["Gtc", "Alo", "Ioc"])}}
    order = {"a": chance.randrange(300), "b": chance.random() < 0.5, "p": f"{chance.randrange(1, 99999)}", "s": "0.01"}
    order |= {"r": False, "t": terms, "c": f"0x{chance.getrandbits(128):032x}"}
    return {"type": "order", "orders": [order], "grouping": "na"}


@pytest.mark.parametrize("expires", [None, 1_700_000_005_000])
def test_a_signature_is_that_of_ccxt(expires: int | None) -> None:
    chance = random.Random(5)
    for _ in range(5):
        keys = {"walletAddress": "0x" + "11" * 20, "privateKey": f"0x{chance.getrandbits(256):064x}"}
        action, nonce = an_action(chance), 1_700_000_000_000 + chance.randrange(10**9)
        signed = Quick(keys).sign_l1_action(action, nonce, None, expires)
        assert signed == hyperliquid(keys).sign_l1_action(action, nonce, None, expires)
        assert signed != Quick(keys).sign_l1_action(action, nonce + 1, None, expires)
