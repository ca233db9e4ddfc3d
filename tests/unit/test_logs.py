"""The log: one JSON object a line, and no secret in it, wherever it came from."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from adapters.operating.logs import Redaction, log_to

SECRET = 'p"a\\ss/w ö'
PEM = "-----BEGIN KEY-----\nMC4CAQ\n-----END KEY-----"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)


def logged(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_what_was_given() -> None:
    stream = io.StringIO()
    log_to(stream)
    logging.getLogger("tapefold.x").info("order %d sent", 12, extra={"order": 12, "symbol": "BTC/USD"})
    (entry,) = logged(stream)
    assert entry["time"].endswith("Z")
    del entry["time"]
    assert entry == {
        "level": "info",
        "logger": "tapefold.x",
        "message": "order 12 sent",
        "order": 12,
        "symbol": "BTC/USD",
    }


def test_the_level_and_the_second_call_count() -> None:
    first, second = io.StringIO(), io.StringIO()
    log_to(first)
    log_to(second, level="warning")
    logging.getLogger("tapefold.x").info("small")
    logging.getLogger("tapefold.x").warning("large")
    assert first.getvalue() == ""
    assert [entry["message"] for entry in logged(second)] == ["large"]


def test_a_terminal_gets_plain_lines() -> None:
    stream = Terminal()
    log_to(stream, secrets=["hush"])
    logging.getLogger("tapefold.x").warning("connected with %s", "hush")
    assert stream.getvalue().endswith("WARNING tapefold.x: connected with ***\n")


@pytest.mark.parametrize("secret", ["hush", SECRET, PEM])
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_no_secret_comes_through(secret: str, stream: type[io.StringIO]) -> None:
    out = stream()
    log_to(out, secrets=[secret, ""])
    log = logging.getLogger("tapefold.x")
    log.info("key %s", secret)
    log.info("keys %r", {"key": [secret]})
    log.info("extra", extra={"headers": {"X-KEY": secret}, "plain": secret})
    try:
        raise ValueError(f"bad signature with {secret}")
    except ValueError:
        log.exception("request failed")
    told = out.getvalue()
    assert told.count("***") >= 3
    for part in ("hush", "ss/w", "MC4CAQ"):
        assert part not in told
    if stream is io.StringIO:
        assert len(logged(out)) == 4
        assert "Traceback" in logged(out)[-1]["error"]


def test_an_address_hides_it_too_and_the_longest_goes_first() -> None:
    redaction = Redaction(["abc", "abcdef", "a/b c"])
    assert redaction.hide("https://x/?key=a%2Fb%20c&k=abcdef&j=abc") == "https://x/?key=***&k=***&j=***"


def test_without_secrets_nothing_is_changed() -> None:
    assert Redaction([""]).hide("as it is") == "as it is"


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("GET /v1/order?symbol=BTC&signature=0a1b&recvWindow=5", "GET /v1/order?symbol=BTC&signature=***&recvWindow=5"),
        ("{'bfx-signature': '0a1b', 'nonce': 1}", "{'bfx-signature': '***', 'nonce': 1}"),
        ('{"signature": {"r": "0x1", "s": "0x2"}, "nonce": 1}', '{"signature": ***, "nonce": 1}'),
        ("wss://stream/ws?listenKey=0a1b", "wss://stream/ws?listenKey=***"),
        ("the signature was refused", "the signature was refused"),
    ],
)
def test_signatures_are_known_by_their_name(shown: str, hidden: str) -> None:
    assert Redaction(()).hide(shown) == hidden
    stream = io.StringIO()
    log_to(stream)
    logging.getLogger("tapefold.x").info(shown)
    (entry,) = logged(stream)
    assert entry["message"] == hidden
