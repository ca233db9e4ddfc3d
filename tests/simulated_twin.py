"""A naive twin of the simulated exchange: one instrument, one account, Python integers, every order looked at.

It is written from docs/simulated-exchange.md and shares nothing with the exchange but the vocabularies.
"""

from dataclasses import dataclass, field
from typing import Any

from engine.kinds import Aggressor, OrderType, TimeInForce
from engine.reasons import Reason

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
PROFITS = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
MILLION = 1_000_000


def up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


@dataclass
class Terms:
    is_cash: bool
    balance: int
    unit: int
    maker_ppm: int
    taker_ppm: int
    fee_in_base: bool
    margin_ppm: int
    slippage_ticks: int
    impact_ppm: int
    share_ppm: int


@dataclass
class Order:
    number: int
    kind: OrderType
    side: int
    tif: TimeInForce
    post_only: bool
    reduce_only: bool
    quantity: int
    limit: int
    trigger: int
    trail: int
    expire: int
    sent: int
    priority: int
    filled: int = 0
    stage: str = "new"  # then waits, trails, works or rests
    triggered: bool = False
    best: int = 0
    queue: int | None = None
    credit: int | None = None
    reserve: int = 0

    @property
    def left(self) -> int:
        return self.quantity - self.filled

    @property
    def price(self) -> int:
        return self.limit if self.kind in LIMITED else self.trigger

    @property
    def stop(self) -> int:
        return self.best + self.side * self.trail if self.stage == "trails" else self.trigger


@dataclass
class Twin:
    terms: Terms
    now: int = 0
    cash: int = 0
    lots: int = 0
    orders: list[Order] = field(default_factory=list)  # live ones, in the order of their acceptance
    said: list[tuple[Any, ...]] = field(default_factory=list)
    priorities: int = 0
    book: str = ""
    bid: int = 0
    ask: int = 0
    shown: dict[int, int] = field(default_factory=dict)  # by the side that rests there: 1 bids, -1 asks
    first: dict[int, int] = field(default_factory=dict)
    left: dict[int, float] = field(default_factory=dict)
    sized: bool = False
    mark: int = 0
    market_at: int = -1
    walking: str = ""
    refs: dict[int, int] = field(default_factory=dict)  # the price that buys and sells go by
    trade: tuple[int, int] = (0, 0)  # quantity, what is left of it
    bar: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cash = self.terms.balance

    # --- what an order is allowed and what it costs

    def touch(self, side: int) -> int:
        return self.ask if side > 0 else self.bid

    def slipped(self, side: int, touch: int, quantity: int) -> int:
        move = self.terms.slippage_ticks
        if self.terms.impact_ppm:
            shown = self.shown.get(-side, 0)
            share = up(min(quantity, shown) * MILLION, shown) if shown > 0 else MILLION
            move = up(touch * self.terms.impact_ppm * up(share * share, MILLION), MILLION**2)
        return max(1, touch + side * move)

    def reserve_of(self, order: Order) -> int:
        if order.kind in LIMITED:
            return order.limit
        start = self.touch(order.side)
        if order.kind == OrderType.TRAILING_STOP:
            start = max(1, (order.trigger or start) + order.side * order.trail)
        elif order.kind != OrderType.MARKET:
            start = order.trigger
        return self.slipped(order.side, start, order.left)

    def fee(self, amount: int, ppm: int) -> int:
        return up(amount * ppm, MILLION) if ppm >= 0 else -(amount * -ppm // MILLION)

    def cost(self, price: int, lots: int, ppm: int) -> int:
        notional = price * lots * self.terms.unit
        return notional if self.terms.fee_in_base else notional + max(0, self.fee(notional, ppm))

    def open_lots(self, side: int) -> int:
        return sum(o.left for o in self.orders if o.side == side and not o.reduce_only)

    def reserved(self, but: Order | None = None) -> int:
        worst = max(self.terms.maker_ppm, self.terms.taker_ppm)
        buys = [o for o in self.orders if o.side > 0 and not o.reduce_only and o is not but]
        return sum(self.cost(o.reserve, o.left, worst) for o in buys) if self.terms.is_cash else 0

    def lacks_funds(self, order: Order) -> int:
        if order.reduce_only:
            return 0
        terms = self.terms
        if terms.is_cash:
            if order.side < 0:
                return 0 if self.lots - self.open_lots(-1) >= order.left else Reason.EXCHANGE_BALANCE_INSUFFICIENT
            need = self.cost(order.reserve, order.left, max(terms.maker_ppm, terms.taker_ppm))
            return 0 if self.cash - self.reserved() >= need else Reason.EXCHANGE_BALANCE_INSUFFICIENT
        mark = self.mark or (self.bid + self.ask) // 2
        price = max(mark, order.reserve)
        buys, sells = self.open_lots(1), self.open_lots(-1)

        def margin(more_buys: int, more_sells: int) -> int:
            lots = max(abs(self.lots + buys + more_buys), abs(self.lots - sells - more_sells))
            return up(lots * price * terms.unit * terms.margin_ppm, MILLION)

        after = margin(order.left if order.side > 0 else 0, order.left if order.side < 0 else 0)
        if after <= margin(0, 0):
            return 0
        fee = self.fee(order.reserve * order.left * terms.unit, max(0, terms.taker_ppm))
        equity = self.cash + self.lots * mark * terms.unit
        return 0 if equity >= after + fee else Reason.EXCHANGE_MARGIN_INSUFFICIENT

    def objection(self, order: Order) -> int:
        if order.kind in (OrderType.MARKET, OrderType.TRAILING_STOP) and not self.book:
            return Reason.EXCHANGE_NO_MARKET
        if order.post_only and (order.kind not in LIMITED or order.tif in (TimeInForce.IOC, TimeInForce.FOK)):
            return Reason.EXCHANGE_ORDER_INVALID
        if order.tif == TimeInForce.GTD and order.expire <= self.now:
            return Reason.EXCHANGE_EXPIRED
        order.reserve = self.reserve_of(order)
        if order.kind == OrderType.LIMIT and order.post_only and self.would_take(order):
            return Reason.EXCHANGE_POST_ONLY_WOULD_TAKE
        if order.reduce_only and order.side * self.lots >= 0:
            return Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE
        plain = order.kind in (OrderType.MARKET, OrderType.LIMIT)
        if order.tif == TimeInForce.FOK and plain and not self.is_stale():
            fits = order.kind == OrderType.MARKET or self.would_take(order)
            if not fits or self.left[-order.side] < order.quantity:
                return Reason.EXCHANGE_FOK_NOT_FILLABLE
        return self.lacks_funds(order)

    def would_take(self, order: Order) -> bool:
        return bool(self.book) and order.side * (order.limit - self.touch(order.side)) >= 0

    def is_stale(self) -> bool:
        return self.book == "bar" and self.now > self.market_at and not self.walking

    # --- commands

    def say(self, kind: str, order: Order, reason: int = 0, quantity: int = 0, price: int = 0) -> None:
        self.said.append((kind, order.number, int(reason), quantity, price, 0))

    def place(self, order: Order) -> None:
        self.expire()
        if any(o.number == order.number for o in self.orders):
            self.say(
                "ORDER_REJECTED", order, Reason.EXCHANGE_ORDER_INVALID, order.quantity, order.limit or order.trigger
            )
            return
        self.priorities += 1
        order.priority = self.priorities
        reason = self.objection(order)
        if reason:
            self.say("ORDER_REJECTED", order, reason, order.quantity, order.limit or order.trigger)
        else:
            self.orders.append(order)
            self.say("ORDER_ACCEPTED", order, 0, order.quantity, order.price)
            self.cut()
            self.activate(order)
        self.cut()

    def cancel(self, number: int) -> None:
        self.expire()
        for order in [o for o in self.orders if o.number == number]:
            self.end(order, Reason.EXCHANGE_CANCELED_ON_REQUEST)
            break
        else:
            self.said.append(("CANCEL_REJECTED", number, int(Reason.EXCHANGE_ORDER_UNKNOWN), 0, 0, 0))
        self.cut()

    def amend(self, number: int, quantity: int, limit: int, trigger: int) -> None:
        self.expire()
        found = [o for o in self.orders if o.number == number]
        if found:
            self.change(found[0], quantity, limit, trigger)
        else:
            self.said.append(
                ("CANCEL_REJECTED", number, int(Reason.EXCHANGE_ORDER_UNKNOWN), quantity, limit or trigger, 0)
            )
        self.cut()

    def change(self, order: Order, quantity: int, limit: int, trigger: int) -> None:
        old = (order.quantity, order.limit, order.trigger)
        new = (quantity or old[0], limit or old[1], trigger or old[2])
        reason = 0
        if new[0] <= order.filled:
            reason = Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM
        elif new[1] != old[1] and order.kind not in LIMITED:
            reason = Reason.EXCHANGE_PRICE_OFF_TICK
        elif new[2] != old[2] and (order.triggered or order.kind not in STOPS + PROFITS):
            reason = Reason.EXCHANGE_TRIGGER_INVALID
        if not reason:
            place, before = self.orders.index(order), order.reserve
            self.orders.remove(order)
            order.quantity, order.limit, order.trigger = new
            reason = self.objection(order)
            self.orders.insert(place, order)
            if reason:
                order.quantity, order.limit, order.trigger = old
                order.reserve = before
        if reason:
            self.say("CANCEL_REJECTED", order, reason, order.quantity, order.price)
            return
        self.say("ORDER_AMENDED", order, 0, order.quantity, order.price)
        if new[1:] == old[1:] and (new[0] <= old[0] or order.stage != "rests"):
            return
        self.priorities += 1
        order.priority = self.priorities
        self.cut()
        self.activate(order)

    def expire(self) -> None:
        due = [o for o in self.orders if o.tif == TimeInForce.GTD and o.expire <= self.now]
        for order in sorted(due, key=lambda o: o.expire):
            self.end(order, Reason.EXCHANGE_EXPIRED)

    def end(self, order: Order, reason: int) -> None:
        self.orders.remove(order)
        kind = "ORDER_EXPIRED" if reason == Reason.EXCHANGE_EXPIRED else "ORDER_CANCELED"
        self.say(kind, order, reason, order.left, 0)

    def cut(self) -> None:
        for order in [o for o in reversed(self.orders) if o.reduce_only]:
            held = -order.side * self.lots
            if held <= 0:
                self.end(order, Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE)
            elif order.left > held:
                order.quantity = order.filled + held
                self.say("ORDER_AMENDED", order, 0, order.quantity, order.price)

    # --- from an order to fills

    def activate(self, order: Order) -> None:
        ref = self.touch(order.side)
        beyond = order.side * (ref - order.trigger)  # >= 0: a stop is reached; <= 0: a take-profit is
        if order.kind in (OrderType.MARKET, OrderType.LIMIT) or order.triggered:
            self.enter(order)
        elif order.kind == OrderType.TRAILING_STOP:
            if order.trigger and beyond > 0:
                order.stage = "waits"
            else:
                self.start_trail(order, ref)
        elif self.book and (beyond >= 0 if order.kind in STOPS else beyond <= 0):
            self.fire(order, ref)
        else:
            order.stage = "waits"

    def start_trail(self, order: Order, ref: int) -> None:
        order.stage, order.best, order.trigger = "trails", ref, 0

    def fire(self, order: Order, ref: int) -> None:
        order.triggered = True
        self.say("ORDER_TRIGGERED", order, 0, order.quantity, ref)
        self.enter(order)

    def enter(self, order: Order) -> None:
        if order.kind in LIMITED and not self.would_take(order):
            if order.tif == TimeInForce.IOC:
                self.end(order, Reason.EXCHANGE_IOC_REMAINDER)
            elif order.tif == TimeInForce.FOK:
                self.end(order, Reason.EXCHANGE_FOK_NOT_FILLABLE)
            else:
                self.rest(order)
        elif order.kind in LIMITED and order.post_only:
            self.end(order, Reason.EXCHANGE_POST_ONLY_WOULD_TAKE)
        elif self.is_stale():
            order.stage = "works"
        else:
            self.take(order)

    def take(self, order: Order) -> None:
        quantity = int(min(order.left, self.left[-order.side]))
        if order.tif == TimeInForce.FOK and quantity < order.left:
            self.end(order, Reason.EXCHANGE_FOK_NOT_FILLABLE)
            return
        if quantity:
            price = self.touch(order.side)
            if order.kind not in LIMITED:
                price = self.slipped(order.side, price, quantity)
            self.fill(order, price, quantity, maker=False)
        if order not in self.orders:
            return
        if order.tif == TimeInForce.IOC:
            self.end(order, Reason.EXCHANGE_IOC_REMAINDER)
        elif order.kind in LIMITED:
            self.rest(order)
        else:
            order.stage = "works"

    def rest(self, order: Order) -> None:
        order.stage, order.queue, order.credit = "rests", None, None
        if self.book == "quote" and self.sized:
            touch = self.bid if order.side > 0 else self.ask
            if order.limit == touch:
                order.queue = self.shown[order.side]
            elif order.side * (order.limit - touch) > 0:
                order.queue = 0

    def fill(self, order: Order, price: int, quantity: int, *, maker: bool, takes_book: bool = True) -> None:
        terms = self.terms
        ppm = terms.maker_ppm if maker else terms.taker_ppm
        if terms.is_cash and order.side > 0:
            free = self.cash - self.reserved(but=order)
            if free < self.cost(price, quantity, ppm):
                self.end(order, Reason.EXCHANGE_BALANCE_INSUFFICIENT)
                return
        notional = price * quantity * terms.unit
        in_base = terms.fee_in_base and order.side > 0
        fee = self.fee(quantity if in_base else notional, ppm)
        self.cash -= order.side * notional + (0 if in_base else fee)
        self.lots += order.side * quantity - (fee if in_base else 0)
        order.filled += quantity
        self.said.append(("ORDER_FILLED", order.number, 0, quantity, price, fee))
        if takes_book:
            self.left[-order.side] -= quantity
            if self.book == "bar":
                self.left[order.side] -= quantity
        if order.left == 0:
            self.orders.remove(order)

    def take_said(self) -> list[tuple[Any, ...]]:
        said, self.said = self.said, []
        return said

    # --- the market

    def go(self, buys: int, sells: int) -> None:
        """Set the prices that triggers go by; trailing stops remember the best of them."""
        self.refs = {1: buys, -1: sells}
        for order in self.orders:
            if order.stage == "trails":
                better = min if order.side > 0 else max
                order.best = better(order.best, self.refs[order.side])

    def quote(self, bid: int, ask: int, bid_lots: int, ask_lots: int) -> None:
        self.expire()
        self.market_at = self.now
        self.book, self.walking = "quote", "quote"
        self.sized = self.sized or bid_lots + ask_lots > 0
        if bid != self.bid:
            self.first[1] = bid_lots
        if ask != self.ask:
            self.first[-1] = ask_lots
        self.bid, self.ask = bid, ask
        self.shown = {1: bid_lots, -1: ask_lots}
        self.left = dict(self.shown) if self.sized else {1: float("inf"), -1: float("inf")}
        self.go(ask, bid)

    def public_trade(self, price: int, quantity: int, aggressor: int) -> None:
        self.expire()
        self.market_at = self.now
        self.walking = "trade"
        if self.book != "quote":
            self.book = "trade"
            self.bid = self.ask = price
            self.shown = {1: quantity, -1: quantity}
            self.left = {1: float("inf"), -1: float("inf")}
        self.trade = (quantity, quantity)
        for order in self.orders:
            order.credit = None
            own_aggressor = Aggressor.BUYER if order.side > 0 else Aggressor.SELLER
            if order.stage != "rests":
                continue
            if order.side * (order.limit - price) > 0:
                order.credit = quantity
            elif order.limit == price and aggressor != own_aggressor:
                self.shorten_queue(order, quantity)
        self.go(price, price)

    def shorten_queue(self, order: Order, quantity: int) -> None:
        if self.book == "quote" and self.sized:
            touch = self.bid if order.side > 0 else self.ask
            if touch == order.limit:
                ahead = self.first[order.side] if order.queue is None else order.queue
                order.queue = min(ahead, self.shown[order.side])
            elif order.side * (order.limit - touch) > 0:
                order.queue = 0
        order.credit = 0
        if order.queue is not None:
            order.credit = max(0, quantity - order.queue)
            order.queue = max(0, order.queue - quantity)

    def start_bar(self, opened: int, high: int, low: int, close: int, volume: int, open_ts: int) -> None:
        self.expire()
        self.market_at = self.now
        self.book, self.walking = "bar", "bar"
        share = self.terms.share_ppm
        self.shown = {1: volume, -1: volume}
        usable = volume * share // MILLION if share else float("inf")
        self.left = {1: usable, -1: usable}
        self.bar = {"open": opened, "high": high, "low": low, "close": close, "ts": open_ts or float("inf")}
        self.bar |= {"seen": set(), "closed": False, "low_first": close >= opened}
        self.move(opened)

    def move(self, price: int) -> None:
        self.bid = self.ask = self.bar["at"] = price
        self.go(price, price)

    def step(self) -> bool:
        """Let one order act; False when the market record is over."""
        while True:
            if self.act():
                self.cut()
                return True
            if self.walking != "bar" or self.bar["closed"]:
                self.walking = ""
                return False
            self.advance()

    def advance(self) -> None:
        bar = self.bar
        at, seen = bar["at"], bar["seen"]
        closing = len(seen) == 2
        if closing:
            end = bar["close"]
        else:
            goes_low = "high" in seen if seen else self.low_is_next(at)
            end = bar["low"] if goes_low else bar["high"]
        way = 1 if end > at else -1
        prices = [p for p in self.acting_prices(way) if way * p > way * at and way * p <= way * end]
        price = (min(prices) if way > 0 else max(prices)) if prices else end
        if price == end:
            bar["closed"] = closing
            seen |= {name for name in ("low", "high") if bar[name] == end}
        self.move(price)

    def acting_prices(self, way: int) -> list[int]:
        """Where orders act while the price moves up (1) or down (-1): stops of that side, the rest of the other.

        Where nothing is left of the volume a resting order is passed by; whether the price stops there
        makes no difference.
        """
        stops = [o.stop for o in self.orders if o.side == way and self.is_stop(o)]
        return stops + [o.limit if o.stage == "rests" else o.trigger for o in self.orders
                        if o.side == -way and (o.stage == "rests" or self.is_target(o))]  # fmt: skip

    def low_is_next(self, at: int) -> bool:
        def first_stop(side: int) -> int | None:
            stops = [o.stop for o in self.orders if o.side == side and self.is_stop(o)]
            return (min(stops) if side > 0 else max(stops)) if stops else None

        def first_target(side: int) -> int | None:
            targets = [o.limit if o.stage == "rests" else o.trigger for o in self.orders
                       if o.side == side and (o.stage == "rests" or self.is_target(o))]  # fmt: skip
            return (max(targets) if side > 0 else min(targets)) if targets else None

        low, high = self.bar["low"], self.bar["high"]
        stop, target = first_stop(-1), first_target(-1)
        below = stop is not None and target is not None and low <= stop < at < target <= high
        stop, target = first_stop(1), first_target(1)
        above = stop is not None and target is not None and low <= target < at < stop <= high
        return below if below != above else self.bar["low_first"]

    @staticmethod
    def is_stop(order: Order) -> bool:
        return order.stage == "trails" or (order.stage == "waits" and order.kind in STOPS)

    @staticmethod
    def is_target(order: Order) -> bool:
        return order.stage == "waits" and order.kind not in STOPS

    def act(self) -> bool:
        return (
            any(self.act_worker(side) for side in (1, -1))
            or any(self.act_resting(side) for side in (1, -1))
            or any(self.act_stop(side) for side in (1, -1))
            or any(self.act_target(side) for side in (1, -1))
        )

    def of(self, side: int, chosen: Any, key: Any) -> list[Order]:
        return sorted((o for o in self.orders if o.side == side and chosen(o)), key=lambda o: (key(o), o.priority))

    def act_worker(self, side: int) -> bool:
        for order in self.of(side, lambda o: o.stage == "works", lambda o: 0)[:1]:
            waits = self.walking == "bar" and order.sent > self.bar["ts"] and not self.bar["closed"]
            if self.left[-side] > 0 and not waits:
                self.enter(order)
                return True
        return False

    def act_resting(self, side: int) -> bool:
        ref = self.refs[side]
        reached = self.of(side, lambda o: o.stage == "rests" and side * (o.limit - ref) >= 0, lambda o: -side * o.limit)
        if self.walking == "trade":
            return self.act_by_trade(reached, ref)
        if reached and self.left[-side] > 0:
            order = reached[0]
            self.fill(order, order.limit, int(min(order.left, self.left[-side])), maker=True)
            return True
        return False

    def act_by_trade(self, reached: list[Order], price: int) -> bool:
        total, left = self.trade
        for order in reached:
            if order.credit is None:
                continue
            lots = min(order.left, left)
            if order.limit == price:
                lots = min(lots, order.credit - (total - left))
                order.credit = 0
            if lots <= 0:
                return False
            self.trade = (total, left - lots)
            self.fill(order, order.limit, lots, maker=True, takes_book=False)
            return True
        return False

    def act_stop(self, side: int) -> bool:
        ref = self.refs[side]
        reached = self.of(side, lambda o: self.is_stop(o) and side * (ref - o.stop) >= 0, lambda o: side * o.stop)
        for order in reached[:1]:
            self.fire(order, ref)
            return True
        return False

    def act_target(self, side: int) -> bool:
        ref = self.refs[side]
        reached = self.of(
            side, lambda o: self.is_target(o) and side * (ref - o.trigger) <= 0, lambda o: -side * o.trigger
        )
        for order in reached[:1]:
            if order.kind == OrderType.TRAILING_STOP:
                self.start_trail(order, ref)
            else:
                self.fire(order, ref)
            return True
        return False
