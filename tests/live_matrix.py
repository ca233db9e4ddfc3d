"""Kill a real daemon at every step, or at random under load and faults, and compare it with the exchange.

    python -m tests.live_matrix --exchange binanceusdm
    python -m tests.live_matrix --exchange hyperliquid --random 200 --faults tests/e2e/faults.toml --seed 7

A failure prints how to repeat it and where the journal, the logs and the configuration are kept.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from adapters import compile_cache

compile_cache.prepare()

from tests.e2e.live_lives import EVERY_POINT, lives_at_points, random_lives  # noqa: E402
from tests.e2e.live_processes import EXCHANGES  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchange", choices=(*EXCHANGES, "all"), default="all")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="so many random kills instead of every step")
    parser.add_argument("--faults", type=Path, help="what is to go wrong at the venue, see docs/venue.md")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", nargs="+", default=EVERY_POINT, help="the steps, as POINT:COUNT")
    parser.add_argument("--speed", type=float, default=0, help="of the market; 3 at steps and 5 at random")
    parser.add_argument("--short", action="store_true", help="signals turn positions round (with --random)")
    given = parser.parse_args()
    failed = 0
    for exchange in EXCHANGES if given.exchange == "all" else (given.exchange,):
        folder = Path(tempfile.mkdtemp(prefix=f"tapefold-{exchange}-"))
        try:
            if given.random:
                random_lives(
                    exchange, folder, given.random, given.seed, given.faults, given.speed or 5, goes_short=given.short
                )
            else:
                lives_at_points(exchange, folder, given.points, given.speed or 3)
            print(f"{exchange}: the exchange and the tape agree", flush=True)
        except AssertionError as failure:
            failed += 1
            print(f"{exchange}, seed {given.seed}: {failure}\n  kept in {folder}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
