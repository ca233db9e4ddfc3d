"""The composition of the live daemon: from a configuration and a journal's folder to a daemon that is ready to run."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path

import numpy as np
from blake3 import blake3

from adapters.configuration import Change, Configuration, RulesInForce
from adapters.configuration.live_section import ConnectionSection, LiveSection
from adapters.errors import UserError
from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.keys import load_keys
from adapters.exchanges.port import Connection, Exchange, ExchangeInstrument, Keys
from adapters.journal import Document, Durability, Manifest, append_journal, create_journal, read_journal
from adapters.journal.lmdb_environment import DATA_FILE
from adapters.version import engine_version, layout_name
from engine.entry import engine_for
from engine.kinds import EventKind
from engine.records import BALANCE, EVENT, EVENT_BYTES, FUNDING
from engine.state import DEFAULT_LIMITS, Limits, state_layout
from replay.announced import Announced, still_to_come
from replay.crash_points import from_environment
from replay.desk import in_force_on_tape
from replay.live import Daemon
from replay.live_session import Bytes, LiveSession, Recovered
from replay.loop import Gateway, loop_for
from replay.opening import opening_events
from replay.operations import Operations
from replay.recorded import Recorded
from replay.setup import bind_strategies, check_capacities, new_exchange

_SECOND_NS = 1_000_000_000

MakeExchange = Callable[[Connection, Inbox], Exchange]


class Sending(Enum):
    """What becomes of commands: to the exchange, to the simulated one over live data, or nowhere."""

    LIVE = "live"
    PAPER = "paper"
    DRY_RUN = "dry-run"


def live_of(configuration: Configuration) -> LiveSection:
    """The [live] section. Raises UserError where there is none."""
    if configuration.live is None:
        raise UserError(f"{configuration.path}: expected a section [live] with the accounts' connections, found none")
    return configuration.live


def open_daemon(
    configuration: Configuration,
    folder: Path,
    sending: Sending,
    make_exchange: MakeExchange,
    opened: ExitStack,
    limits: Limits = DEFAULT_LIMITS,
    clock_ns: Callable[[], int] = time.time_ns,
    durability: Durability = Durability.EVERY_COMMIT,
) -> tuple[Daemon, Recovered]:
    """A daemon on a new journal, or one that goes on where a journal ends. What it opens is left to `opened`.

    Raises UserError for what a person has to put right, JournalDamaged and Divergence for a tape not to go on with.
    """
    live = live_of(configuration)
    check_capacities(configuration, limits)
    session = _session(configuration, sending, limits)
    session.warm_up()
    began_ns = clock_ns()
    recovered, in_force, changes = Recovered(0, 0, 0, 0), configuration.in_force, still_to_come(configuration)
    if (folder / DATA_FILE).exists():
        # First the right to write it: what is gone through is the end, and not another daemon's tape.
        writer = opened.enter_context(append_journal(folder, durability))
        began_ns, recovered, in_force, changes = _come_back(configuration, folder, sending, session, limits)
    else:
        manifest = _manifest(configuration, sending, limits, began_ns)
        writer = opened.enter_context(create_journal(folder, manifest, durability))
    session.attach(writer)
    inbox = Inbox(clock_ns, foreign_since_ns=began_ns)
    inbox.latest_ts_ns = recovered.last_ts_ns
    ids = ClientIds(writer.manifest.journal_id)
    operations = Operations(folder, configuration, in_force, inbox, lambda: session.engine.view(session.state))
    daemon = Daemon(
        session=session,
        journal=writer,
        inbox=inbox,
        exchanges={
            connection.account: make_exchange(connection, inbox)
            for connection in connections(configuration, live, ids, sending)
        },
        reconcile_interval_s=live.reconcile_interval_ns / _SECOND_NS,
        timer_interval_ns=configuration.timer_interval_ns or _SECOND_NS,
        layout=asdict(limits),
        snapshot_every_events=configuration.journal.snapshot_every_events,
        sends=sending is Sending.LIVE,
        began_ts_ns=began_ns,
        opening=_opening(configuration, began_ns, sending) if recovered.events == 0 else None,
        operations=operations,
        announced=Announced(changes, configuration, operations.desk, inbox, lambda: session.engine.view(session.state)),
        metrics_port=live.metrics_port,
        metrics_host=live.metrics_host,
        points=from_environment(),
    )
    return daemon, recovered


def _session(configuration: Configuration, sending: Sending, limits: Limits) -> LiveSession:
    strategies = bind_strategies(configuration)
    gateway = Gateway.SIMULATED if sending is Sending.PAPER else Gateway.OUTSIDE
    exchange = new_exchange(configuration, limits)
    return LiveSession(engine_for(limits), loop_for(limits), exchange, strategies.binding, strategies.host, gateway)


def _come_back(
    configuration: Configuration, folder: Path, sending: Sending, session: LiveSession, limits: Limits
) -> tuple[int, Recovered, RulesInForce, list[Change]]:
    """When the tape began, what going through it came to, the rules in force at its end, the changes to come."""
    with read_journal(folder) as reader:
        manifest = reader.manifest
        if manifest.mode != sending.value:
            raise UserError(f"{folder}: is the journal of a {manifest.mode} run, expected one of {sending.value}")
        if manifest.configuration_hash != _configuration_hash(configuration):
            raise UserError(
                f"{configuration.path}: is not the configuration that {folder} was begun with; change a running setup "
                "with tapefold ctl set, or begin a new journal"
            )
        if manifest.layout != asdict(limits):
            raise UserError(f"{folder}: has another layout than this engine, expected {asdict(limits)}")
        if not Recorded(reader, session.engine).has_digests:
            raise UserError(
                f"{folder}: was begun by engine {manifest.engine_version}, whose state has other fields than that of "
                f"this engine {engine_version()}; begin a new journal"
            )
        recovered, in_force = session.recover(reader), in_force_on_tape(reader, configuration.in_force)
        return manifest.created_ns, recovered, in_force, still_to_come(configuration, reader, recovered.last_ts_ns)


def _configuration_hash(configuration: Configuration) -> str:
    return blake3(configuration.text.encode()).hexdigest()


def _manifest(configuration: Configuration, sending: Sending, limits: Limits, began_ns: int) -> Manifest:
    return Manifest(
        # Orders' client ids come from it: no two tapes may have the same.
        journal_id=secrets.token_hex(16),
        engine_version=engine_version(),
        layout=asdict(limits),
        state_layout=layout_name(state_layout(limits)),
        configuration_hash=_configuration_hash(configuration),
        mode=sending.value,
        created_ns=began_ns,
    )


def connections(configuration: Configuration, live: LiveSection, ids: ClientIds, sending: Sending) -> list[Connection]:
    """The configured connections with their keys; paper and dry runs over public data need none."""
    found = []
    for section in live.connections:
        account = next(account for account in configuration.accounts if account.name == section.account)
        instruments = [
            ExchangeInstrument(
                number=instrument.number,
                symbol=instrument.symbol,
                tick_size=instrument.tick_size,
                lot_size=instrument.lot_size,
                settlement_currency=instrument.settlement_currency,
                base_currency=instrument.base_currency,
                money_decimals=account.money_decimals,
            )
            for instrument in configuration.instruments
            if instrument.account == account.number
        ]
        found.append(
            Connection(
                account=account.number,
                exchange=section.exchange,
                keys=_keys(section, configuration, sending),
                endpoint=section.endpoint,
                instruments=instruments,
                streams=frozenset(section.streams),
                ids=ids,
                # Whoever sends nothing has no orders to be cancelled: they would be another daemon's.
                dead_man_switch_ns=section.dead_man_switch_ns if sending is Sending.LIVE else None,
                fee_rates=section.fee_rates,
                adopts_unknown=live.unknown_orders == "adopt",
                cancels_foreign=live.foreign_orders == "cancel",
            )
        )
    return found


def _keys(section: ConnectionSection, configuration: Configuration, sending: Sending) -> Keys:
    return Keys("", "") if sending is Sending.PAPER else load_keys(section, configuration.directory)


def secrets_of(configuration: Configuration, sending: Sending) -> list[str]:
    """All that must never be shown."""
    found = [_keys(section, configuration, sending) for section in live_of(configuration).connections]
    return [secret for keys in found for secret in (keys.key, keys.secret, keys.wallet) if secret]


def _opening(
    configuration: Configuration, began_ns: int, sending: Sending
) -> Callable[[Bytes], tuple[Bytes, Mapping[int, Document]]]:
    """How a new tape begins: with the money that the exchanges say is there; on paper with the configured one."""

    def opening(evidence: Bytes) -> tuple[Bytes, Mapping[int, Document]]:
        if sending is not Sending.LIVE:
            return opening_events(configuration, began_ns)
        balances, paid = _balances(evidence), _payments(evidence)
        accounts = tuple(
            replace(account, balance_units=balances.get(account.number, account.balance_units) - paid[account.number])
            for account in configuration.accounts
        )
        return opening_events(replace(configuration, accounts=accounts), began_ns)

    return opening


def _payments(evidence: Bytes) -> Counter[int]:
    """Funding since the tape began, each payment once: the balances have it, and it is booked after the opening."""
    rows = evidence.view(FUNDING)
    paid: Counter[int] = Counter()
    seen = set()
    for row in rows[rows["kind"] == EventKind.FUNDING]:
        payment = int(row["instrument"]), int(row["payment_id"])
        if payment not in seen:
            paid[int(row["account"])] += int(row["amount_units"])
        seen.add(payment)
    return paid


def _balances(evidence: Bytes) -> dict[int, int]:
    rows = evidence.view(EVENT)
    reported = np.flatnonzero(rows["kind"] == EventKind.BALANCE_REPORTED).tolist()
    balances = {}
    for index in reported:
        row = evidence[index * EVENT_BYTES : (index + 1) * EVENT_BYTES].view(BALANCE)[0]
        balances[int(row["account"])] = int(row["total_units"])
    return balances
