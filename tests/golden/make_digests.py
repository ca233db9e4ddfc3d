"""The golden digests: `python -m tests.golden.make_digests` rewrites digests.json, `--print NAME ...` only shows.

A digest that changes means that the same tape leads elsewhere than before, so that journals written until then
no longer verify. Rewrite the file only together with a page in docs/decisions/ that says what changed and why.
"""

import json
import sys
from pathlib import Path

from adapters import compile_cache

FILE = Path(__file__).resolve().parent / "digests.json"


def main(arguments: list[str]) -> None:
    compile_cache.prepare()
    from tests.golden.fixed_runs import RUNS

    if arguments[:1] == ["--print"]:
        print(json.dumps({name: RUNS[name]() for name in arguments[1:] or RUNS}))
        return
    FILE.write_text(json.dumps({name: make() for name, make in RUNS.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
