"""What a customer has, in Binance's words: balances, positions, trades and the account's settings."""

from typing import Any

from adapters.venue.amounts import ratio_text
from adapters.venue.binanceusdm.orders import Orders
from adapters.venue.binanceusdm.symbols import Symbol, Symbols
from adapters.venue.customer import Customer
from adapters.venue.orders import Balance, FundingUpdate, OwnTrade
from engine.kinds import Side

Json = dict[str, Any]

_PPM = 1_000_000
_MS = 1_000_000
_NOTIONAL_CAP = 10**12


class AccountAnswers:
    """Answers about customers' accounts."""

    def __init__(self, symbols: Symbols, orders: Orders) -> None:
        self._symbols = symbols
        self._orders = orders

    def account(self, customer: Customer, now_ms: int) -> Json:
        """V2 and V3: the totals, which Binance states in USD, are those of the first asset."""
        assets = [self._asset(customer, account.number, now_ms) for account in customer.accounts]
        totals = {f"total{name[:1].upper()}{name[1:]}": assets[0][name] for name in _TOTALS}
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": False,
            "canWithdraw": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            **totals,
            "totalUnrealizedProfit": assets[0]["unrealizedProfit"],
            "availableBalance": assets[0]["availableBalance"],
            "maxWithdrawAmount": assets[0]["maxWithdrawAmount"],
            "assets": assets,
            "positions": [self._account_position(customer, symbol, now_ms) for symbol in self._held(customer)],
        }

    def balances(self, customer: Customer, now_ms: int) -> list[Json]:
        return [
            {
                "accountAlias": customer.name,
                "asset": asset["asset"],
                "balance": asset["walletBalance"],
                "crossWalletBalance": asset["walletBalance"],
                "crossUnPnl": asset["unrealizedProfit"],
                "availableBalance": asset["availableBalance"],
                "maxWithdrawAmount": asset["maxWithdrawAmount"],
                "marginAvailable": True,
                "updateTime": now_ms,
            }
            for asset in (self._asset(customer, account.number, now_ms) for account in customer.accounts)
        ]

    def position_risk(self, customer: Customer, name: str, now_ms: int) -> list[Json]:
        """Of what is held or has open orders, or of one symbol."""
        symbols = [self._symbols.named(name)] if name else self._held(customer)
        return [self._risk(customer, symbol, now_ms) for symbol in symbols]

    def trades(self, trades: list[OwnTrade]) -> list[Json]:
        return [self._trade(trade) for trade in trades]

    def income(self, customer: Customer, start_ms: int, end_ms: int, page: int, limit: int) -> list[Json]:
        """Funding alone, oldest first."""
        paid = [one for one in customer.payments(start_ms * _MS) if not end_ms or one.ts_ns // _MS <= end_ms]
        first = (max(page, 1) - 1) * limit
        return [self._income(one) for one in paid[first : first + limit]]

    def _income(self, paid: FundingUpdate) -> Json:
        symbol = self._symbols[paid.instrument]
        return {
            "symbol": symbol.name,
            "incomeType": "FUNDING_FEE",
            "income": symbol.money.text(paid.amount_units),
            "asset": symbol.asset,
            "info": "FUNDING_FEE",
            "time": paid.ts_ns // _MS,
            "tranId": paid.number,
            "tradeId": "",
        }

    def leverage_brackets(self, name: str) -> list[Json]:
        symbols = [self._symbols.named(name)] if name else self._symbols.all
        return [{"symbol": symbol.name, "brackets": [_bracket(symbol)]} for symbol in symbols]

    def commission(self, name: str) -> Json:
        symbol = self._symbols.named(name)
        return {
            "symbol": symbol.name,
            "makerCommissionRate": _ratio(symbol.instrument.maker_fee_ppm),
            "takerCommissionRate": _ratio(symbol.instrument.taker_fee_ppm),
        }

    def symbol_configuration(self, name: str) -> list[Json]:
        symbols = [self._symbols.named(name)] if name else self._symbols.all
        return [
            {
                "symbol": symbol.name,
                "marginType": "CROSSED",
                "isAutoAddMargin": False,
                "leverage": leverage_of(symbol),
                "maxNotionalValue": str(_NOTIONAL_CAP),
            }
            for symbol in symbols
        ]

    def _held(self, customer: Customer) -> list[Symbol]:
        return [s for s in self._symbols.all if customer.margin_units(s.number) or customer.open_orders(s.number)]

    def _asset(self, customer: Customer, account: int, now_ms: int) -> Json:
        balance = customer.balance(account)
        symbols = [symbol for symbol in self._symbols.all if symbol.instrument.account == account]
        money = symbols[0].money.text if symbols else str
        held_units = sum(_position_margin(customer, symbol) for symbol in symbols)
        return {
            "asset": customer.accounts[account].currency,
            "walletBalance": money(balance.wallet_units),
            "unrealizedProfit": money(balance.equity_units - balance.wallet_units),
            "marginBalance": money(balance.equity_units),
            "maintMargin": money(sum(_maintenance(customer, symbol) for symbol in symbols)),
            "initialMargin": money(balance.margin_units),
            "positionInitialMargin": money(held_units),
            "openOrderInitialMargin": money(balance.margin_units - held_units),
            "crossWalletBalance": money(balance.wallet_units),
            "crossUnPnl": money(balance.equity_units - balance.wallet_units),
            "availableBalance": money(balance.available_units),
            "maxWithdrawAmount": money(_withdrawable(balance)),
            "updateTime": now_ms,
        }

    def _account_position(self, customer: Customer, symbol: Symbol, now_ms: int) -> Json:
        risk = self._risk(customer, symbol, now_ms)
        return {**risk, "unrealizedProfit": risk["unRealizedProfit"], "leverage": str(leverage_of(symbol))}

    def _risk(self, customer: Customer, symbol: Symbol, now_ms: int) -> Json:
        position = customer.position(symbol.number)
        lots, money = position.quantity_lots, symbol.money.text
        entry = symbol.entry_text(position.cost_units, lots)
        notional_units = position.cost_units + position.unrealized_units
        margin_units = _position_margin(customer, symbol)
        return {
            "symbol": symbol.name,
            "positionSide": "BOTH",
            "positionAmt": symbol.quantities.text(lots),
            "entryPrice": entry,
            "breakEvenPrice": entry,
            "markPrice": ratio_text(
                notional_units, lots * symbol.instrument.tick_lot_units, symbol.instrument.tick_size
            ),
            "unRealizedProfit": money(position.unrealized_units),
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "isolatedWallet": "0",
            "notional": money(notional_units),
            "marginAsset": symbol.asset,
            "initialMargin": money(margin_units),
            "maintMargin": money(_maintenance(customer, symbol)),
            "positionInitialMargin": money(margin_units),
            "openOrderInitialMargin": money(customer.margin_units(symbol.number) - margin_units),
            "adl": 0,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": now_ms,
        }

    def _trade(self, trade: OwnTrade) -> Json:
        order = trade.order
        symbol = self._symbols[order.request.instrument]
        is_buy = order.request.side == Side.BUY
        return {
            "symbol": symbol.name,
            "id": trade.number,
            "orderId": self._orders.actual_id(order),
            "side": order.request.side.name,
            "price": symbol.prices.text(trade.price_ticks),
            "qty": symbol.quantities.text(trade.quantity_lots),
            "realizedPnl": symbol.money.text(trade.realized_units),
            "quoteQty": symbol.cost_text(trade.price_ticks * trade.quantity_lots),
            "commission": symbol.quantities.text(trade.fee) if trade.fee_in_base else symbol.money.text(trade.fee),
            "commissionAsset": symbol.instrument.base_currency if trade.fee_in_base else symbol.asset,
            "time": trade.ts_ns // _MS,
            "positionSide": "BOTH",
            "buyer": is_buy,
            "maker": trade.is_maker,
        }


_TOTALS = (
    *("initialMargin", "maintMargin", "walletBalance", "marginBalance", "positionInitialMargin"),
    *("openOrderInitialMargin", "crossWalletBalance", "crossUnPnl"),
)


def leverage_of(symbol: Symbol) -> int:
    """What the initial margin comes to."""
    return max(_PPM // symbol.instrument.margin_initial_ppm, 1) if symbol.instrument.margin_initial_ppm else 125


def _withdrawable(balance: Balance) -> int:
    return max(min(balance.wallet_units, balance.available_units), 0)


def _worth_units(customer: Customer, symbol: Symbol) -> int:
    position = customer.position(symbol.number)
    return abs(position.cost_units + position.unrealized_units)


def _position_margin(customer: Customer, symbol: Symbol) -> int:
    return -(-_worth_units(customer, symbol) * symbol.instrument.margin_initial_ppm // _PPM)


def _maintenance(customer: Customer, symbol: Symbol) -> int:
    return -(-_worth_units(customer, symbol) * symbol.instrument.margin_maintenance_ppm // _PPM)


def _bracket(symbol: Symbol) -> Json:
    return {
        "bracket": 1,
        "initialLeverage": leverage_of(symbol),
        "notionalCap": _NOTIONAL_CAP,
        "notionalFloor": 0,
        "maintMarginRatio": symbol.instrument.margin_maintenance_ppm / _PPM,
        "cum": 0.0,
    }


def _ratio(ppm: int) -> str:
    return f"{ppm // _PPM}.{ppm % _PPM:06}"
