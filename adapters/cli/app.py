"""The commands and their arguments; what they do is in the module that each one imports when it is called."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from adapters.cli.audit import audit as audit_app
from adapters.cli.journal import journal as journal_app
from adapters.cli.options import Output


def _version() -> str:
    from adapters.version import VERSION

    return VERSION


app = App(
    name="tapefold",
    help="A deterministic, event-sourced trading engine: state is a fold over the tape.",
    version=_version,
    suppress_keyboard_interrupt=False,
)
app.command(journal_app)
app.command(audit_app)


@app.command
def backtest(configuration: Path, /, *, journal: Path | None = None, output: Output = "table") -> int:
    """Trade market data files through the engine, onto a journal, and report.

    Parameters
    ----------
    configuration
        The run's TOML file.
    journal
        The journal's folder; journals/NAME where not given, with the name of the run. The journal of an earlier
        backtest of the same name is replaced.
    """
    from adapters.cli.backtesting import backtest as run

    return run(configuration, journal, output)


@app.command
def replay(journal: Path, /, *, until: str | None = None, output: Output = "table") -> int:
    """Fold a journal again and print the state that it leads to.

    Parameters
    ----------
    journal
        The journal's folder.
    until
        Stop after this sequence number, or after the last event that is not later than this ISO time (UTC where
        it has no zone).
    """
    from adapters.cli.tapes import replay as run

    return run(journal, until, output)


@app.command
def verify(journal: Path, /, *, output: Output = "table") -> int:
    """Check a journal: its hash chain, and every decision and state digest against a fold of the tape.

    Parameters
    ----------
    journal
        The journal's folder.
    """
    from adapters.cli.tapes import verify as run

    return run(journal, output)


@app.command
def risk(
    journal: Path,
    /,
    *,
    at: str | None = None,
    shock: Annotated[list[str] | None, Parameter(negative="")] = None,
    benchmark: str | None = None,
    periods_per_year: float | None = None,
    output: Output = "table",
) -> int:
    """Fold a journal again and print what its portfolio holds and stands to lose.

    Parameters
    ----------
    journal
        The journal's folder.
    at
        As of this sequence number, or of the last event that is not later than this ISO time (UTC where it has
        no zone); the end of the tape where not given.
    shock
        A move of one price to try, such as BTC/USD=-0.2; all that are given happen at once.
    benchmark
        The symbol that beta is measured against; the first instrument where not given.
    periods_per_year
        How many returns make a year; by default a year has 365 days of 24 hours.
    """
    from adapters.cli.risk import risk as run

    return run(journal, at, shock or [], benchmark, periods_per_year, output)


@app.command
def ctl(
    journal: Path,
    action: Literal[
        "status", "kill", "resume", "reduce-only", "flatten", "cancel-all", "close", "breaker", "strategy", "set"
    ],
    /,
    *words: str,
    reason: str | None = None,
    operator: str | None = None,
    output: Output = "table",
) -> int:
    """Ask a running daemon how it stands, or for something that it records with your name and reason.

    Parameters
    ----------
    journal
        The folder of the journal that the daemon writes.
    action
        What to do: kill (no new orders at all), resume, reduce-only, flatten (close everything), cancel-all,
        close SYMBOL, breaker reset NAME, breaker disable NAME, strategy enable NAME, set KEY=VALUE; or status.
    words
        What follows the action.
    reason
        Why; needed for everything but status.
    operator
        Who commands, where it is not the system's user who calls.
    """
    from adapters.cli.ctl import ctl as run

    return run(journal, action, words, reason, operator, output)


@app.command
def bench(
    workload: Literal["ticks", "bars", "resting", "brackets", "audit", "live-load", "live-latency"],
    /,
    *,
    events: int | None = None,
    strategy: Literal["compiled", "python"] = "compiled",
    rules: Literal["none", "brackets", "all"] = "none",
    journal: bool = True,
    keep: Path | None = None,
    rate: int | None = None,
    seconds: float | None = None,
    instruments: int | None = None,
    output: Output = "table",
) -> int:
    """Measure how many market events a second go through the whole path, or how late the live daemon is.

    Parameters
    ----------
    workload
        What is traded: quotes or bars of a seeded random walk; or what a tick costs with few and many resting orders,
        or open brackets; or how long questions to a long tape take. With live, the daemon takes quotes of a venue in a
        process of its own: how many a second without losing one (exit code 1 where it did), or how long from a quote to
        the command that it causes.
    events
        How many market events.
    strategy
        The form of the strategy.
    rules
        What is switched on beside the strategy: nothing, a stop and a target at each position, or every rule there is.
    journal
        Record to a journal, and fold it again, or leave that out.
    keep
        A new folder for the journal, which then stays, and for one run instead of several. With audit, a journal that
        is there already is asked.
    rate
        How many quotes a second the venue sends: 50,000 for live-load, 5,000 for live-latency where not given.
    seconds
        For how long it sends them, 10 where not given.
    instruments
        Of how many instruments, 100 where not given.
    """
    from adapters.cli.benching import bench as run
    from adapters.cli.benching import bench_audit, bench_live, refuse

    if workload in ("live-load", "live-latency"):
        refuse(workload, events=events, strategy=strategy != "compiled", rules=rules != "none", no_journal=not journal)
        return bench_live(workload, rate, seconds, instruments, keep, output)
    if workload == "audit":
        refuse(workload, strategy=strategy != "compiled", rules=rules != "none", no_journal=not journal)
        refuse(workload, rate=rate, seconds=seconds, instruments=instruments)
        return bench_audit(events, keep, output)
    refuse(workload, rate=rate, seconds=seconds, instruments=instruments)
    return run(workload, events, strategy, rules, journal, keep, output)


@app.command
def live(configuration: Path, /, *, journal: Path | None = None, dry_run: bool = False, paper: bool = False) -> int:
    """Trade at the exchanges of a configuration's [live] section, until interrupted.

    Started on a journal that is there already, it goes on where that ends: whatever ended it, it finds out from the
    exchanges what became of its orders, and continues.

    Parameters
    ----------
    configuration
        The run's TOML file.
    journal
        The journal's folder; journals/NAME where not given, with the name of the run.
    dry_run
        Put the commands onto the tape and send none of them.
    paper
        Send the commands to the simulated exchange, over live market data.
    """
    from adapters.cli.live import live as run

    return run(configuration, journal, dry_run, paper)


@app.command
def recover(journal: Path, /, *, check: bool = False, output: Output = "table") -> int:
    """Print what a restart of a live journal would find, and what it would ask the exchanges. Sends nothing.

    Parameters
    ----------
    journal
        The journal's folder.
    check
        Verify the whole tape too, as verify does.
    """
    from adapters.cli.live import recover as run

    return run(journal, check, output)


@app.command
def sessions(journal: Path, /, *, output: Output = "table") -> int:
    """List when a daemon began and ended on a live journal, and what each session came to.

    Parameters
    ----------
    journal
        The journal's folder.
    """
    from adapters.cli.sessions import sessions as run

    return run(journal, output)


@app.command
def venue(
    *,
    exchange: Literal["binanceusdm", "bitfinex", "hyperliquid"],
    data: Path | None = None,
    speed: str = "1",
    port: int = 0,
    faults: Path | None = None,
    output: Output = "table",
) -> int:
    """Serve an exchange on this machine: its real protocol, with the simulated exchange inside.

    Parameters
    ----------
    exchange
        Whose protocol it speaks.
    data
        A configuration whose accounts, instruments and market data are taken; a random market where not given.
    speed
        How many times as fast as recorded the data play, or max.
    port
        Where it is served on 127.0.0.1; 0 takes a free port.
    faults
        A file of faults that are to happen.
    """
    from adapters.cli.venue import venue as run

    return run(exchange, data, speed, port, faults, output)
