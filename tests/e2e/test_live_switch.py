"""The dead-man switch of a real daemon: one that hangs or is killed leaves no order at the exchange."""

import asyncio
import signal
import time
from pathlib import Path

from adapters.exchanges.client_ids import ClientIds
from adapters.journal import read_journal
from tests.e2e.live_agreement import ask, disagreements
from tests.e2e.live_processes import Trial, venue

_SWITCH_S = 10
_PATIENCE_S = 45


def _wait_for_orders(trial: Trial, any_open: bool) -> None:
    """Until the exchange has an open order of the daemon, or has none."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with read_journal(trial.journal) as reader:
            ids, began_ns = ClientIds(reader.manifest.journal_id), reader.manifest.created_ns
        if bool(asyncio.run(ask(trial, ids, began_ns)).open_lots) == any_open:
            return
        assert time.monotonic() < deadline, f"open orders: not {any_open} within {_PATIENCE_S} s, see {trial.log}"
        time.sleep(0.2)


def test_orders_of_a_daemon_that_hangs_or_is_killed_are_cancelled_and_its_tape_learns_of_it(tmp_path: Path) -> None:
    with venue("hyperliquid", tmp_path / "venue.log") as at:
        trial = Trial(at, tmp_path)
        with trial.configuration.open("a", encoding="utf-8") as text:
            text.write(f'dead_man_switch = "{_SWITCH_S}s"\n')
        try:
            trial.begin()
            trial.wait_for_ready()
            _wait_for_orders(trial, any_open=True)
            assert trial.process is not None
            trial.process.send_signal(signal.SIGSTOP)
            at.hold()
            _wait_for_orders(trial, any_open=False)
            at.go_on()
            trial.process.send_signal(signal.SIGCONT)
            _wait_for_orders(trial, any_open=True)
            trial.end()
            at.hold()
            _wait_for_orders(trial, any_open=False)
            trial.begin()
            trial.wait_for_ready()
            trial.settle(quiet_s=3, within_s=_PATIENCE_S)
            trial.stop()
            assert disagreements(trial) == []
        finally:
            trial.end()
