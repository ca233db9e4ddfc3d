"""A writer killed at any moment leaves a sound journal that holds all it had reported, and nothing it had not."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapters.journal.integrity import check
from adapters.journal.lmdb_journal import append_journal, create_journal, read_journal
from adapters.journal.port import Durability
from engine.records import EVENT
from tests.conformance.journal_places import manifest
from tests.support import ROOT

ROUNDS = 10

# Appends blocks of random sizes for ever and reports each after its commit; event n has the time n.
WRITE = """
import random, sys
import numpy as np
from adapters.journal.lmdb_journal import append_journal
from adapters.journal.port import Durability
from engine.records import EVENT
random = random.Random(int(sys.argv[3]))
with append_journal(sys.argv[1], Durability(sys.argv[2])) as writer:
    while True:
        events = np.zeros(random.choice([1, 5, 40, 300, 5_000]), EVENT)
        events["ts_ns"] = np.arange(len(events)) + writer.next_seq
        last_seq = writer.append(events.view(np.uint8), np.empty(0, np.uint8), bytes(32))
        print(last_seq, flush=True)
"""


def killed(folder: Path, durability: Durability, seed: int) -> int:
    """Let a writer write, kill it, and return the last event that it had reported."""
    command = [sys.executable, "-c", WRITE, str(folder), durability.value, str(seed)]
    reports = random.Random(seed).randrange(1, 60)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(reports)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    whole = [line for line in lines if line.endswith("\n")]
    return int(whole[-1])


@pytest.mark.parametrize("durability", list(Durability))
def test_a_killed_writer_leaves_all_it_reported(tmp_path: Path, durability: Durability) -> None:
    folder = tmp_path / "journal"
    create_journal(folder, manifest(), durability).close()
    for seed in range(ROUNDS):
        reported = killed(folder, durability, seed)
        with read_journal(folder) as reader:
            report = check(reader)
            assert report.damage is None, f"seed {seed}"
            # The block whose report the kill cut short may be there as well.
            assert reported <= report.last_good_seq <= reported + 5_000, f"seed {seed}"
            for block in reader.blocks():
                times = block.events.view(EVENT)["ts_ns"]
                assert np.array_equal(times, np.arange(block.first_seq, block.last_seq + 1)), f"seed {seed}"
        with append_journal(folder, durability) as writer:
            assert writer.notes == () and writer.next_seq == report.last_good_seq + 1
