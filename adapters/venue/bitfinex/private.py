"""What a customer may ask in its own name: orders, trades, positions, wallets, and order entry."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters.venue.bitfinex.desk import Desk
from adapters.venue.bitfinex.errors import Refused, invalid
from adapters.venue.bitfinex.names import Market
from adapters.venue.bitfinex.numbers import milliseconds, number, whole_number_of
from adapters.venue.bitfinex.queries import read_window
from adapters.venue.orders import OwnTrade, VenueOrder

_ROWS = 25
_ROWS_MAX = 2_500
_FUNDING_ENTRY = 29
_OPERATIONS_MAX = 75
_PPM = 1_000_000

Form = Mapping[str, Any]


class Private:
    """Each method answers one path for a desk; `form` is the body of the request. All raise Refused."""

    def __init__(self, markets: Sequence[Market], clock_ns: Callable[[], int]) -> None:
        self._markets = markets
        self._clock_ns = clock_ns

    def wallets(self, desk: Desk, form: Form) -> object:
        return desk.statement.wallets()

    def positions(self, desk: Desk, form: Form) -> object:
        return desk.statement.positions()

    def orders(self, desk: Desk, form: Form, symbol: str | None = None) -> object:
        """Those that are open, the newest first."""
        return desk.statement.orders(_of(desk, desk.customer.open_orders()[::-1], form, symbol))

    def closed_orders(self, desk: Desk, form: Form, symbol: str | None = None) -> object:
        orders = _of(desk, desk.closed_orders(), form, symbol)
        chosen = read_window(form, _ROWS, _ROWS_MAX).of(orders, lambda order: milliseconds(order.created_ns))
        return desk.statement.orders(chosen)

    def trades(self, desk: Desk, form: Form, symbol: str | None = None) -> object:
        instrument = None if symbol is None else desk.market(symbol).instrument.number
        window = read_window(form, _ROWS, _ROWS_MAX)
        newest = desk.customer.trades(instrument, since_ns=window.start_ms * 1_000_000)[::-1]
        return self._trades(desk, window.of(newest, lambda trade: milliseconds(trade.ts_ns)))

    def ledger(self, desk: Desk, form: Form, currency: str) -> object:
        """Of the categories there is the funding of derivatives."""
        category = whole_number_of("category", form["category"]) if "category" in form else _FUNDING_ENTRY
        if category != _FUNDING_ENTRY:
            return []
        window = read_window(form, _ROWS, _ROWS_MAX)
        chosen = window.of(desk.statement.payments(currency), lambda paid: milliseconds(paid.ts_ns))
        return [desk.statement.ledger_entry(paid) for paid in chosen]

    def order_trades(self, desk: Desk, symbol: str, order_id: str) -> object:
        market = desk.market(symbol)
        order = desk.customer.order(whole_number_of("id", order_id))
        if order is None or order.request.instrument != market.instrument.number:
            return []
        return self._trades(desk, order.trades)

    def summary(self, desk: Desk, form: Form) -> object:
        """The rates of fees: for spot pairs by what is bought, the last one for derivatives."""
        rates = [self._fees("maker_fee_ppm"), self._fees("taker_fee_ppm")]
        return [None, None, None, None, rates, None, None, None, None, {}]

    def submit(self, desk: Desk, form: Form) -> object:
        array, text = desk.submit(form)
        return self._notification("on-req", [array], text)

    def update(self, desk: Desk, form: Form) -> object:
        return self._notification("ou-req", *desk.update(form))

    def cancel(self, desk: Desk, form: Form) -> object:
        return self._notification("oc-req", *desk.cancel(form))

    def cancel_many(self, desk: Desk, form: Form) -> object:
        arrays = desk.cancel_many(form)
        return self._notification("oc_multi-req", arrays, f"Submitting {len(arrays)} order cancellations.")

    def operate(self, desk: Desk, form: Form) -> object:
        """Several operations, one after the other; each has an answer of its own."""
        operations = form.get("ops")
        if not isinstance(operations, list) or len(operations) > _OPERATIONS_MAX:
            raise invalid("ops")
        answers = [self._operate(desk, operation) for operation in operations]
        return self._notification("ox_multi-req", answers, f"Submitting {len(answers)} order operations.")

    def _operate(self, desk: Desk, operation: object) -> object:
        names: dict[str, Callable[[Desk, Form], object]] = {
            "on": self.submit,
            "ou": self.update,
            "oc": self.cancel,
            "oc_multi": self.cancel_many,
        }
        match operation:
            case [str(name), dict(form)] if name in names:
                try:
                    return names[name](desk, form)
                except Refused as refused:
                    empty = [[None] * 32] if name == "on" else [None] * 32
                    return self._notification(f"{name}-req", empty, refused.text, refused.code)
        raise invalid("ops")

    def _trades(self, desk: Desk, trades: Sequence[OwnTrade]) -> object:
        return [desk.statement.trade(trade) for trade in trades]

    def _notification(self, name: str, data: object, text: str, code: int | None = None) -> object:
        """Of new orders the time is in seconds, of everything else in milliseconds."""
        now_ms = milliseconds(self._clock_ns())
        time = now_ms // 1_000 if name == "on-req" else now_ms
        return [time, name, None, None, data, code, "SUCCESS" if code is None else "ERROR", text]

    def _fees(self, name: str) -> list[object]:
        spot = [m.instrument for m in self._markets if not m.is_derivative]
        derivatives = [m.instrument for m in self._markets if m.is_derivative]
        rates = [number(Decimal(getattr(i[0], name) if i else 0) / _PPM) for i in (spot, derivatives)]
        return [rates[0], rates[0], rates[0], None, None, rates[1]]


def _of(desk: Desk, orders: Sequence[VenueOrder], form: Form, symbol: str | None) -> list[VenueOrder]:
    """The orders of a symbol and with the ids that a question names."""
    if symbol is not None:
        number = desk.market(symbol).instrument.number
        orders = [order for order in orders if order.request.instrument == number]
    wanted = form.get("id")
    if wanted is None:
        return list(orders)
    if not isinstance(wanted, list):
        raise invalid("id")
    ids = {whole_number_of("id", number) for number in wanted}
    return [order for order in orders if order.number in ids]
