"""`journal project`: a tape's orders, fills, trades and positions as tables of a database."""

from pathlib import Path

from adapters.cli.console import counted, print_json, print_pairs, progress


def project(journal: Path, to: str, follow: bool, output: str) -> int:
    """Take a journal into a database, from where that was left, and print how far. Raises TapefoldError."""
    from adapters.compile_cache import prepare

    prepare()
    from adapters.journal import read_journal
    from replay.projections.running import project as run
    from replay.projections.targets import target_of

    with read_journal(journal) as reader:
        last_seq = reader.last_seq
    target = target_of(to)
    with progress("Taking the tape over", None if follow else last_seq) as done:
        result = {"journal": str(journal), "to": target.shown, **run(journal, target, follow, done)}
    if output == "json":
        print_json(result)
        return 0
    print_pairs(
        [
            ("Journal", f"{result['journal']} ({result['journal_id']})"),
            ("Database", result["to"]),
            ("Taken", f"{counted(result['taken'], 'event')} of orders and fills"),
            ("Reached", f"event {result['to_seq']:,} of {last_seq:,}"),
            ("Tables", "tape_orders, tape_fills, tape_trades, tape_positions"),
        ]
    )
    return 0
