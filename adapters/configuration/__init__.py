"""The configuration of a run: a TOML file, checked, in the engine's integers."""

from adapters.configuration.changes import Change, RulesInForce
from adapters.configuration.loading import Configuration, load_configuration, parse_configuration
from adapters.configuration.profiles import PROFILES
from adapters.configuration.rulebook import instrument_settings
from adapters.configuration.rules import Rule, Rules
from adapters.configuration.sections import DataSection, JournalSection, StrategySection, TimeSection
from adapters.configuration.terms import Account, Exchange, Instrument, SlippageModel

__all__ = [
    "PROFILES",
    "Account",
    "Change",
    "Configuration",
    "DataSection",
    "Exchange",
    "Instrument",
    "JournalSection",
    "Rule",
    "Rules",
    "RulesInForce",
    "SlippageModel",
    "StrategySection",
    "TimeSection",
    "instrument_settings",
    "load_configuration",
    "parse_configuration",
]
