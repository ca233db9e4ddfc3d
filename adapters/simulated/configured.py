"""What a configuration's accounts and instruments are to the simulated exchange."""

from collections.abc import Sequence

from adapters.configuration import Account, Instrument
from adapters.simulated.state import AccountTerms, InstrumentTerms


def account_terms(accounts: Sequence[Account]) -> list[AccountTerms]:
    return [AccountTerms(account.kind, account.balance_units) for account in accounts]


def instrument_terms(instruments: Sequence[Instrument]) -> list[InstrumentTerms]:
    return [
        InstrumentTerms(
            account=instrument.account,
            tick_lot_units=instrument.tick_lot_units,
            quantity_step_lots=instrument.quantity_step_lots,
            quantity_min_lots=instrument.quantity_min_lots,
            quantity_max_lots=instrument.quantity_max_lots,
            notional_min_units=instrument.notional_min_units,
            maker_fee_ppm=instrument.maker_fee_ppm,
            taker_fee_ppm=instrument.taker_fee_ppm,
            fee_in_base=instrument.fee_in_base,
            margin_initial_ppm=instrument.margin_initial_ppm,
        )
        for instrument in instruments
    ]
