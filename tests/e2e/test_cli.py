"""The command line as a user meets it: a process of its own, exit codes, one-line errors, JSON."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from adapters.journal import Manifest, create_journal, read_journal
from adapters.report.files import REPORT_FILES
from adapters.version import engine_version, layout_name
from engine.state import DEFAULT_LIMITS
from replay.recorder import state_digest
from replay.refold import Folder
from tests.support import ROOT
from tests.unit.statistics_tape import Tape

BARS = 120
CONFIGURATION = """
[run]
name = "small"

[journal]
block_events = 50
snapshot_every_events = 100

[[accounts]]
name = "main"
kind = "margin"
currency = "USD"
balance = "10000"

[[instruments]]
symbol = "AAA/USD"
account = "main"
kind = "linear"
tick_size = "0.01"
lot_size = "0.1"
taker_fee_bps = 5
margin_initial = "0.1"
order_quantity = "2"
short_allowed = true

[[strategies]]
name = "ema"
form = "FORM"
entry = "ENTRY"
[strategies.parameters]
fast = 3
slow = 8

[[data]]
path = "bars.csv"
instrument = "AAA/USD"
kind = "bars"
interval = "1h"
columns = { open = "open", high = "high", low = "low", close = "close", volume = "volume" }
time = { column = "time", unit = "s" }
"""
FIGURES = (
    *("events", "market_events", "wall_s", "events_per_s", "orders", "fills", "fees", "realized_pnl", "unrealized_pnl"),
    *(
        "final_equity",
        "max_drawdown",
        "state_digest",
        "command_digest",
        "journal",
        "trades",
        "sharpe_ratio",
        "win_rate",
    ),
    *("exposure_time", "profit_factor", "currency", "report", "instruments", "accounts", "data", "refusals"),
)


def bars(count: int) -> str:
    prices = [100 + 8 * np.sin(number / 6) + number / 40 for number in range(count + 1)]
    lines = ["time,open,high,low,close,volume"]
    for number in range(count):
        first, last = (f"{price:.2f}" for price in prices[number : number + 2])
        high, low = max(first, last, key=float), min(first, last, key=float)
        lines.append(f"{1_512_086_400 + 3_600 * number},{first},{high},{low},{last},5000")
    return "\n".join(lines) + "\n"


def write_run(
    folder: Path, form: str = "compiled", entry: str = "adapters.strategies.ema_cross", count: int = BARS
) -> None:
    text = CONFIGURATION.replace("FORM", form).replace("ENTRY", entry)
    (folder / "run.toml").write_text(text)
    (folder / "bars.csv").write_text(bars(count))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "adapters.cli", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}


def tapefold(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


def one_line(text: str) -> str:
    """The only line of what a failed command said, besides the notice that it compiles."""
    lines = [line for line in text.splitlines() if not line.startswith("Compiling")]
    assert len(lines) == 1, text
    assert lines[0].startswith("tapefold: ")
    return lines[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `run.toml` was backtested; its journal is at journals/small."""
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    done = tapefold(folder, "backtest", "run.toml")
    assert done.returncode == 0, done.stderr
    return folder


def test_backtest_json_is_one_object_and_a_repeat_is_the_same(run: Path) -> None:
    done = tapefold(run, "backtest", "run.toml", "--output", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(FIGURES) <= result.keys()
    assert result["market_events"] == BARS
    assert result["orders"] == result["fills"] > 2
    assert [source["rows"] for source in result["data"]] == [BARS]
    assert result["journal"] == "journals/small"
    assert sorted(
        file.name for file in (run / "journals" / "small").glob("*.*") if file.name in REPORT_FILES
    ) == sorted(REPORT_FILES)
    assert json.loads((run / result["journal"] / "summary.json").read_text()) == result
    again = json.loads(tapefold(run, "backtest", "run.toml", "--output", "json", "--journal", "other").stdout)
    for key in ("state_digest", "command_digest", "events", "final_equity", "instruments"):
        assert again[key] == result[key]


def test_a_table_in_a_pipe_is_plain_and_narrow(run: Path) -> None:
    done = tapefold(run, "backtest", "run.toml")
    assert done.returncode == 0
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("Compiling")] == [
        "Replacing the earlier backtest in journals/small."
    ]
    for word in ("Final equity", "State digest", "Sharpe ratio", "AAA/USD", "total"):
        assert word in done.stdout


RULES = """
[bracket]
stop = "0.5%"
targets = [{at = "0.4%", share = "0.5"}]

[risk]
loss_cooldown = "12h"

[[breakers]]
name = "swing"
condition = "price_jump"
limit = "2.6%"
window = "1h"
actions = ["close_position", "block_entries"]
rearm = "cooldown"
cooldown = "18h"
"""


def test_a_run_with_rules_tells_what_they_did(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "run.toml").write_text((tmp_path / "run.toml").read_text() + RULES)
    done = tapefold(tmp_path, "backtest", "run.toml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for line in (
        "Refusals        3 breaker tripped",
        "Brackets        3 breaker closed",
        "Legs filled     3 target",
        "Breakers        4 swing",
        "2017-12-01 02:00 27    swing: price jump at AAA/USD is 2.67 %, limit 2.60 %",
        "2017-12-01 14:00 40    ema at AAA/USD: breaker tripped, swing at 2.67 %",
    ):
        assert line in lines
    summary = json.loads((tmp_path / "journals" / "small" / "summary.json").read_text())
    assert (summary["refusals"], summary["breakers"]) == ({"breaker_tripped": 3}, {"swing": 4})
    assert summary["brackets"] == {
        "opened": 3,
        "closed": {"breaker_closed": 3},
        "stops_moved": 0,
        "stops_filled": 0,
        "targets_filled": 3,
    }
    told = [(entry["seq"], entry["kind"], entry["name"], entry["symbol"]) for entry in summary["incidents"][:2]]
    assert told == [(27, "breaker_tripped", "swing", "AAA/USD"), (46, "breaker_changed", "swing", "AAA/USD")]
    assert summary["incidents"][0]["text"].endswith("limit 2.60 %; block entries, close position")
    first = summary["refused"][0]
    assert {key: first[key] for key in ("seq", "reason", "limit", "strategy", "symbol")} == {
        "seq": 40,
        "reason": "breaker_tripped",
        "limit": 0,
        "strategy": "ema",
        "symbol": "AAA/USD",
    }
    assert first["observed"] == 26_700  # the second close, 102.67, over the first bar's low, 100.00
    page = (tmp_path / "journals" / "small" / "report.html").read_text()
    assert "What was refused" in page
    assert "swing tripped: price jump at AAA/USD is 2.67 %" in page
    stood = tapefold(tmp_path, "replay", "journals/small", "--until", "27")
    assert stood.returncode == 0, stood.stderr
    assert stood.stdout.splitlines()[-1].split() == ["swing", "price_jump", "cooling", "2.60", "%", "1", "2.67", "%"]
    before = tapefold(tmp_path, "replay", "journals/small", "--until", "26")
    assert before.stdout.splitlines()[-1].split() == ["swing", "price_jump", "armed", "2.60", "%", "–", "–"]
    state = json.loads(tapefold(tmp_path, "replay", "journals/small", "--until", "27", "--output", "json").stdout)
    assert [(entry["name"], entry["status"], entry["trips"]) for entry in state["breakers"]] == [
        ("swing", "cooling", 1)
    ]


def test_verify_recomputes_everything(run: Path) -> None:
    done = tapefold(run, "verify", "journals/small", "--output", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    summary = json.loads((run / "journals" / "small" / "summary.json").read_text())
    assert result["ok"] is True
    assert result["events"] == summary["events"]
    assert (result["state_digest"], result["command_digest"]) == (summary["state_digest"], summary["command_digest"])
    assert result["snapshots_checked"] >= 1
    assert result["engine_version"] == result["recorded_engine_version"] == engine_version()
    assert tapefold(run, "verify", "journals/small").stdout.startswith("Journal")


def test_replay_to_the_end_and_to_a_point(run: Path) -> None:
    summary = json.loads((run / "journals" / "small" / "summary.json").read_text())
    end = json.loads(tapefold(run, "replay", "journals/small", "--output", "json").stdout)
    assert end["state_digest"] == summary["state_digest"]
    assert end["accounts"][0]["equity"] == summary["final_equity"]
    assert end["positions"][0]["symbol"] == "AAA/USD"
    assert end["open_orders"] == []
    point = json.loads(tapefold(run, "replay", "journals/small", "--until", "77", "--output", "json").stdout)
    assert (point["events"], point["last_seq"]) == (77, 77)
    at = f"{point['last_time'].rstrip('Z')}.000000000+00:00"
    timed = json.loads(tapefold(run, "replay", "journals/small", "--until", at, "--output", "json").stdout)
    assert timed["last_ts_ns"] == point["last_ts_ns"]
    assert timed["last_seq"] >= 77
    table = tapefold(run, "replay", "journals/small")
    assert "Accounts" in table.stdout
    assert "Open orders: none" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backtest", "missing.toml"], ["missing.toml", "no such file"]),
        (["backtest", "broken.toml"], ["broken.toml", "TOML"]),
        (["backtest"], ["configuration"]),
        (["backtest", "run.toml", "--output", "xml"], ["xml"]),
        (["backtest", "run.toml", "--frobnicate"], ["frobnicate"]),
        (["backtest", "run.toml", "again.toml"], ["unexpected argument 'again.toml'"]),
        (["fly"], ["fly"]),
        (["bench", "fish"], ["fish"]),
        (["bench", "ticks", "--events", "0"], ["--events", "at least 1"]),
        (["bench", "ticks", "--events", "many"], ["many"]),
        (["bench", "resting", "--events", "-5"], ["--events is -5", "expected 1 to"]),
        (["bench", "brackets", "--events", "5000000"], ["--events is 5000000", "expected 1 to"]),
        (["bench", "brackets", "--rules", "all"], ["--rules", "ticks or bars"]),
        (["bench", "resting", "--no-journal"], ["--no-journal", "ticks or bars"]),
        (["replay", "nowhere"], ["nowhere", "does not exist"]),
        (["replay", "."], ["holds no journal"]),
        (["replay", "journals/small", "--until", "soon"], ["--until", "soon"]),
        (["replay", "journals/small", "--until", "0"], ["--until 0", "1 to"]),
        (["replay", "journals/small", "--until", "1000000"], ["--until 1000000", "1 to"]),
        (["replay", "journals/small", "--until", "2031-01-01"], ["--until 2031-01-01", "2017-12-01"]),
        (["verify", "run.toml"], ["run.toml", "is no folder"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run: Path, arguments: list[str], words: list[str]) -> None:
    (run / "broken.toml").write_text("[run\n")
    done = tapefold(run, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    line = one_line(done.stderr)
    for word in words:
        assert word.lower() in line.lower()


def test_what_is_in_the_way_is_refused_and_stays(run: Path, tmp_path: Path) -> None:
    write_run(tmp_path)
    journal = tmp_path / "there"
    assert tapefold(tmp_path, "backtest", "run.toml", "--journal", "there").returncode == 0
    other = (tmp_path / "run.toml").read_text().replace('name = "small"', 'name = "other"')
    (tmp_path / "other.toml").write_text(other)
    before = (journal / "data.mdb").read_bytes()
    done = tapefold(tmp_path, "backtest", "other.toml", "--journal", "there")
    assert done.returncode == 2
    assert "'small', not 'other'" in one_line(done.stderr)
    (journal / "notes.txt").write_text("mine")
    done = tapefold(tmp_path, "backtest", "run.toml", "--journal", "there")
    assert done.returncode == 2
    assert "notes.txt" in one_line(done.stderr)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert tapefold(tmp_path, "backtest", "run.toml", "--journal", "full").returncode == 2
    assert (journal / "data.mdb").read_bytes() == before
    assert (journal / "notes.txt").read_text() == "mine"


def test_bad_data_is_found_before_an_earlier_journal_is_replaced(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert tapefold(tmp_path, "backtest", "run.toml").returncode == 0
    before = (tmp_path / "journals" / "small" / "data.mdb").read_bytes()
    lines = bars(BARS).splitlines()
    lines[7] = lines[7].replace(",", ",x", 1)
    (tmp_path / "bars.csv").write_text("\n".join(lines))
    done = tapefold(tmp_path, "backtest", "run.toml")
    assert done.returncode == 2
    assert "bars.csv line 8" in one_line(done.stderr)
    assert (tmp_path / "journals" / "small" / "data.mdb").read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('[[changes]]\nat = "2017-11-30T00:00:00Z"\nset = {"risk.cooldown" = "1h"}\n', ["changes[0].at", "2017-12-01"]),
        ('[[strategies]]\nname = "other"\nform = "compiled"\nentry = "missing.py"\n', ["missing.py"]),
    ],
)
def test_what_is_wrong_is_found_before_an_earlier_journal_is_replaced(
    tmp_path: Path, wrong: str, words: list[str]
) -> None:
    write_run(tmp_path)
    assert tapefold(tmp_path, "backtest", "run.toml").returncode == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "journals" / "small").iterdir()}
    (tmp_path / "run.toml").write_text((tmp_path / "run.toml").read_text() + wrong)
    done = tapefold(tmp_path, "backtest", "run.toml")
    assert done.returncode == 2
    line = one_line(done.stderr)
    for word in words:
        assert word in line
    after = {file.name: file.read_bytes() for file in (tmp_path / "journals" / "small").iterdir()}
    assert after.keys() == before.keys()
    assert all(after[name] == before[name] for name in after if name != "lock.mdb")


def test_damage_is_exit_code_4_and_names_the_block(run: Path, tmp_path: Path) -> None:
    assert tapefold(run, "backtest", "run.toml", "--journal", str(tmp_path / "journal")).returncode == 0
    file = tmp_path / "journal" / "data.mdb"
    data = bytearray(file.read_bytes())
    for block in re.finditer(b"TAPEFOLD", bytes(data)):  # pages that are no longer in use may hold an older copy
        data[block.start() + 1_000] ^= 1
    file.write_bytes(data)
    done = tapefold(tmp_path, "verify", "journal", "--output", "json")
    assert done.returncode == 4
    assert "block" in one_line(done.stderr)
    result = json.loads(done.stdout)
    assert result["ok"] is False
    assert result["error"] in done.stderr
    assert tapefold(tmp_path, "replay", "journal").returncode == 4


def test_divergence_is_exit_code_3_and_names_another_engine(tmp_path: Path) -> None:
    tape = Tape()
    tape.instrument(0, "A")
    tape.fill(0, 10, 100)
    folder = Folder(DEFAULT_LIMITS)
    events = np.concatenate(tape.rows)
    decided = np.frombuffer(folder.fold(events, len(tape.rows)), dtype=np.uint8)
    layout = asdict(DEFAULT_LIMITS)
    for name, version in (("same", engine_version()), ("older", "0.0.1+00")):
        manifest = Manifest(
            journal_id="0" * 32,
            engine_version=version,
            layout=layout,
            state_layout=layout_name(folder.engine.layout),
            configuration_hash="",
            mode="live",
            created_ns=0,
        )
        with create_journal(tmp_path / name, manifest) as writer:
            wrong = state_digest(folder.state)[::-1]
            writer.append(events, decided, wrong, tape.documents)
    done = tapefold(tmp_path, "verify", "same")
    assert done.returncode == 3
    assert "state digest" in one_line(done.stderr)
    done = tapefold(tmp_path, "verify", "older")
    assert done.returncode == 3
    assert "recorded by engine 0.0.1+00" in done.stderr.splitlines()[-1]
    write_run(tmp_path)
    done = tapefold(tmp_path, "backtest", "run.toml", "--journal", "same")
    assert done.returncode == 2
    assert "mode live, which is never replaced" in one_line(done.stderr)


_SLOW_STRATEGY = """
import time
from pathlib import Path
from adapters.strategies.interface import Signal, Strategy
from engine.kinds import Action


class Slow(Strategy):
    seen = 0

    def on_bar(self, bar):
        self.seen += 1
        if self.seen == 200:
            return Signal(bar.instrument, Action.BUY)
        if self.seen == 400:
            Path("reached").touch()
            for _ in range(6_000):
                time.sleep(0.01)
"""


def test_an_interrupt_is_exit_code_130_and_leaves_a_journal_that_verifies(tmp_path: Path) -> None:
    write_run(tmp_path, "python", "slow.py:Slow", count=600)
    text = (tmp_path / "run.toml").read_text()
    (tmp_path / "run.toml").write_text(text.replace("fast = 3\nslow = 8\n", ""))
    (tmp_path / "slow.py").write_text(_SLOW_STRATEGY)
    process = subprocess.Popen(
        command("backtest", "run.toml"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(12_000):
        if (tmp_path / "reached").exists() or process.poll() is not None:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "interrupted" in one_line(stderr)
    with read_journal(tmp_path / "journals" / "small") as reader:
        assert reader.last_seq >= 200
    assert tapefold(tmp_path, "verify", "journals/small").returncode == 0
    (tmp_path / "slow.py").write_text(_SLOW_STRATEGY.replace("400", "4000"))
    assert tapefold(tmp_path, "backtest", "run.toml").returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error(run: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed:
        done = subprocess.run(
            command("replay", "journals/small"),
            cwd=run,
            env=environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_bench_reports_its_figures(run: Path) -> None:
    done = tapefold(run, "bench", "ticks", "--events", "20000", "--no-journal", "--output", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    wanted = {"workload", "events", "events_per_s", "orders", "fills", "compile_s", "peak_rss_mib", "journaled"}
    assert wanted <= result.keys()
    assert (result["events"], result["journaled"]) == (20_000, False)


def test_help_and_version_do_not_load_the_engine() -> None:
    for argument, word in (("--help", "backtest"), ("--version", "0.")):
        run = f"code = main([{argument!r}])"
        source = f"import sys; from adapters.cli import main; {run}; print(code, 'numba' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", source], env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout.splitlines()[-1] == "0 False"
        assert word in done.stdout


def test_what_is_compiled_for_a_backtest_is_kept(tmp_path: Path) -> None:
    """The folder for it has to be named before the first kernel is imported, and a configuration imports some."""
    code = (
        "import sys; from pathlib import Path; from adapters.cli.backtesting import backtest; "
        "from adapters.errors import UserError\n"
        "try: backtest(Path('none.toml'), None, 'json')\n"
        "except UserError: from engine import jit; sys.exit(0 if jit._CACHE else 1)"
    )
    environment = {**os.environ, "TAPEFOLD_CACHE": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, timeout=60).returncode == 0
