"""The sessions of a live tape: when the daemon began and ended, and what each session came to.

A session begins where the exchanges have answered everything (CONNECTION_RESTORED of stream 0, without a gap) and
lasts until the next one begins: what a restart learns of the time before belongs to the session before.
"""

import tomllib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.journal import JournalReader
from adapters.report.amounts import money_text, time_text
from engine.kinds import EventKind
from engine.records import CONNECTION, EVENT_BYTES
from replay.ahead import blocks_ahead
from replay.names import Names, read_names
from replay.recorded import Recorded
from replay.refold import Folder, limits_of

Json = dict[str, Any]
Bytes = NDArray[np.uint8]

# What a configuration may say of limits and sizes.
_LIMITS = ("risk", "sizing", "bracket", "breakers")
# What a restart learns of the time before, or makes of it.
_LEARNED = [int(EventKind.SIGNAL), int(EventKind.FUNDING)]


@dataclass(slots=True)
class _Account:
    """What an account had at the session's begin, and its highest profit and deepest fall since."""

    profit_units: int = 0
    fees_units: int = 0
    trades: int = 0
    trades_won: int = 0
    peak_units: int = 0
    drawdown_units: int = 0


@dataclass(slots=True)
class _Session:
    first_seq: int
    started_ns: int
    accounts: dict[int, _Account]
    fills: int
    last_seq: int = 0
    ended_ns: int = 0
    # By a word of its own, and not by being killed.
    stopped: bool = False
    settings_changed: int = 0
    figures: list[Json] = field(default_factory=list)


def sessions_of(reader: JournalReader, is_written: bool) -> Json:
    """Name, mode and limits of a live tape and its sessions, oldest first; money in decimal texts.

    `is_written` says that a daemon writes the tape now. Drawdowns are as seen at commits. Raises JournalDamaged.
    """
    names = read_names(reader)
    told = tomllib.loads(names.configuration)
    folder = Folder(limits_of(reader))
    history, recorded = _History(folder, names), Recorded(reader, folder.engine)
    for block in blocks_ahead(reader):
        decided = history.see(block.first_seq, block.events)
        recorded.compare(block, recorded.as_recorded(decided), folder.state)
    history.close_figures()
    last = len(history.sessions) - 1
    return {
        "name": told.get("run", {}).get("name", ""),
        "mode": reader.manifest.mode,
        "limits": {name: told[name] for name in _LIMITS if name in told},
        "sessions": [
            _shown(number, session, is_written and number == last) for number, session in enumerate(history.sessions)
        ],
    }


class _History:
    def __init__(self, folder: Folder, names: Names) -> None:
        self.sessions: list[_Session] = []
        self._folder = folder
        self._names = names
        self._marked_account = -1

    def see(self, first_seq: int, events: Bytes) -> bytes:
        """The next block; what was decided on it."""
        rows = events.view(CONNECTION)
        first, decided = 0, []
        for place in self._starts(rows):
            decided += [self._fold(first_seq + first, events[first * EVENT_BYTES : place * EVENT_BYTES])]
            self.close_figures()
            self._begin(first_seq + place, int(rows["ts_ns"][place]))
            first = place
        decided += [self._fold(first_seq + first, events[first * EVENT_BYTES :])]
        return b"".join(decided)

    def _starts(self, rows: NDArray[Any]) -> list[int]:
        """Where sessions begin; a daemon marks it for all its accounts, and the first of them counts."""
        chosen = (rows["kind"] == EventKind.CONNECTION_RESTORED) & (rows["stream"] == 0) & (rows["gap_started_ns"] == 0)
        places = np.flatnonzero(chosen).tolist()
        if places and self._marked_account < 0:
            self._marked_account = int(rows["account"][places[0]])
        return [place for place in places if rows["account"][place] == self._marked_account]

    def _begin(self, seq: int, ts_ns: int) -> None:
        state = self._folder.engine.view(self._folder.state)
        fills = int(state.fills) if self.sessions else 0
        accounts = {number: _now(state, number) if self.sessions else _Account() for number in self._names.accounts}
        self.sessions.append(_Session(seq, ts_ns, accounts, fills))

    def _fold(self, first_seq: int, events: Bytes) -> bytes:
        count = len(events) // EVENT_BYTES
        if count == 0:
            return b""
        decided = self._folder.fold(np.ascontiguousarray(events), count)
        if not self.sessions:
            return decided
        session, state = self.sessions[-1], self._folder.engine.view(self._folder.state)
        rows = events.view(CONNECTION)
        session.last_seq, session.ended_ns = first_seq + count - 1, int(rows["ts_ns"][-1])
        session.settings_changed += int(np.count_nonzero(rows["kind"] == EventKind.CONFIGURATION_CHANGED))
        session.stopped = _stopped(rows, session.stopped)
        for number, account in session.accounts.items():
            profit = _profit(state, number)
            account.peak_units = max(account.peak_units, profit)
            account.drawdown_units = max(account.drawdown_units, account.peak_units - profit)
        return decided

    def close_figures(self) -> None:
        """Of the session that ends here."""
        if not self.sessions:
            return
        session, state = self.sessions[-1], self._folder.engine.view(self._folder.state)
        session.fills = int(state.fills) - session.fills
        session.figures = [self._figures(state, number, began) for number, began in session.accounts.items()]

    def _figures(self, state: Any, number: int, began: _Account) -> Json:
        name, now = self._names.account(number), _now(state, number)
        decimals = name.money_decimals
        return {
            "account": name.name,
            "currency": name.currency,
            "trades": now.trades - began.trades,
            "trades_won": now.trades_won - began.trades_won,
            "fees": money_text(now.fees_units - began.fees_units, decimals),
            "net_pnl": money_text(now.profit_units - began.profit_units, decimals),
            "max_drawdown": money_text(began.drawdown_units, decimals),
        }


def _now(state: Any, number: int) -> _Account:
    row, profit = state.accounts[number], _profit(state, number)
    return _Account(profit, int(row["fees_units"]), int(row["trades"]), int(row["trades_won"]), profit)


def _profit(state: Any, number: int) -> int:
    row = state.accounts[number]
    return int(row["equity_units"]) - int(row["deposits_units"])


def _stopped(rows: NDArray[Any], before: bool) -> bool:
    """Whether the daemon has said that it ends, and nothing but answers came after that."""
    ends = (rows["kind"] == EventKind.CONNECTION_LOST) & (rows["stream"] == 0) & (rows["reason"] == 0)
    goes_on = (rows["kind"] <= EventKind.TIMER) & ~np.isin(rows["kind"], _LEARNED)
    last_end, last_on = (np.flatnonzero(which)[-1] if np.any(which) else -1 for which in (ends, goes_on))
    return bool(last_end > last_on) if last_end >= 0 or last_on >= 0 else before


def _shown(number: int, session: _Session, is_running: bool) -> Json:
    end = "running" if is_running and not session.stopped else "stopped" if session.stopped else "killed"
    return {
        "session": number + 1,
        "started": time_text(session.started_ns),
        "last_time": time_text(session.ended_ns),
        "end": end,
        "first_seq": session.first_seq,
        "last_seq": session.last_seq,
        "fills": session.fills,
        "settings_changed": session.settings_changed,
        "accounts": session.figures,
    }
