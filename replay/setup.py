"""The composition of a simulated run: from a configuration to a session that is ready to start."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration, StrategySection
from adapters.errors import UserError
from adapters.journal import JournalWriter
from adapters.simulated import ExchangeTerms, SlippageModel, build_exchange
from adapters.simulated.configured import account_terms, instrument_terms
from adapters.strategies.compiled import Binding, CompiledStrategy, bind
from adapters.strategies.interface import InstrumentFacts
from adapters.strategies.python_host import PythonHost, load_strategy
from engine.entry import engine_for
from engine.state import DEFAULT_LIMITS, Limits
from replay.loop import loop_for
from replay.recorder import Recorder
from replay.session import Session

Bytes = NDArray[np.uint8]


def new_exchange(configuration: Configuration, limits: Limits) -> Bytes:
    """The simulated exchange of a configuration, before its first market record."""
    exchange = configuration.exchange
    return build_exchange(
        ExchangeTerms(
            latency_in_ns=exchange.latency_in_ns,
            latency_out_ns=exchange.latency_out_ns,
            slippage_model=SlippageModel(exchange.slippage_model),
            slippage_ticks=exchange.slippage_ticks,
            impact_ppm=exchange.impact_ppm,
            bar_volume_share_ppm=exchange.volume_share_ppm,
        ),
        account_terms(configuration.accounts),
        instrument_terms(configuration.instruments),
        limits,
    )


@dataclass(frozen=True, slots=True)
class Strategies:
    """The bound strategies of a run, all of one form: compiled into a binding, or Python ones behind a host."""

    binding: Binding
    host: PythonHost | None


def instrument_facts(configuration: Configuration) -> list[InstrumentFacts]:
    return [
        InstrumentFacts(instrument.number, instrument.symbol, str(instrument.tick_size), str(instrument.lot_size))
        for instrument in configuration.instruments
    ]


def bind_strategies(configuration: Configuration) -> Strategies:
    """Load and bind the configured strategies. Raises UserError; all must be of one form."""
    sections = configuration.strategies
    forms = {section.form for section in sections}
    if len(forms) > 1:
        where = configuration.where("strategies", len(sections) - 1, "form")
        raise UserError(f"{where}: expected all strategies of one form, found both compiled and python")
    if forms == {"python"}:
        return _bind_python(configuration, sections)
    compiled = [
        CompiledStrategy(number, section.name, section.entry, section.parameters)
        for number, section in enumerate(sections)
    ]
    return Strategies(bind(compiled, configuration.directory), None)


def _bind_python(configuration: Configuration, sections: Sequence[StrategySection]) -> Strategies:
    facts = instrument_facts(configuration)
    loaded = [
        (section.name, load_strategy(section.name, section.entry, section.parameters, facts, configuration.directory))
        for section in sections
    ]
    return Strategies(bind([], configuration.directory), PythonHost(loaded))


def build_session(
    configuration: Configuration,
    open_journal: Callable[[], JournalWriter | None],
    limits: Limits = DEFAULT_LIMITS,
) -> Session:
    """A session for this configuration that records to the journal that is opened, or to nothing.

    It is opened once everything else is ready: until then nothing has been written.
    """
    check_capacities(configuration, limits)
    engine = engine_for(limits)
    loop = loop_for(limits)
    strategies = bind_strategies(configuration)
    exchange = new_exchange(configuration, limits)
    recorder = Recorder(
        journal=open_journal(),
        block_events=configuration.journal.block_events,
        outbox_items=loop.outbox_items,
        layout=asdict(limits),
        snapshot_every_events=configuration.journal.snapshot_every_events,
    )
    return Session(
        engine=engine,
        loop=loop,
        exchange=exchange,
        binding=strategies.binding,
        host=strategies.host,
        recorder=recorder,
        timer_interval_ns=configuration.timer_interval_ns,
    )


def check_capacities(configuration: Configuration, limits: Limits) -> None:
    for key, count, capacity in (
        ("accounts", len(configuration.accounts), limits.accounts),
        ("instruments", len(configuration.instruments), limits.instruments),
        ("strategies", len(configuration.strategies), limits.strategies),
        ("breakers", len(configuration.breakers), limits.breakers),
    ):
        if count > capacity:
            raise UserError(f"{configuration.where(key)}: expected at most {capacity} {key}, found {count}")
