"""The command line: `tapefold backtest | replay | verify | bench`. It is the composition root of every mode.

Nothing heavy is imported before it is needed, so that `--help` answers at once; the engine only after the
folder of compiled kernels is named.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command (of `sys.argv` for None) and return its exit code. Raises nothing.

    0 fine, 1 a check failed, 2 usage or configuration, 3 divergence, 4 damaged journal, 130 interrupted.
    """
    from adapters.cli.outcome import exit_code_of

    return exit_code_of(arguments)
