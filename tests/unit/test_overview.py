"""What a journal is and how it ended, without reading the tape."""

import shutil
from pathlib import Path

import lmdb

from adapters.journal import append_journal, create_journal, read_journal
from adapters.journal.port import Table
from replay.audit.overview import counts_of, summary_of
from tests.conformance.journal_places import append_some, manifest, snapshot


def end_of(folder: Path) -> str:
    with read_journal(folder) as reader:
        return str(summary_of(reader, folder)["end"])


def test_how_a_journal_ended(tmp_path: Path) -> None:
    folder, killed = tmp_path / "journal", tmp_path / "killed"
    with create_journal(folder, manifest()) as writer:
        append_some(writer, 5)
        assert end_of(folder) == "running"
        # What is on the disk if its writer dies now; the lock belongs to the one that lives.
        killed.mkdir()
        shutil.copy(folder / "data.mdb", killed)
    assert end_of(folder) == "closed"
    assert end_of(killed) == "cut short"
    append_journal(killed).close()
    assert end_of(killed) == "closed"


def test_how_a_journal_of_an_earlier_version_ended_is_not_known(tmp_path: Path) -> None:
    with create_journal(tmp_path / "journal", manifest(engine_version="0.2.0+abc")) as writer:
        append_some(writer, 5)
    environment = lmdb.open(str(tmp_path / "journal"), max_dbs=8)
    with environment.begin(write=True) as transaction:
        transaction.drop(environment.open_db(Table.SPANS.value, transaction))
    environment.close()
    assert end_of(tmp_path / "journal") == "unknown"


def test_what_is_on_a_journal_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    with create_journal(folder, manifest()) as writer:
        append_some(writer, 4, 2, (0, 3))
        append_some(writer, 3, 1)
        writer.save_snapshot(snapshot(4))
        writer.save_snapshot(snapshot(7))
    (folder / "seals").mkdir()
    (folder / "seals" / "7.json").write_text("{}")
    with read_journal(folder) as reader:
        summary, counts = summary_of(reader, folder), counts_of(reader)
    assert (summary["events"], summary["blocks"], summary["seals"]) == (7, 2, ["7.json"])
    assert summary["bytes"] == (folder / "data.mdb").stat().st_size + 2
    assert (summary["first_time"], summary["last_time"]) == (
        "1970-01-01T00:00:00.000001Z",
        "1970-01-01T00:00:00.000003Z",
    )
    assert counts == {
        "documents": 2,
        "snapshots": 2,
        "snapshot_seq": 7,
        "event_counts": {"quote": 5, "operator-command": 2},
        "decision_counts": {"place-order": 3},
    }
