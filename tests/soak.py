"""Trade for hours at a bad exchange, killed now and then, and compared with it again and again.

    python -m tests.soak --hours 8 --exchange bitfinex --faults tests/e2e/faults.toml --seed 3

A failure prints how to repeat it and where the journal, the logs and the configuration are kept.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from adapters import compile_cache

compile_cache.prepare()

from tests.e2e.live_lives import random_lives  # noqa: E402
from tests.e2e.live_processes import EXCHANGES  # noqa: E402

_SECONDS_AN_HOUR = 3_600
_LIFE_MOST_S = 300.0
_COMPARED_EVERY_LIVES = 5
# At least half a second each: more than there is time for.
_LIVES_AN_HOUR_MOST = 7_200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--exchange", choices=EXCHANGES, default="binanceusdm")
    parser.add_argument("--faults", type=Path, default=Path(__file__).parent / "e2e" / "faults.toml")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=f"tapefold-soak-{given.exchange}-"))
    seconds = given.hours * _SECONDS_AN_HOUR
    lives = max(1, int(given.hours * _LIVES_AN_HOUR_MOST))
    try:
        random_lives(
            given.exchange,
            folder,
            lives,
            given.seed,
            given.faults,
            compared_every=_COMPARED_EVERY_LIVES,
            live_s=min(_LIFE_MOST_S, seconds),
            seconds=seconds,
        )
    except AssertionError as failure:
        print(f"{given.exchange}, seed {given.seed}: {failure}\n  kept in {folder}", flush=True)
        return 1
    print(f"{given.exchange}: {given.hours:g} hours, the exchange and the tape agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
