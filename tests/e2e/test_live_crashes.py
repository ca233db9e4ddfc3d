"""A real daemon is killed at steps of its orders' lives and of its restarts; the exchange and the tape agree after it.

All steps, random kills and faults: `python -m tests.live_matrix`.
"""

from pathlib import Path

import pytest

from tests.e2e.live_lives import lives_at_points

# Each protocol meets other steps, so that together all that are of interest are met.
_STEPS = {
    "binanceusdm": ("after_commit:9", "after_send:2", "before_cancel:1", "after_questions:1"),
    "bitfinex": ("before_append:9", "before_send:3", "after_part_fill:1", "after_evidence:1"),
    "hyperliquid": ("after_accepted:1", "after_fill:1", "after_snapshot:1", "after_replay:1"),
}


@pytest.mark.parametrize("exchange", _STEPS)
def test_killed_and_begun_again_nothing_is_lost_or_doubled(exchange: str, tmp_path: Path) -> None:
    lives_at_points(exchange, tmp_path, _STEPS[exchange])
