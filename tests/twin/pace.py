"""How often, in the twin: buckets of tokens, the last entries, executions."""

from dataclasses import dataclass

from engine import rules
from engine.state import RECENT_INTENTS, Limits
from tests.twin.base import Rules
from tests.twin.hooks import Hooks

DAY_NS = 86_400 * 10**9


@dataclass
class Bucket:
    """Of tokens: it holds so many, and gains one in so much time, until it is full."""

    name: str
    full_ts_ns: int = 0

    def _rule(self, book: Rules) -> tuple[int, int]:
        """(tokens it holds, ns until it gains one); none where the rate or its window is not set."""
        rate, window = book[f"{self.name}_rate"], book[f"{self.name}_rate_window_ns"]
        return (rate, window // rate) if rate and window else (0, 0)

    def is_there(self, book: Rules) -> bool:
        """Whether the rate and its window are set, and the window holds so many tokens."""
        return self._rule(book)[1] > 0

    def _missing(self, rate: int, gain_ns: int, now_ns: int) -> int:
        waits = self.full_ts_ns - now_ns
        return min(-(-waits // gain_ns), rate) if waits > 0 and gain_ns else 0

    def take(self, book: Rules, now_ns: int) -> None:
        """Take a token; an empty bucket stays as it is."""
        rate, gain_ns = self._rule(book)
        if rate and self._missing(rate, gain_ns, now_ns) < rate:
            self.full_ts_ns = max(self.full_ts_ns, now_ns) + gain_ns

    def change(self, book: Rules, now_ns: int) -> None:
        """After a new rule: what was taken under the old one leaves it empty at the most."""
        rate, gain_ns = self._rule(book)
        if gain_ns:
            self.full_ts_ns = min(self.full_ts_ns, now_ns + rate * gain_ns)

    def until_next(self, book: Rules, now_ns: int) -> tuple[int, int]:
        """(the rate, ns until there is a token); 0 ns where there is one."""
        rate, gain_ns = self._rule(book)
        if not rate or self._missing(rate, gain_ns, now_ns) < rate:
            return rate, 0
        return rate, self.full_ts_ns - now_ns - (rate - 1) * gain_ns


class Pace(Hooks):
    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.order_bucket, self.cancel_bucket = Bucket("order"), Bucket("cancel")
        self.intents: list[tuple[int, tuple[int, int, int, int, int]]] = []
        self.executions: dict[int, list[int]] = {}

    def on_rules_changed(self, setting: int, account: int, instrument: int, row: int) -> None:
        super().on_rules_changed(setting, account, instrument, row)
        if setting < rules.ACCOUNT.base:
            self.order_bucket.change(self.book, self.ts_ns)
            self.cancel_bucket.change(self.book, self.ts_ns)

    def take_order_token(self) -> None:
        self.order_bucket.take(self.book, self.ts_ns)

    def take_cancel_token(self) -> None:
        self.cancel_bucket.take(self.book, self.ts_ns)

    def note_entry(self, instrument: int, strategy: int, side: int, quantity: int, limit: int) -> None:
        """Count an entry that was just placed."""
        row = self.instruments[instrument]
        row.entries_today += 1
        row.last_entry_ts_ns = self.ts_ns
        self.ledger.accounts[row.account].entries_today += 1
        self.count("entries_today")
        self.intents.append((self.ts_ns, (strategy, instrument, side, quantity, limit)))
        del self.intents[:-RECENT_INTENTS]
