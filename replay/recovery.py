"""What a restart of a live daemon would find on its tape, and what it would ask the exchanges."""

from typing import Any

import numpy as np

from adapters.errors import JournalDamaged
from adapters.journal import JournalReader, check
from adapters.report.amounts import time_text
from engine.kinds import OrderStatus, TradingState
from replay.audit.state_at import state_at
from replay.live import IN_DOUBT
from replay.names import Names, read_names
from replay.refold import refold


def look(reader: JournalReader, verify: bool) -> dict[str, Any]:
    """The tape's end: orders that are in doubt, positions to be compared, what the state is; asks nobody.

    The state comes from the newest snapshot and what followed it, as a restart's does; with `verify` from the whole
    tape: the chain, every decision and every stated digest are checked. Raises JournalDamaged, Divergence.
    """
    if verify:
        report = check(reader)
        if report.damage is not None:
            raise JournalDamaged(report.damage)
    folded = refold(reader, compare=True) if verify else state_at(reader, reader.last_seq)
    state = folded.engine.view(folded.state)
    names = read_names(reader)
    snapshot = reader.snapshot_before(reader.last_seq)
    return {
        "mode": reader.manifest.mode,
        "events": folded.last_seq,
        "last_time": time_text(folded.last_ts_ns) if folded.last_seq else "",
        "trading_state": TradingState(int(state.trading_state)).name.lower(),
        "snapshot_seq": 0 if snapshot is None else snapshot.seq,
        "state_digest": folded.state_digest,
        "checked": verify,
        "asked_about": _in_doubt(state, names),
        "positions": _positions(state, names),
    }


def _in_doubt(state: Any, names: Names) -> list[dict[str, Any]]:
    chosen = np.sort(state.orders[np.isin(state.orders["status"], [int(status) for status in IN_DOUBT])], order="order")
    return [
        {
            "order": int(order["order"]),
            "account": names.account(int(order["account"])).name,
            "symbol": names.instrument(int(order["instrument"])).symbol,
            "status": OrderStatus(int(order["status"])).name.lower(),
            "left_lots": int(order["quantity_lots"] - order["filled_lots"]),
        }
        for order in chosen
    ]


def _positions(state: Any, names: Names) -> list[dict[str, Any]]:
    held = np.argwhere(state.positions["quantity_lots"] != 0).tolist()
    return [
        {
            "account": names.account(account).name,
            "symbol": names.instrument(instrument).symbol,
            "quantity_lots": int(state.positions["quantity_lots"][account, instrument]),
        }
        for account, instrument in held
    ]
