"""What an exchange says that the tape cannot have as it is: people are told once, the log each time."""

import logging
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import Market
from adapters.exchanges.scales import Malformed
from engine.reasons import Reason

log = logging.getLogger("tapefold.exchange")


class Oddities:
    """Of one account. `counts` are by name; `fee_rates` is what a unit of a currency is worth in the account's."""

    def __init__(self, account: int, inbox: Inbox, counts: Counter[str], fee_rates: Mapping[str, Decimal]) -> None:
        self._account = account
        self._inbox = inbox
        self._counts = counts
        self._fee_rates = fee_rates
        self._told: set[tuple[Reason, object]] = set()

    def lots(self, market: Market, value: Any) -> int:
        """What is traded or held, to the nearest lot: others' need not be of whole ones. Raises Malformed."""
        try:
            return market.size.exact(value)
        except Malformed:
            lots = market.size.nearest(value)
        symbol, step = market.instrument.symbol, market.size.step
        log.warning("%s: a quantity of %s is no multiple of %s, %d lots are booked", symbol, value, step, lots)
        self._tell(Reason.QUANTITY_OFF_LOT, market.number, market.number, lots)
        return lots

    def fee_units(self, market: Market, currency: str, amount: Any) -> int:
        """A fee in another currency than the account's in units of that, 0 where nobody said what it is worth."""
        rate = self._fee_rates.get(currency)
        if rate is not None:
            return market.money.nearest(Decimal(str(amount)) * rate)
        self._counts["fees in other currencies"] += 1
        log.warning("%s: a fee of %s %s is not booked", market.instrument.symbol, amount, currency)
        self._tell(Reason.FEE_CURRENCY_UNKNOWN, currency, market.number, 0)
        return 0

    def foreign_order(self, market: Market, exchange_order_id: int) -> None:
        """An open order that is not of this tape."""
        if self._tell(Reason.ORDER_FOREIGN, (market.number, exchange_order_id), market.number, exchange_order_id):
            log.warning("%s: order %d is not of this tape", market.instrument.symbol, exchange_order_id)

    def _tell(self, reason: Reason, what: object, instrument: int, observed: int) -> bool:
        """Whether it was told now, and not before."""
        if (reason, what) in self._told:
            return False
        self._told.add((reason, what))
        self._inbox.notice(self._account, instrument, reason, observed=observed)
        return True
