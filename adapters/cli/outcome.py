"""From what a command returned or raised to an exit code and one line for a person."""

import os
import sys
from collections.abc import Sequence

from adapters.errors import TapefoldError

USAGE = 2
FAILED = 1
INTERRUPTED = 130
TRACEBACK = "TAPEFOLD_TRACEBACK"
FAULT = f"this is a fault of tapefold; {TRACEBACK}=1 shows where"


def exit_code_of(arguments: Sequence[str] | None) -> int:
    """Run the command line and say what went wrong, if anything, on stderr."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is left in the buffer must not fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return _fail("interrupted; what was recorded is kept", INTERRUPTED)
    except TapefoldError as error:
        return _fail(f"error: {error}", error.exit_code)
    except OSError as error:
        if os.environ.get(TRACEBACK):
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"error: {where}{error.strerror or error}", FAILED)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _fail(f"error: {type(error).__name__}: {error} ({FAULT})", FAILED)


def _run(arguments: Sequence[str] | None) -> int:
    from cyclopts import CycloptsError, UnusedCliTokensError

    from adapters.cli.app import app

    tokens = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except UnusedCliTokensError as error:
        return _fail(f"error: unexpected argument {(error.unused_tokens or ['?'])[0]!r}; see tapefold --help", USAGE)
    except CycloptsError as error:
        problem = str(error).rstrip(".")
        return _fail(f"error: {problem[:1].lower()}{problem[1:]}; see tapefold --help", USAGE)
    return code if isinstance(code, int) else 0


def _fail(line: str, code: int) -> int:
    """Say it in one line, whatever the text holds."""
    print(f"tapefold: {' '.join(line.split())}", file=sys.stderr)
    return code
