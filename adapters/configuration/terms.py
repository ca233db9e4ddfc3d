"""A configuration in the engine's terms: numbers instead of names, integers instead of decimals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import IntEnum

from adapters.configuration.sections import AccountSection, ExchangeSection, InstrumentSection
from engine.kinds import AccountKind, InstrumentKind

MONEY_DECIMALS = 8
INT64_MAX = 2**63 - 1
# Room for money to grow: a balance may become this many times larger before it no longer fits.
BALANCE_GROWTH = 1_000
PPM = 1_000_000

Location = tuple[str | int, ...]


class Problem(Exception):
    """What is wrong at a place of the configuration; becomes the user's one line."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location


class SlippageModel(IntEnum):
    NONE = 0
    TICKS = 1
    VOLUME_SHARE = 2


@dataclass(frozen=True, slots=True)
class Account:
    """An account; its number is its place in the configuration, counted from 0."""

    number: int
    name: str
    kind: AccountKind
    currency: str
    money_decimals: int
    balance_units: int


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument; its number is its place in the configuration, counted from 0.

    `tick_lot_units` is the exact money value of one tick times one lot. A `quantity_max_lots` or
    `order_quantity_lots` of 0 is unset.
    """

    number: int
    symbol: str
    base_currency: str
    quote_currency: str
    settlement_currency: str
    kind: InstrumentKind
    account: int
    tick_size: Decimal
    lot_size: Decimal
    multiplier: Decimal
    tick_lot_units: int
    quantity_step_lots: int
    quantity_min_lots: int
    quantity_max_lots: int
    notional_min_units: int
    margin_initial_ppm: int
    margin_maintenance_ppm: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    fee_in_base: bool
    order_quantity_lots: int
    short_allowed: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """The simulated exchange. A `volume_share_ppm` of 0 leaves a bar's volume unlimited."""

    latency_in_ns: int
    latency_out_ns: int
    slippage_model: SlippageModel
    slippage_ticks: int
    impact_ppm: int
    volume_share_ppm: int


def whole(value: Decimal, unit: Decimal, location: Location, what: str) -> int:
    """How many times `unit` goes into `value`, which must be a whole number that fits an int64."""
    with localcontext() as context:
        context.prec = 100
        count = value / unit
        if count * unit != value or count != count.to_integral_value():
            raise Problem(location, f"expected a whole number of {what}, found {value}")
    if abs(count) > INT64_MAX:
        raise Problem(location, f"expected a value that fits 64 bits, found {value} of {what}")
    return int(count)


def currencies(symbol: str, account_currency: str) -> tuple[str, str, str]:
    """Base, quote and settlement of 'BTC/USD', 'BTC/USDT:USDT', or of a plain name in the account's currency."""
    pair, _, settlement = symbol.partition(":")
    base, _, quote = pair.partition("/")
    quote = quote or account_currency
    return base, quote, settlement or quote


def resolve_accounts(
    sections: Sequence[AccountSection], instruments: Sequence[InstrumentSection]
) -> tuple[Account, ...]:
    """Accounts with their money scaled so that every instrument's tick and lot has a whole value."""
    accounts: list[Account] = []
    for number, section in enumerate(sections):
        at = ("accounts", number)
        if any(section.name == other.name for other in accounts):
            raise Problem((*at, "name"), f"expected a name of its own, {section.name!r} is used twice")
        decimals = _money_decimals(section, number, [i for i in instruments if i.account == section.name])
        accounts.append(
            Account(
                number=number,
                name=section.name,
                kind=AccountKind.CASH if section.kind == "cash" else AccountKind.MARGIN,
                currency=section.currency,
                money_decimals=decimals,
                balance_units=whole(
                    section.balance, decimal_unit(decimals), (*at, "balance"), f"units of 1e-{decimals}"
                ),
            )
        )
    return tuple(accounts)


def resolve_instruments(sections: Sequence[InstrumentSection], accounts: Sequence[Account]) -> tuple[Instrument, ...]:
    """Instruments in ticks, lots and units of their accounts."""
    by_name = {account.name: account for account in accounts}
    symbols: set[str] = set()
    for number, section in enumerate(sections):
        if section.symbol in symbols:
            raise Problem(
                ("instruments", number, "symbol"), f"expected a symbol of its own, {section.symbol!r} is used twice"
            )
        symbols.add(section.symbol)
    return tuple(_instrument(number, section, by_name) for number, section in enumerate(sections))


def resolve_exchange(section: ExchangeSection) -> Exchange:
    """The simulated exchange; a slippage key without its model is refused, and a model without its key."""
    models = {
        "slippage_ticks": ("ticks", section.slippage_ticks),
        "slippage_impact": ("volume_share", section.slippage_impact),
    }
    for key, (model, value) in models.items():
        if value is not None and section.slippage != model:
            raise Problem(("exchange", key), f'expected slippage = "{model}" with it, found "{section.slippage}"')
        if value is None and section.slippage == model:
            raise Problem(("exchange", "slippage"), f'expected {key} beside slippage = "{model}"')
    return Exchange(
        latency_in_ns=section.latency_in_ns,
        latency_out_ns=section.latency_out_ns,
        slippage_model=SlippageModel[section.slippage.upper()],
        slippage_ticks=section.slippage_ticks or 0,
        impact_ppm=_ppm(section.slippage_impact, ("exchange", "slippage_impact")),
        volume_share_ppm=_ppm(section.bar_volume_share, ("exchange", "bar_volume_share")),
    )


def decimal_unit(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


def _ppm(fraction: Decimal | None, at: Location) -> int:
    return 0 if fraction is None else whole(fraction, Decimal(1) / PPM, at, "millionths")


def _tick_lot_value(section: InstrumentSection) -> Decimal:
    with localcontext() as context:
        context.prec = 120
        return (section.tick_size * section.lot_size * section.multiplier).normalize(context)


def _money_decimals(section: AccountSection, number: int, instruments: Sequence[InstrumentSection]) -> int:
    values = [section.balance.normalize(), *map(_tick_lot_value, instruments)]
    needed = max(0, *(-int(value.as_tuple().exponent) for value in values))
    largest = max(section.balance, Decimal(1)) * BALANCE_GROWTH
    if section.money_decimals is not None:
        if section.money_decimals < needed:
            raise Problem(
                ("accounts", number, "money_decimals"),
                f"expected at least {needed}, so that a tick of a lot is a whole number of units; "
                f"found {section.money_decimals}",
            )
        needed = decimals = section.money_decimals
    else:
        decimals = max(needed, MONEY_DECIMALS)
    while decimals > needed and largest.scaleb(decimals) > INT64_MAX:
        decimals -= 1
    if largest.scaleb(decimals) > INT64_MAX:
        raise Problem(
            ("accounts", number, "balance"),
            f"expected money that fits 64 bits: {BALANCE_GROWTH} times the balance in units of 1e-{decimals} does not; "
            "take a coarser lot_size or tick_size",
        )
    return decimals


def _instrument(number: int, section: InstrumentSection, accounts: Mapping[str, Account]) -> Instrument:
    at: Location = ("instruments", number)
    account = accounts.get(section.account)
    if account is None:
        names = ", ".join(accounts)
        raise Problem((*at, "account"), f"expected one of the accounts {names}; found {section.account!r}")
    base, quote, settlement = currencies(section.symbol, account.currency)
    _check_kind(section, account, settlement, at)
    unit = decimal_unit(account.money_decimals)
    step = section.quantity_step or section.lot_size
    step_lots = whole(step, section.lot_size, (*at, "quantity_step"), f"lots of {section.lot_size}")
    minimum, maximum, order = (
        0 if value is None else whole(value, step, (*at, key), f"steps of {step}") * step_lots
        for key, value in (
            ("quantity_min", section.quantity_min or step),
            ("quantity_max", section.quantity_max),
            ("order_quantity", section.order_quantity),
        )
    )
    _check_quantities(section, minimum, maximum, order, at)
    initial = section.margin_initial or Decimal(1)
    maintenance = section.margin_maintenance or initial / 2
    if maintenance > initial:
        raise Problem((*at, "margin_maintenance"), f"expected at most margin_initial {initial}, found {maintenance}")
    bps = Decimal("0.01")
    return Instrument(
        number=number,
        symbol=section.symbol,
        base_currency=base,
        quote_currency=quote,
        settlement_currency=settlement,
        kind=InstrumentKind.SPOT if section.kind == "spot" else InstrumentKind.LINEAR,
        account=account.number,
        tick_size=section.tick_size,
        lot_size=section.lot_size,
        multiplier=section.multiplier,
        tick_lot_units=whole(_tick_lot_value(section), unit, (*at, "tick_size"), f"units of {unit} a tick of a lot"),
        quantity_step_lots=step_lots,
        quantity_min_lots=minimum,
        quantity_max_lots=maximum,
        notional_min_units=whole(section.notional_min, unit, (*at, "notional_min"), f"units of {unit}"),
        margin_initial_ppm=_ppm(initial, (*at, "margin_initial")),
        margin_maintenance_ppm=_ppm(maintenance, (*at, "margin_maintenance")),
        maker_fee_ppm=whole(section.maker_fee_bps, bps, (*at, "maker_fee_bps"), "hundredths of a basis point"),
        taker_fee_ppm=whole(section.taker_fee_bps, bps, (*at, "taker_fee_bps"), "hundredths of a basis point"),
        fee_in_base=section.fee_currency == "base",
        order_quantity_lots=order,
        short_allowed=account.kind == AccountKind.MARGIN if section.short_allowed is None else section.short_allowed,
    )


def _check_kind(section: InstrumentSection, account: Account, settlement: str, at: Location) -> None:
    cash = account.kind == AccountKind.CASH
    if settlement != account.currency:
        raise Problem(
            (*at, "symbol"),
            f"expected an instrument that settles in {account.currency}, the currency of account {account.name!r}; "
            f"found {section.symbol!r}, which settles in {settlement}",
        )
    if section.kind == "linear" and cash:
        raise Problem((*at, "kind"), f'expected "spot": account {account.name!r} is a cash account; found "linear"')
    if section.kind == "spot" and section.multiplier != 1:
        raise Problem((*at, "multiplier"), f"expected 1 for a spot instrument, found {section.multiplier}")
    if section.kind == "linear" and section.fee_currency == "base":
        raise Problem((*at, "fee_currency"), 'expected "quote" for a linear contract, found "base"')
    for key in ("margin_initial", "margin_maintenance"):
        if cash and getattr(section, key) is not None:
            raise Problem((*at, key), f"expected no margin: account {account.name!r} is a cash account")
    if cash and section.short_allowed:
        raise Problem((*at, "short_allowed"), f"expected false: account {account.name!r} is a cash account")
    for key in ("maker_fee_bps", "taker_fee_bps"):
        if getattr(section, key) >= 10_000:
            raise Problem((*at, key), f"expected less than 10000 basis points, found {getattr(section, key)}")


def _check_quantities(section: InstrumentSection, minimum: int, maximum: int, order: int, at: Location) -> None:
    if maximum and maximum < minimum:
        raise Problem((*at, "quantity_max"), f"expected at least quantity_min, found {section.quantity_max}")
    if order and order < minimum:
        raise Problem((*at, "order_quantity"), f"expected at least quantity_min, found {section.order_quantity}")
    if maximum and order > maximum:
        raise Problem((*at, "order_quantity"), f"expected at most quantity_max, found {section.order_quantity}")
