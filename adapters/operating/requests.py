"""What an operator asks of a daemon and what it answers: one JSON line each."""

from typing import Any

import msgspec

# What needs no reason, because it changes nothing.
STATUS = "status"
# What a target is, for each action that has one.
TARGETS = {
    "close": "symbol",
    "breaker_reset": "breaker",
    "breaker_disable": "breaker",
    "strategy_enable": "strategy",
    "set": "key",
}
ACTIONS = (STATUS, "kill", "resume", "reduce_only", "flatten", "cancel_all", *TARGETS)
REASON_CHARACTERS_MAX = 1000
OPERATOR_CHARACTERS_MAX = 100
LINE_BYTES_MAX = 1 << 16


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`target` is a symbol, a breaker, a strategy or the key of a setting, `value` what to set it to.

    `operator` is empty for the user of the system that asks.
    """

    action: str
    operator: str = ""
    reason: str = ""
    target: str = ""
    value: str = ""


class Refused(Exception):
    """A request that makes no sense; one line for whoever asked, and its code."""

    def __init__(self, code: str, line: str) -> None:
        super().__init__(line)
        self.code = code


# `ok` says whether it was done; where not, `error` has a `code` and a `line`. The rest belongs to the action.
Answer = dict[str, Any]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Request)


def refusal(code: str, line: str) -> Answer:
    return {"ok": False, "error": {"code": code, "line": line}}


def encode_line(message: Request | Answer) -> bytes:
    return _encoder.encode(message) + b"\n"


def read_request(line: bytes) -> Request:
    """The request on a line. Raises `Refused` where it cannot be read or lacks something."""
    try:
        request = _decoder.decode(line)
    except msgspec.MsgspecError as error:
        raise Refused("malformed", f"expected a request as one JSON object: {error}") from None
    if request.action not in ACTIONS:
        raise Refused("action_unknown", f"expected one of {', '.join(ACTIONS)}; found {request.action!r}")
    if request.action == STATUS:
        return request
    if not request.reason.strip():
        raise Refused("reason_missing", "expected a reason: what is done is recorded with its why")
    _check_text("reason", request.reason, REASON_CHARACTERS_MAX)
    _check_text("operator", request.operator, OPERATOR_CHARACTERS_MAX)
    what = TARGETS.get(request.action)
    if what is not None and not request.target:
        raise Refused(f"{what}_missing", f"expected a {what} with {request.action}, found none")
    return request


def _check_text(what: str, text: str, characters_max: int) -> None:
    if len(text) > characters_max or not text.isprintable():
        raise Refused(f"{what}_invalid", f"expected {what} as one line of at most {characters_max} characters")
