"""`journal ls|info|tail` and `audit timeline|state` as a user meets them."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from adapters.journal import append_journal, create_journal, read_journal
from adapters.journal.lmdb_environment import Access
from adapters.journal.lmdb_journal import LmdbStore
from adapters.journal.port import Table
from adapters.journal.sealed import MANIFEST_KEY, seal
from replay.refold import refold
from tests.conformance.journal_places import digest_of, manifest, some_events
from tests.e2e.test_cli import RULES, command, environment, one_line, tapefold, write_run

JOURNAL = "journals/small"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal at journals/small: brackets, breakers, refusals."""
    folder = tmp_path_factory.mktemp("audit")
    write_run(folder)
    (folder / "run.toml").write_text((folder / "run.toml").read_text() + RULES)
    done = tapefold(folder, "backtest", "run.toml")
    assert done.returncode == 0, done.stderr
    return folder


def told(folder: Path, *arguments: str) -> str:
    done = tapefold(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    return done.stdout


def object_of(folder: Path, *arguments: str) -> dict[str, Any]:
    found = json.loads(told(folder, *arguments, "--output", "json"))
    assert isinstance(found, dict)
    return found


def test_journals_of_a_folder(run: Path) -> None:
    (run / "journals" / "no journal").mkdir(exist_ok=True)
    (listed,) = object_of(run, "journal", "ls")["journals"]
    assert (listed["name"], listed["mode"], listed["end"]) == ("small", "backtest", "closed")
    assert listed["first_time"] == "2017-12-01T01:00:00Z" and listed["last_time"].startswith("2017-12-0")
    (line,) = [line for line in told(run, "journal", "ls").splitlines() if line.startswith("small")]
    assert "backtest" in line and "closed" in line and f"{listed['events']:,}" in line


def test_what_is_in_a_journal(run: Path) -> None:
    found = object_of(run, "journal", "info", JOURNAL)
    with read_journal(run / JOURNAL) as reader:
        assert (found["events"], found["head_hash"]) == (reader.last_seq, reader.head.hash.hex())
        newest = reader.snapshot_before(reader.last_seq)
        assert newest is not None and (found["snapshots"], found["snapshot_seq"]) == (1, newest.seq)
    assert found["event_counts"]["bar"] == 120
    assert sum(found["event_counts"].values()) == found["events"]
    assert found["decision_counts"]["refusal"] == 3
    text = told(run, "journal", "info", JOURNAL)
    assert f"Head hash      {found['head_hash']}" in text and "breaker-tripped" in text


def test_the_last_events(run: Path) -> None:
    found = object_of(run, "journal", "tail", JOURNAL, "-n", "3")["events"]
    assert [event["seq"] for event in found] == [found[-1]["seq"] - 2, found[-1]["seq"] - 1, found[-1]["seq"]]
    assert found[-1]["kind"] == "bar" and found[-1]["text"].startswith("bar of AAA/USD: open ")
    refused = object_of(run, "journal", "tail", JOURNAL, "--kind", "refusal")["events"]
    assert len(refused) == 3
    assert all(event["kind"] == "signal" for event in refused)
    lines = told(run, "journal", "tail", JOURNAL, "--kind", "refusal", "--count", "1").splitlines()
    assert "signal of ema: " in lines[0] and "→ refused: ema at AAA/USD: breaker tripped, swing at 2.66 %" in lines[-1]


def test_a_tail_follows_a_growing_journal_until_interrupted(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / JOURNAL, tmp_path / "journal")
    with read_journal(tmp_path / "journal") as reader:
        last_seq = reader.last_seq
    arguments = ("journal", "tail", "journal", "-f", "-n", "1", "--output", "json")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command(*arguments), cwd=tmp_path, env=environment(), **pipes) as following:  # type: ignore[call-overload]
        try:
            assert json.loads(following.stdout.readline())["seq"] == last_seq
            with append_journal(tmp_path / "journal") as writer:
                for number in range(3):
                    writer.append(some_events(2, number), some_events(0), digest_of(1))
                    seqs = [json.loads(following.stdout.readline())["seq"] for _ in range(2)]
                    assert seqs == [last_seq + 2 * number + 1, last_seq + 2 * number + 2]
            following.send_signal(signal.SIGINT)
            _, said = following.communicate(timeout=60)
            assert following.returncode == 130
            assert "Traceback" not in said
        finally:
            following.kill()


def test_a_timeline_of_everything_is_in_order_and_without_the_market(run: Path) -> None:
    entries = object_of(run, "audit", "timeline", JOURNAL)["entries"]
    seqs = [entry["seq"] for entry in entries]
    assert seqs == sorted(seqs)
    assert {"bar", "timer"}.isdisjoint(entry["kind"] for entry in entries)
    kinds = {entry["kind"] for entry in entries}
    assert {"signal", "place-order", "order-filled", "breaker-tripped", "bracket-changed", "refusal"} <= kinds


def test_a_timeline_of_one_order(run: Path) -> None:
    entries = object_of(run, "audit", "timeline", JOURNAL, "--order", "1", "--strategy", "ema")["entries"]
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "place-order" and "order-accepted" in kinds and "order-filled" in kinds
    assert all("order 1" in entry["text"] for entry in entries)


def test_a_timeline_between_two_points(run: Path) -> None:
    whole = object_of(run, "audit", "timeline", JOURNAL)["entries"]
    start, end = whole[len(whole) // 3], whole[len(whole) // 2]
    for first, last in ((str(start["seq"]), str(end["seq"])), (start["time"], end["time"])):
        part = object_of(run, "audit", "timeline", JOURNAL, "--from", first, "--to", last)["entries"]
        expected = [
            entry
            for entry in whole
            if (
                start["seq"] <= entry["seq"] <= end["seq"]
                if first.isdecimal()
                else start["ts_ns"] <= entry["ts_ns"] <= end["ts_ns"]
            )
        ]
        assert part == expected
    found = object_of(run, "audit", "timeline", JOURNAL, "--kind", "bar", "--limit", "2")["entries"]
    assert [entry["kind"] for entry in found] == ["bar", "bar"]
    (line,) = told(run, "audit", "timeline", JOURNAL, "--kind", "breaker-tripped", "--limit", "1").splitlines()
    assert line.endswith("swing tripped: price jump at AAA/USD is 2.67 %, limit 2.60 %; block entries, close position")
    nothing = told(run, "audit", "timeline", JOURNAL, "--kind", "funding")
    assert nothing == "Nothing on the tape answers to that.\n"


def test_the_state_at_an_event_is_that_of_a_replay(run: Path) -> None:
    (placed, *_) = object_of(run, "audit", "timeline", JOURNAL, "--kind", "order-filled")["entries"]
    for seq in (placed["seq"], placed["seq"] + 100):
        found = object_of(run, "audit", "state", JOURNAL, "--at", str(seq))
        replayed = object_of(run, "replay", JOURNAL, "--until", str(seq))
        for key in ("trading_state", "accounts", "positions", "open_orders", "brackets", "breakers", "state_digest"):
            assert found[key] == replayed[key]
        assert found["events_folded"] <= 150
    assert "After event" in told(run, "audit", "state", JOURNAL, "--at", placed["time"])


def test_what_differs_between_two_events(run: Path) -> None:
    (filled, *_) = object_of(run, "audit", "timeline", JOURNAL, "--kind", "order-filled")["entries"]
    before, after = str(filled["seq"] - 1), str(filled["seq"])
    differences = object_of(run, "audit", "state", JOURNAL, "--at", before, "--diff", after)["differences"]
    found = {(entry["what"], entry["field"]): entry for entry in differences}
    assert found["account main", "fees"]["before"] == "0.00"
    assert found["position AAA/USD main", "quantity"]["before"] is None
    assert "position AAA/USD main" in told(run, "audit", "state", JOURNAL, "--at", before, "--diff", after)
    assert "Nothing differs." in told(run, "audit", "state", JOURNAL, "--at", after, "--diff", after)


def test_a_tape_that_was_recorded_otherwise_is_said(run: Path, tmp_path: Path) -> None:
    """The state after events whose decisions are not those on the tape."""
    shutil.copytree(run / JOURNAL, tmp_path / "journal")
    with append_journal(tmp_path / "journal") as writer:
        events = some_events(2)
        decided = some_events(1)
        decided[:] = 0
        decided.view("i8")[1] = writer.next_seq
        writer.append(events, decided, digest_of(1))
        last_seq = writer.next_seq - 1
    done = tapefold(tmp_path, "audit", "state", "journal", "--at", str(last_seq))
    assert done.returncode == 3
    assert "than the recorded one" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["audit", "timeline", JOURNAL, "--symbol", "BBB"], ["--symbol BBB: unknown symbol", "AAA/USD"]),
        (["audit", "timeline", JOURNAL, "--strategy", "emma"], ["--strategy emma: unknown strategy", "'ema'"]),
        (
            ["audit", "timeline", JOURNAL, "--order", "9999"],
            ["--order 9999: unknown order; expected one of the tape, 1 to"],
        ),
        (["audit", "timeline", JOURNAL, "--kind", "order_fill"], ["--kind order_fill: unknown kind", "'order-filled'"]),
        (["audit", "timeline", JOURNAL, "--from", "2031-01-01"], ["--from 2031-01-01: expected a time of the tape"]),
        (["audit", "timeline", JOURNAL, "--to", "2011-01-01"], ["--to 2011-01-01: expected a time of the tape"]),
        (["audit", "timeline", JOURNAL, "--to", "0"], ["--to 0: expected a sequence number of the tape, 1 to"]),
        (["audit", "timeline", JOURNAL, "--limit", "0"], ["--limit 0: expected 1 or more"]),
        (["audit", "state", JOURNAL, "--at", "soon"], ["--at: expected a sequence number or an ISO time", "'soon'"]),
        (["audit", "state", JOURNAL, "--at", "1", "--diff", "99999"], ["--diff 99999: expected a sequence number"]),
        (["audit", "state", JOURNAL], ["--at"]),
        (["journal", "tail", JOURNAL, "--kind", "fills"], ["--kind fills: unknown kind"]),
        (["journal", "tail", JOURNAL, "-n", "-1"], ["--count -1: expected 0 or more"]),
        (["journal", "tail", "nowhere"], ["nowhere: does not exist, expected a journal's folder"]),
        (["journal", "info", "."], ["holds no journal"]),
        (["journal", "ls", "nowhere"], ["nowhere: does not exist, expected a folder of journals"]),
    ],
)
def test_a_users_mistake_gets_one_line(run: Path, arguments: list[str], words: list[str]) -> None:
    done = tapefold(run, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    line = one_line(done.stderr)
    for word in words:
        assert word in line


@pytest.fixture(scope="module")
def future(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal of a format that is not known yet, beside one that is."""
    folder = tmp_path_factory.mktemp("future")
    for name in ("now", "later"):
        shutil.copytree(run / JOURNAL, folder / name)
    store = LmdbStore(folder / "later", Access.WRITE_SYNCED)
    store.write([(Table.MANIFEST, MANIFEST_KEY, seal(b"\x81\xaeformat_version\x09"))])
    store.close()
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["journal", "info", "later"],
        ["journal", "tail", "later"],
        ["audit", "timeline", "later"],
        ["audit", "state", "later", "--at", "1"],
    ],
)
def test_a_journal_of_the_future_gets_one_line(future: Path, arguments: list[str]) -> None:
    done = tapefold(future, *arguments)
    assert done.returncode == 2
    assert "later: the journal has format 9, expected format 1" in one_line(done.stderr)


def test_a_list_shows_what_cannot_be_read(future: Path) -> None:
    later, now = object_of(future, "journal", "ls", ".")["journals"]
    assert (later["name"], now["name"], now["end"]) == ("later", "now", "closed")
    assert "format 9, expected format 1" in later["error"]
    assert "format 9" in told(future, "journal", "ls", ".")


def test_a_journal_without_events(tmp_path: Path) -> None:
    create_journal(tmp_path / "empty", manifest()).close()
    assert object_of(tmp_path, "journal", "tail", "empty")["events"] == []
    found = object_of(tmp_path, "journal", "info", "empty")
    assert (found["events"], found["first_time"], found["end"], found["event_counts"]) == (0, "", "closed", {})
    assert "End            closed" in told(tmp_path, "journal", "info", "empty")
    assert "empty" in told(tmp_path, "journal", "ls", ".")
    done = tapefold(tmp_path, "audit", "timeline", "empty")
    assert done.returncode == 2 and "the tape is empty" in one_line(done.stderr)


def test_a_journal_in_a_folder_that_cannot_be_written(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / JOURNAL, tmp_path / "journal")
    for file in (tmp_path / "journal").iterdir():
        file.chmod(0o444)
    (tmp_path / "journal").chmod(0o555)
    try:
        state = object_of(tmp_path, "audit", "state", "journal", "--at", "100")
        assert object_of(tmp_path, "journal", "tail", "journal")["events"]
    finally:
        (tmp_path / "journal").chmod(0o755)
    with read_journal(tmp_path / "journal") as reader:
        assert refold(reader, until_seq=100).state_digest == state["state_digest"]
