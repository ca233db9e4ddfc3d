"""`audit explain|whatif|bisect` as a user meets them: what is printed, JSON, one line for what is wrong, exit codes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_cli import RULES, one_line, tapefold, write_run

JOURNAL = "journals/small"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal at journals/small: brackets, breakers, refusals; one of other rules beside it."""
    folder = tmp_path_factory.mktemp("explain")
    write_run(folder)
    text = (folder / "run.toml").read_text() + RULES
    (folder / "run.toml").write_text(text)
    (folder / "other.toml").write_text(text.replace('"small"', '"other"').replace('"2.6%"', '"5%"'))
    for name in ("run.toml", "other.toml"):
        done = tapefold(folder, "backtest", name)
        assert done.returncode == 0, done.stderr
    return folder


def told(folder: Path, *arguments: str, code: int = 0) -> str:
    done = tapefold(folder, "audit", *arguments)
    assert done.returncode == code, done.stderr
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout


def object_of(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    found = json.loads(told(folder, *arguments, "--output", "json", code=code))
    assert isinstance(found, dict)
    return found


def test_an_order_is_explained(run: Path) -> None:
    found = object_of(run, "explain", JOURNAL, "1")
    assert (found["journal"], found["order"], found["subject"]) == (JOURNAL, 1, "order 1")
    assert found["event"].startswith("signal of ema") and found["bracket"]["orders"]
    checks = [row for row in found["compared"] if row["stage"] == "check"]
    assert [row["rule"] for row in checks[:2]] == ["trading_halted", "trading_reduce_only"]
    assert all(row["passed"] for row in checks)
    text = told(run, "explain", JOURNAL, "1")
    assert text.startswith("order 1 placed for ema") and "├── Checks" in text and "Profit: realized" in text


def test_a_refusal_is_explained_by_its_event(run: Path) -> None:
    refusals = json.loads((run / JOURNAL / "summary.json").read_text())["refused"]
    seq = refusals[0]["seq"]
    found = object_of(run, "explain", JOURNAL, "--at", str(seq))
    last = found["explained"][-1]["compared"][-1]
    assert (last["rule"], last["limit"], last["observed"], last["passed"]) == (
        refusals[0]["reason"],
        refusals[0]["limit"],
        refusals[0]["observed"],
        False,
    )
    assert "✗" in told(run, "explain", JOURNAL, "--at", str(seq))


def test_a_change_that_changes_nothing_says_so(run: Path) -> None:
    text = told(run, "whatif", JOURNAL, "--set", "risk.open_orders_max=999")
    assert "nowhere: nothing would have differed" in text
    assert "the recorded tape, to the byte" in text
    assert object_of(run, "whatif", JOURNAL, "--set", "risk.open_orders_max=999")["parts"] is None


def test_another_rule_is_the_backtest_with_that_rule(run: Path) -> None:
    found = object_of(run, "whatif", JOURNAL, "--set", "breakers.swing.limit=5%")
    other = json.loads((run / "journals" / "other" / "summary.json").read_text())
    assert found["as_recorded"] and found["parts"]["seq"] > 1 and found["differences"]
    assert (found["changed"]["orders"], found["changed"]["fills"]) == (other["orders"], other["fills"])
    (account,) = found["changed"]["accounts"]
    assert (account["equity"], account["fees"]) == (other["final_equity"], other["fees"])
    text = told(run, "whatif", JOURNAL, "--set", "breakers.swing.limit=5%", "--limit", "2")
    assert f"What differs, the first 2 of {len(found['differences'])}" in text and "swing" in text


def test_tapes_that_are_the_same_and_tapes_that_part(run: Path) -> None:
    shutil.copytree(run / JOURNAL, run / "copy", dirs_exist_ok=True)
    assert object_of(run, "bisect", JOURNAL, "copy")["same"] is True
    assert object_of(run, "bisect", JOURNAL)["same"] is True
    assert "the same" in told(run, "bisect", JOURNAL, JOURNAL)
    found = object_of(run, "bisect", JOURNAL, "journals/other", code=1)
    assert (found["same"], found["parts"]["seq"], found["parts"]["what"]) == (False, 1, "event")
    assert "Part at  event 1" in told(run, "bisect", JOURNAL, "journals/other", code=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", JOURNAL), "expected either the number of an order or --at"),
        (("explain", JOURNAL, "1", "--at", "5"), "expected either the number of an order or --at"),
        (("explain", JOURNAL, "999"), "order 999: unknown order"),
        (("explain", JOURNAL, "0"), "order 0: unknown order"),
        (("explain", JOURNAL, "--at", "2031-01-01"), "expected a time of the tape"),
        (("explain", "nowhere", "1"), "nowhere"),
        (("whatif", JOURNAL), "expected at least one --set KEY=VALUE"),
        (("whatif", JOURNAL, "--set", "risk"), "--set risk: expected KEY=VALUE"),
        (("whatif", JOURNAL, "--set", "risk.nonsense=1"), "risk.nonsense: unknown key"),
        (("whatif", JOURNAL, "--set", "risk.loss_cooldown=soon"), "risk.loss_cooldown: expected"),
        (("whatif", JOURNAL, "--set", "risk.loss_cooldown=12h"), "expected a rule that changes"),
        (("whatif", JOURNAL, "--set", "risk.loss_cooldown=1h", "--at", "3"), "--at 3: expected event"),
        (("whatif", JOURNAL, "--set", "risk.loss_cooldown=1h", "--limit", "0"), "--limit 0: expected 1 or more"),
        (("bisect", JOURNAL, "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_answered_is_one_line(run: Path, arguments: tuple[str, ...], words: str) -> None:
    done = tapefold(run, "audit", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in one_line(done.stderr)
