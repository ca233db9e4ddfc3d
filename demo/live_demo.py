"""A minute of live trading: a venue and a daemon on this machine, a kill -9 in the middle, and then both compared.

python -m demo.live_demo
"""

import shutil
import sys
import time
from pathlib import Path

from adapters import compile_cache

compile_cache.prepare()

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from tests.e2e.live_agreement import both_sides, compared, differences  # noqa: E402
from tests.e2e.live_processes import Trial, venue  # noqa: E402

_FOLDER = Path("journals/live-demo")
_DEMO = Path(__file__).parent
# A bar of half an hour takes 30 ms.
_SPEED = 60_000
_BEFORE_THE_KILL_S, _AFTER_IT_S = 15, 15


def main() -> int:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)
    text = (_DEMO / "live-demo.toml").read_text(encoding="utf-8")
    with venue("binanceusdm", _FOLDER / "venue.log", _SPEED, data=_DEMO / "live-venue.toml") as place:
        print(f"venue: binanceusdm at {place.address}, December 2017 at {_SPEED:,} times its speed")
        trial = Trial(place, _FOLDER, text)
        try:
            return _trade(trial)
        finally:
            trial.end()


def _trade(trial: Trial) -> int:
    trial.begin()
    trial.wait_for_ready()
    print(f"daemon: trading for {_BEFORE_THE_KILL_S} s")
    trial.live_on(_BEFORE_THE_KILL_S)
    print("daemon: killed (-9); the market goes on without it")
    trial.begin()
    trial.wait_for_ready()
    print(f"daemon: back from its tape, trading for {_AFTER_IT_S} s")
    time.sleep(_AFTER_IT_S)
    trial.venue.hold()
    trial.settle(quiet_s=4, within_s=30)
    trial.stop()
    print("daemon: stopped; its orders stay at the exchange")
    return _compare(trial)


def _compare(trial: Trial) -> int:
    inside, outside, ids = both_sides(trial)
    table = Table("", "the tape", "the exchange")
    for name, (here, there) in compared(trial, inside, outside, ids).items():
        table.add_row(name, str(here), str(there))
    Console().print(table)
    found = differences(trial, inside, outside, ids)
    print("\n".join(found) or "They agree to the last unit.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
