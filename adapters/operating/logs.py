"""The daemon's log: JSON, one object a line, for machines; plain lines for a person at a terminal. No secrets."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

MASK = "***"
# What requests are signed with is another text each time; it is known by its name, in an address, a header or JSON.
_SIGNATURE = re.compile(
    r"""((?:signature|listenkey)[\\"']*\s?[=:]\s?[\\"']*)(\{[^}]*\}|[^\s&,"'\\}]+)""",
    re.IGNORECASE,
)
# What a record has of itself; anything else was given as `extra` and is shown.
_OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class Redaction:
    """Replaces secrets in what is to be shown: known ones, as they are or as Python, addresses and JSON write them,
    and the signatures of requests."""

    def __init__(self, secrets: Iterable[str]) -> None:
        plain = {form for secret in secrets if secret for form in (secret, repr(secret)[1:-1], quote(secret, ""))}
        forms = plain | {json.dumps(form, ensure_ascii=False)[1:-1] for form in plain}
        # The longest first: one secret may be a part of another.
        parts = [re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def hide(self, text: str) -> str:
        known = self._pattern.sub(MASK, text) if self._pattern else text
        return _SIGNATURE.sub(rf"\1{MASK}", known)


class JsonLines(logging.Formatter):
    """Time, level, logger and message, what was given as `extra`, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        entry: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _OWN},
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class _Redacted(logging.Formatter):
    """Looks at the finished line, so that arguments, extras and tracebacks are covered too."""

    def __init__(self, inner: logging.Formatter, redaction: Redaction) -> None:
        super().__init__()
        self._inner = inner
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        return self._redaction.hide(self._inner.format(record))


def log_to(stream: TextIO | None = None, level: str = "info", secrets: Iterable[str] = ()) -> logging.Handler:
    """Send the log of this process to a stream (stderr), from `level` on: plain at a terminal, JSON elsewhere.

    Called again, it takes the place of what it set up before: secrets are known later than the first line. Raises
    ValueError for a level that is none.
    """
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Redacted(plain if handler.stream.isatty() else JsonLines(), Redaction(secrets)))
    root = logging.getLogger()
    root.setLevel(level.upper())
    for before in [old for old in root.handlers if isinstance(old.formatter, _Redacted)]:
        root.removeHandler(before)
    root.addHandler(handler)
    return handler
