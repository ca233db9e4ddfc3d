"""The configuration of a run: a TOML file, checked, in the engine's integers."""

from adapters.configuration.loading import Configuration, load_configuration, parse_configuration
from adapters.configuration.profiles import PROFILES
from adapters.configuration.sections import DataSection, JournalSection, StrategySection, TimeSection
from adapters.configuration.terms import Account, Exchange, Instrument, SlippageModel

__all__ = [
    "PROFILES",
    "Account",
    "Configuration",
    "DataSection",
    "Exchange",
    "Instrument",
    "JournalSection",
    "SlippageModel",
    "StrategySection",
    "TimeSection",
    "load_configuration",
    "parse_configuration",
]
