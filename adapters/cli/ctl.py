"""`ctl`: what an operator asks of a running daemon, and how it stands."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.cli.console import counted, print_json, print_pairs, print_table, shown
from adapters.errors import TapefoldError, UserError
from adapters.operating.requests import STATUS, TARGETS, Answer, Request
from adapters.operating.socket import ask

Json = Mapping[str, Any]

# What follows the action on the command line, where something does.
_USAGE = {
    "close": "close SYMBOL",
    "breaker": "breaker reset NAME, or breaker disable NAME",
    "strategy": "strategy enable NAME",
    "set": "set KEY=VALUE",
}
# What a command line or configuration may get wrong; the rest is what the engine or the daemon refused.
_USER_ERRORS = ("_unknown", "_missing", "_invalid", "setting_refused", "malformed")


class CommandRefused(TapefoldError):
    """The daemon or its engine did not do what was asked."""


def ctl(journal: Path, action: str, words: Sequence[str], reason: str | None, operator: str | None, output: str) -> int:
    """Ask the daemon of a journal for something and print what came of it. Raises TapefoldError."""
    request = _request(action, words, reason, operator)
    answer = ask(journal, request)
    if output == "json":
        print_json(answer["status"] if request.action == STATUS and answer["ok"] else answer)
    if not answer["ok"]:
        raise _failure(answer)
    if output == "table":
        if request.action == STATUS:
            _print_status(journal, answer["status"])
        else:
            _print_done(request, answer)
    return 0


def _request(action: str, words: Sequence[str], reason: str | None, operator: str | None) -> Request:
    name, target, value = _meant(action, words)
    if name == STATUS:
        return Request(action=STATUS)
    if not (reason or "").strip():
        raise UserError(f'ctl {action}: expected --reason "TEXT": what is done is recorded with its why')
    return Request(action=name, operator=operator or "", reason=reason or "", target=target, value=value)


def _meant(action: str, words: Sequence[str]) -> tuple[str, str, str]:
    """The request's action, target and value that words such as `breaker reset crash` mean. Raises UserError."""
    name = "_".join((action.replace("-", "_"), *words[:-1]))
    if name not in TARGETS or not words:
        if action in _USAGE:
            raise UserError(f"ctl: expected {_USAGE[action]}; found {' '.join((action, *words))!r}")
        if words:
            raise UserError(f"ctl {action}: expected nothing after it, found {words[0]!r}")
        return action.replace("-", "_"), "", ""
    if name != "set":
        return name, words[-1], ""
    key, equals, value = words[-1].partition("=")
    if not (key and equals):
        raise UserError(f"ctl: expected {_USAGE['set']}; found {words[-1]!r}")
    return name, key.strip(), value.strip()


def _failure(answer: Answer) -> TapefoldError:
    code, line = answer["error"]["code"], answer["error"]["line"]
    if "seq" in answer:
        return CommandRefused(f"{line} (event {answer['seq']})")
    return UserError(line) if code.endswith(_USER_ERRORS) else CommandRefused(line)


def _print_done(request: Request, answer: Answer) -> None:
    what = " ".join(word for word in (request.action.replace("_", " "), request.target) if word)
    print(f"{what}: event {answer['seq']} of the tape, {counted(answer['decided'], 'decision')}")
    for text in answer["decisions"]:
        print(f"  {text}")
    if (left := answer["decided"] - len(answer["decisions"])) > 0:
        print(f"  and {left:,} more, on the tape")


def _print_status(journal: Path, status: Json) -> None:
    print_pairs(
        [
            ("Journal", str(journal)),
            ("Ready", "yes" if status["ready"] else f"no: {', '.join(status['not_ready'])}"),
            ("Trading state", status["trading_state"].replace("_", " ")),
            *([("Engine stopped", status["fault"].replace("_", " "))] if status["fault"] else []),
            ("Running", f"{status['uptime']}, since {status['started']}"),
            ("Last event", f"{status['last_seq']:,} at {status['last_time']}" if status["last_time"] else "none"),
            ("Queue", counted(status["queue_depth"], "event")),
            ("Unknown orders", f"{status['unknown_orders']:,}"),
        ]
    )
    for title, entries, columns, text_columns in _tables(status):
        if entries:
            rows = [[_cell(entry[key], key) for key in columns] for entry in entries]
            print_table(title, [key.replace("_", " ") for key in columns], rows, text_columns)
        else:
            print(f"\n{title}: none")


def _tables(status: Json) -> Sequence[tuple[str, Sequence[Json], Sequence[str], int]]:
    """Titles, entries, their keys as columns, and how many of those are text."""
    money = ("equity", "drawdown", "drawdown_percent", "long", "short", "realized_pnl", "unrealized_pnl", "fees")
    orders = ("order", "symbol", "side", "order_type", "role", "status")
    return (
        ("Accounts", status["accounts"], ("name", "currency", "transport", *money), 3),
        (
            "Positions",
            status["positions"],
            ("symbol", "account", "quantity", "entry_price", "mark_price", "unrealized_pnl"),
            2,
        ),
        ("Open orders", status["open_orders"], (*orders, "quantity", "filled", "limit_price", "trigger_price"), 6),
        ("Breakers", status["breakers"], ("name", "condition", "status", "limit", "trips", "observed"), 3),
        ("Connections", status["connections"], ("name", "connected"), 2),
        ("Last events", status["streams"], ("stream", "last_time", "age_s"), 2),
    )


_KINDS = ("transport", "order_type", "role", "status", "condition", "stream")
_ROUNDED = ("equity", "drawdown", "long", "short", "realized_pnl", "unrealized_pnl", "fees")


def _cell(value: Any, key: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in _ROUNDED:
        return shown(value)
    if key == "drawdown_percent":
        return f"{value:.2f} %"
    if key == "age_s":
        return f"{value:,.1f} s"
    return str(value).replace("_", " ") if key in _KINDS else str(value)
