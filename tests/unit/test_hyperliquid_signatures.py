"""Signatures and nonces of the venue's Hyperliquid face, against the vectors that Hyperliquid publishes."""

import ccxt
import pytest

from adapters.venue.hyperliquid.signatures import Nonces, SignatureUnreadable, action_hash, address_of, sign, signer

KEY = bytes.fromhex("0123456789012345678901234567890123456789012345678901234567890123")
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def order_action(terms, **more):
    order = {"a": 1, "b": True, "p": "100", "s": "100", "r": False, "t": terms, **more}
    return {"type": "order", "orders": [order], "grouping": "na"}


# From the tests of Hyperliquid's own library (main net, nonce 0).
PUBLISHED = [
    (
        {"type": "dummy", "num": 100_000_000_000},
        "",
        "0x53749d5b30552aeb2fca34b530185976545bb22d0b3ce6f62e31be961a59298",
        "0x755c40ba9bf05223521753995abb2f73ab3229be8ec921f350cb447e384d8ed8",
        27,
    ),
    (
        {"type": "dummy", "num": 100_000_000_000},
        VAULT,
        "0x3c548db75e479f8012acf3000ca3a6b05606bc2ec0c29c50c515066a326239",
        "0x4d402be7396ce74fbba3795769cda45aec00dc3125a984f2a9f23177b190da2c",
        28,
    ),
    (
        order_action({"limit": {"tif": "Gtc"}}),
        "",
        "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
        "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
        28,
    ),
    (
        order_action({"limit": {"tif": "Gtc"}}, c="0x00000000000000000000000000000001"),
        "",
        "0x41ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3",
        "0x3c61f667e747404fe7eea8f90ab0e76cc12ce60270438b2058324681a00116da",
        27,
    ),
    (
        order_action({"trigger": {"isMarket": True, "triggerPx": "103", "tpsl": "sl"}}),
        "",
        "0x98343f2b5ae8e26bb2587daad3863bc70d8792b09af1841b6fdd530a2065a3f9",
        "0x6b5bb6bb0633b710aa22b721dd9dee6d083646a5f8e581a20b545be6c1feb405",
        27,
    ),
    (
        {"type": "scheduleCancel", "time": 123_456_789},
        "",
        "0x609cb20c737945d070716dcc696ba030e9976fcf5edad87afa7d877493109d55",
        "0x16c685d63b5c7a04512d73f183b3d7a00da5406ff1f8aad33f8ae2163bab758b",
        28,
    ),
]


@pytest.mark.parametrize(("action", "vault", "r", "s", "v"), PUBLISHED)
def test_the_published_signatures_name_their_signer(action, vault, r, s, v):
    hashed = action_hash(action, 0, vault)
    assert signer(hashed, {"r": r, "s": s, "v": v}) == address_of(KEY)
    signed = sign(hashed, KEY)
    assert (int(signed["r"], 16), int(signed["s"], 16), signed["v"]) == (int(r, 16), int(s, 16), v)


def test_an_action_hash_is_that_of_production():
    limit = {"a": 4, "b": True, "p": "1670.1", "s": "0.0147", "r": False, "t": {"limit": {"tif": "Ioc"}}}
    action = {"type": "order", "orders": [limit], "grouping": "na"}
    hashed = action_hash(action, 1_677_777_606_040)
    assert hashed.hex() == "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908"


def test_ccxt_signs_the_same():
    client = ccxt.hyperliquid({"privateKey": "0x" + KEY.hex()})
    action = order_action({"limit": {"tif": "Alo"}})
    assert client.sign_l1_action(action, NOW_MS) == sign(action_hash(action, NOW_MS), KEY)
    with_expiry = client.sign_l1_action(action, NOW_MS, None, NOW_MS + 1)
    assert with_expiry == sign(action_hash(action, NOW_MS, expires_after_ms=NOW_MS + 1), KEY)


@pytest.mark.parametrize("change", [{"nonce_ms": 1}, {"vault_address": VAULT}, {"expires_after_ms": 1}])
def test_a_signature_is_of_all_that_is_signed(change):
    action = order_action({"limit": {"tif": "Gtc"}})
    signed = sign(action_hash(action, 0), KEY)
    assert signer(action_hash(**({"action": action, "nonce_ms": 0} | change)), signed) != address_of(KEY)


@pytest.mark.parametrize("signature", [{}, {"r": "0x1", "s": "0x1", "v": 99}, {"r": "zz", "s": "0x1", "v": 27}])
def test_what_is_no_signature_has_no_signer(signature):
    with pytest.raises(SignatureUnreadable):
        signer(action_hash({"type": "noop"}, 0), signature)


def test_a_nonce_works_once_and_only_while_it_is_recent():
    nonces = Nonces()
    assert nonces.objection("a", NOW_MS, NOW_MS) == ""
    assert nonces.objection("a", NOW_MS, NOW_MS) == f"Invalid nonce: duplicate nonce {NOW_MS}"
    assert nonces.objection("b", NOW_MS, NOW_MS) == ""
    assert nonces.objection("a", NOW_MS - 1, NOW_MS) == ""
    assert "too low" in nonces.objection("a", NOW_MS - 2 * DAY_MS - 1, NOW_MS)
    assert "too high" in nonces.objection("a", NOW_MS + DAY_MS + 1, NOW_MS)


def test_a_nonce_below_the_hundred_highest_is_too_low():
    nonces = Nonces()
    assert all(nonces.objection("a", NOW_MS + number, NOW_MS) == "" for number in range(100))
    assert nonces.objection("a", NOW_MS - 1, NOW_MS) == f"Invalid nonce: nonce too low {NOW_MS - 1} < {NOW_MS}"
    assert nonces.objection("a", NOW_MS + 100, NOW_MS) == ""
    assert "too low" in nonces.objection("a", NOW_MS, NOW_MS)
