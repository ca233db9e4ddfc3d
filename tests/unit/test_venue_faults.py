"""The rules of a venue's faults: when they strike, that they repeat, and what is said of a bad file."""

from pathlib import Path

import pytest

from adapters.errors import UserError
from adapters.venue.faults import FaultFile, FaultKind, Faults, Messages, Requests, load_faults


def faults_of(*rules: dict[str, object], seed: int = 1) -> Faults:
    return Faults(FaultFile.model_validate({"seed": seed, "faults": rules}))


def struck(faults: Faults, about: Requests, count: int) -> list[bool]:
    return [bool(faults.of_request(about)) for _ in range(count)]


def test_at_and_every_count_what_they_are_about() -> None:
    faults = faults_of({"kind": "hang", "on": "order", "at": [2]}, {"kind": "malformed", "on": "cancel", "every": 2})
    assert struck(faults, Requests.CANCEL, 4) == [False, True, False, True]
    assert struck(faults, Requests.ORDER, 3) == [False, True, False]
    assert struck(faults, Requests.ACCOUNT, 3) == [False] * 3
    assert faults.struck == {FaultKind.MALFORMED: 2, FaultKind.HANG: 1}


def test_chance_repeats_with_its_seed_and_no_other() -> None:
    rule = {"kind": "lose_answer", "probability": 0.5}
    first, again, other = faults_of(rule), faults_of(rule), faults_of(rule, seed=2)
    drawn = struck(first, Requests.ORDER, 64)
    assert struck(again, Requests.ORDER, 64) == drawn
    assert struck(other, Requests.ORDER, 64) != drawn
    assert 10 < sum(drawn) < 54


def test_a_rule_s_chance_does_not_depend_on_the_others() -> None:
    rule = {"kind": "lose_answer", "on": "order", "probability": 0.5}
    alone, beside = faults_of(rule), faults_of(rule, {"kind": "hang", "on": "order", "probability": 0.5})
    kinds = [[fault.kind for fault in beside.of_request(Requests.ORDER)] for _ in range(64)]
    assert [FaultKind.LOSE_ANSWER in found for found in kinds] == struck(alone, Requests.ORDER, 64)


def test_any_is_everything_that_the_kind_can_be_about() -> None:
    faults = faults_of({"kind": "lose_message", "every": 1})
    assert faults.of_message(Messages.FILLS) and faults.of_message(Messages.QUOTES)
    assert not faults.of_request(Requests.ORDER)


def test_clocks_are_skewed_by_the_sum() -> None:
    rules = ({"kind": "clock_skew", "skew_ms": 1_500}, {"kind": "clock_skew", "skew_ms": -500})
    assert faults_of(*rules).clock_skew_ns == 1_000_000_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 'x'", "seed: input should be a valid integer"),
        ("[[faults]]\nkind = 'hangs'\nevery = 1", "faults.0.kind: input should be 'lose_request'"),
        ("[[faults]]\nkind = 'hang'", "faults.0: expected exactly one of probability, every, at for hang; found none"),
        ("[[faults]]\nkind = 'hang'\non = 'fills'\nevery = 1", "faults.0: on: expected any, order, cancel"),
        ("[[faults]]\nkind = 'hang'\nevery = 0", "faults.0.every: input should be greater than or equal to 1"),
        ("[[faults]]\nkind = 'hang'\nevery = 1\nsize = 3", "faults.0.size: extra inputs are not permitted"),
        ("[[faults", "not valid TOML"),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_faults(file)
    line = str(caught.value)
    assert line.startswith(f"{file}: ") and said in line and "\n" not in line


def test_a_missing_file_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read .*expected a file of faults"):
        load_faults(tmp_path / "none.toml")
