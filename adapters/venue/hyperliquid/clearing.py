"""An account's money: what `clearinghouseState` and `userFunding` say. Margin is cross margin only."""

from collections.abc import Sequence
from decimal import Decimal

from adapters.venue.hyperliquid.coins import Coin, amount
from adapters.venue.hyperliquid.records import CustomerRecord, Funding
from adapters.venue.hyperliquid.wire import MS_NS, Json
from adapters.venue.orders import Position

_PPM = 1_000_000


def clearinghouse(coins: Sequence[Coin], record: CustomerRecord | None, now_ms: int) -> Json:
    """All is zero for an address that has no account."""
    positions: list[Json] = []
    equity, available, margin, maintenance, worth, cash = 0, 0, 0, 0, 0, 0
    if record is not None:
        balance = record.customer.balance(0)
        equity, available = balance.equity_units, balance.available_units
        cash = equity
        for coin in coins:
            held = record.customer.position(coin.instrument.number)
            if held.quantity_lots == 0:
                continue
            value = held.cost_units + held.unrealized_units
            cash -= value
            worth += abs(value)
            margin += _share(abs(value), coin.instrument.margin_initial_ppm)
            maintenance += _share(abs(value), coin.instrument.margin_maintenance_ppm)
            leverage = record.leverage.get(coin.instrument.number, coin.leverage_max)
            positions.append(_asset_position(coin, held, leverage))
    money = coins[0].money
    summary = {
        "accountValue": money(equity),
        "totalNtlPos": money(worth),
        "totalRawUsd": money(cash),
        "totalMarginUsed": money(margin),
    }
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": money(maintenance),
        "withdrawable": money(available),
        "assetPositions": positions,
        "time": now_ms,
    }


def funding(coin: Coin, paid: Funding) -> Json:
    """An element of `userFunding`."""
    worth_units = paid.position_lots * paid.mark_ticks * coin.instrument.tick_lot_units
    rate = Decimal(-paid.amount_units) / worth_units if worth_units else Decimal(0)
    delta = {
        "type": "funding",
        "coin": coin.name,
        "usdc": coin.money(paid.amount_units),
        "szi": coin.size(paid.position_lots),
        "fundingRate": amount(round(rate, 10)),
        "nSamples": None,
    }
    return {"time": paid.ts_ns // MS_NS, "hash": "0x" + "0" * 64, "delta": delta}


def _asset_position(coin: Coin, held: Position, leverage: int) -> Json:
    cost_ticks_lots = Decimal(held.cost_units) / coin.instrument.tick_lot_units
    worth_units = abs(held.cost_units + held.unrealized_units)
    margin_units = _share(worth_units, coin.instrument.margin_initial_ppm)
    earned = Decimal(held.unrealized_units) / margin_units if margin_units else Decimal(0)
    position = {
        "coin": coin.name,
        "szi": coin.size(held.quantity_lots),
        "leverage": {"type": "cross", "value": leverage},
        "entryPx": coin.average_price(abs(cost_ticks_lots), abs(held.quantity_lots)),
        "positionValue": coin.money(worth_units),
        "unrealizedPnl": coin.money(held.unrealized_units),
        "returnOnEquity": amount(round(earned, 10)),
        "liquidationPx": None,
        "marginUsed": coin.money(margin_units),
        "maxLeverage": coin.leverage_max,
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }
    return {"type": "oneWay", "position": position}


def _share(units: int, ppm: int) -> int:
    """A part of an amount, rounded up as margins are."""
    return -(-units * ppm // _PPM)
