"""What can go wrong, as exceptions that carry one clear line for a person and an exit code for a program."""


class TapefoldError(Exception):
    """One clear line: what, where, what was expected."""

    exit_code = 1


class UserError(TapefoldError):
    """Wrong usage, configuration or input data."""

    exit_code = 2


class Divergence(TapefoldError):
    """A refold leads elsewhere than the tape recorded."""

    exit_code = 3


class JournalDamaged(TapefoldError):
    """A journal whose bytes are not what was written."""

    exit_code = 4
