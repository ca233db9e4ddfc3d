"""`audit sql`, `journal export` and `audit report` as a user meets them."""

import csv
import io
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pyarrow import parquet

from adapters.journal import append_journal, read_journal
from engine.kinds import EventKind
from engine.records import EVENT
from tests.conformance.journal_places import digest_of, some_events
from tests.e2e.test_cli import RULES, command, environment, one_line, tapefold, write_run
from tests.e2e.test_cli_audit import object_of, told

JOURNAL = "journals/small"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sql")
    write_run(folder)
    (folder / "run.toml").write_text((folder / "run.toml").read_text() + RULES)
    done = tapefold(folder, "backtest", "run.toml")
    assert done.returncode == 0, done.stderr
    return folder


def test_counts_in_three_forms(run: Path) -> None:
    query = "select kind, count(*) as events from events group by 1 order by 1"
    counts = object_of(run, "journal", "info", JOURNAL)["event_counts"]
    wanted = sorted((kind.replace("-", "_"), count) for kind, count in counts.items())
    found = object_of(run, "audit", "sql", JOURNAL, query)
    assert [tuple(row) for row in found["rows"]] == wanted
    assert found["columns"] == [{"name": "kind", "type": "string"}, {"name": "events", "type": "int64"}]
    rows = [*csv.reader(io.StringIO(told(run, "audit", "sql", JOURNAL, query, "--output", "csv")))]
    assert rows == [["kind", "events"], *([kind, str(count)] for kind, count in wanted)]
    lines = told(run, "audit", "sql", JOURNAL, query).splitlines()
    assert lines[1] == f"{len(wanted)} rows" and lines[2].split() == ["kind", "events"]
    assert [tuple(line.split()) for line in lines[3:]] == [(kind, str(count)) for kind, count in wanted]


def test_orders_and_their_fills_agree(run: Path) -> None:
    query = (
        "select o.order_number, o.filled_quantity, sum(f.quantity), o.fills, count(*) from orders o "
        "join fills f using (order_number) group by all"
    )
    rows = object_of(run, "audit", "sql", JOURNAL, query)["rows"]
    assert rows
    assert all(quantity == filled and fills == count for _, quantity, filled, fills, count in rows)


def test_a_range(run: Path) -> None:
    query = "select min(seq), max(seq) from events"
    assert object_of(run, "audit", "sql", JOURNAL, query, "--from", "9", "--to", "20")["rows"] == [[9, 20]]
    done = tapefold(run, "audit", "sql", JOURNAL, query, "--from", "20", "--to", "9")
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr) == "tapefold: error: --to 9: comes before --from 20, expected a later event"


def test_many_rows_are_cut_and_it_is_said(run: Path) -> None:
    done = tapefold(run, "audit", "sql", JOURNAL, "select range as n from range(1000)")
    assert done.stdout.splitlines()[1] == "1,000 rows" and len(done.stdout.splitlines()) == 203
    assert one_line("tapefold: " + done.stderr).endswith(
        "Shown are the first 200 rows of 1,000; --output csv or json prints all of them."
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select price from fils", 'sql: Catalog Error: Table with name fils does not exist! Did you mean "fills"?'),
        ("drop table fills", "sql: a DROP statement, expected a query (SELECT)"),
    ],
)
def test_a_mistake_is_one_line(run: Path, query: str, said: str) -> None:
    done = tapefold(run, "audit", "sql", JOURNAL, query)
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr) == f"tapefold: error: {said}"


def test_a_query_is_interrupted(run: Path) -> None:
    endless = "select sum(range % 7) from range(1_000_000_000_000)"
    asking = subprocess.Popen(
        command("audit", "sql", JOURNAL, endless), cwd=run, env=environment(), stderr=subprocess.PIPE, text=True
    )
    time.sleep(6)
    asking.send_signal(signal.SIGINT)
    _, said = asking.communicate(timeout=60)
    assert (asking.returncode, one_line(said)) == (130, "tapefold: interrupted; what was recorded is kept")


def test_a_journal_that_is_written_meanwhile(run: Path) -> None:
    query = "select count(*), max(seq) from events"
    (before,) = object_of(run, "audit", "sql", JOURNAL, query)["rows"]
    with append_journal(run / JOURNAL) as writer:
        events = some_events(5)
        events.view(EVENT)["kind"] = EventKind.TIMER
        writer.append(events, events[:0], digest_of(1))
        (after,) = object_of(run, "audit", "sql", JOURNAL, query)["rows"]
    assert after == [before[0] + 5, before[1] + 5]


def test_a_table_as_a_file(run: Path) -> None:
    told(run, "journal", "export", JOURNAL, "--table", "bars", "--to", "bars.parquet", "--until", "60")
    bars = parquet.read_table(run / "bars.parquet")
    with read_journal(run / JOURNAL) as reader:
        seqs = [
            block.first_seq + place
            for block in reader.blocks()
            for place, kind in enumerate(block.events.view(EVENT)["kind"].tolist())
            if kind == EventKind.BAR and block.first_seq + place <= 60
        ]
    assert bars["seq"].to_pylist() == seqs != []
    done = tapefold(run, "journal", "export", JOURNAL, "--to", "bars.parquet")
    assert done.returncode == 2 and "is there already, expected a new file" in one_line(done.stderr)
    found = json.loads(told(run, "journal", "export", JOURNAL, "--to", "events.csv", "--output", "json"))
    assert found["rows"] == len((run / "events.csv").read_text().splitlines()) - 1


def test_the_record_of_a_part(run: Path) -> None:
    record = json.loads(told(run, "audit", "report", JOURNAL, "--format", "json", "--to", "100"))
    assert (record["name"], record["last_seq"]) == ("small", 100)
    counts = object_of(
        run, "audit", "sql", JOURNAL, "select count(*) from commands where kind = 'place_order'", "--to", "100"
    )
    assert [[record["orders"]["placed"]]] == counts["rows"] != [[0]]
    state = object_of(run, "audit", "state", JOURNAL, "--at", "100")
    assert [one["equity_after"] for one in record["accounts"]] == [one["equity"] for one in state["accounts"]]
    said = told(run, "audit", "report", JOURNAL, "--to", "100", "--file", "record.html")
    assert said == "record.html: events 1 to 100\n"
    page = (run / "record.html").read_text()
    assert page.startswith("<!doctype html>") and "small · tapefold record" in page and "<script" not in page
    done = tapefold(run, "audit", "report", JOURNAL, "--file", "record.html")
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr) == "tapefold: error: --file record.html: is there already, expected a new file"
