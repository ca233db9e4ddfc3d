"""A stranger's questions: the page says what the commands print, and that is what happened."""

import re

import pytest

from tests.golden import questions


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """By question: what the page has, which is what is printed."""
    page = questions.PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))


def test_the_page_is_what_the_commands_print() -> None:
    assert questions.PAGE.read_text(encoding="utf-8") == questions.page(), "run: python -m tests.golden.questions"


def test_why_an_order_had_its_size(answers: dict[str, str]) -> None:
    told = answers["Why was this order this size?"]
    assert "86.523 ETH/USD of 87.897 wanted, bound by position weight" in told
    assert "position weight max: limit 39,307.61616793 USD, seen 39,307.3989 USD" in told


def test_which_rule_refused(answers: dict[str, str]) -> None:
    failed = [line for line in answers["Which rule refused that one?"].splitlines() if "✗" in line]
    assert len(failed) == 1 and failed[0].endswith("✗ breaker tripped: crash at 31.84 %")


def test_who_armed_the_breaker_again_and_why(answers: dict[str, str]) -> None:
    told = answers["Who re-armed the breaker, and why?"]
    assert re.search(
        r"silence tripped: request failures is 2, limit 2.*"
        r'reset breaker silence: "the exchange says it has fixed its gateway" \(alice',
        told,
        flags=re.DOTALL,
    )


def test_what_was_held_in_the_crash(answers: dict[str, str]) -> None:
    told = answers["What was the position at 07:31?"]
    assert "After event    3,449 at 2017-12-22T07:30:00.100Z" in told
    assert re.search(r"ETH/USD bitfinex +-9\.988 +777\.05", told)


def test_which_orders_were_unknown(answers: dict[str, str]) -> None:
    told = answers["Which orders were unknown during the disconnect?"]
    failed = set(re.findall(r"request of main about order (\d+) failed", told))
    unknown = set(re.findall(r"^(\d+) +BTC/USDT:USDT .* unknown ", told, flags=re.MULTILINE))
    assert unknown and unknown <= failed


def test_what_half_the_daily_limit_would_have_done(answers: dict[str, str]) -> None:
    told = answers["What if the daily limit had been half?"]
    assert "the recorded tape, to the byte" in told
    assert re.search(r"bad-day +1 +9", told)
    assert re.search(r"max drawdown +12,566\.90 +7,150\.51", told)


def test_where_this_version_parts(answers: dict[str, str]) -> None:
    told = answers["Would this version have decided the same?"]
    assert "event 62 at 2017-12-19T04:00:00.050Z: other decisions on the same event" in told
    assert "the same: 3,301 events and what was decided on them" in told
