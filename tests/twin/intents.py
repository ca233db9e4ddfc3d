"""Signals in the twin: kept, combined, and made into orders that open, close or follow a target."""

from engine.kinds import Action, DecisionKind, OrderFlag, OrderRole, OrderType, SignalMode, TradingState
from engine.reasons import Reason
from tests.twin.base import LOTS_MAX, PPM, Event
from tests.twin.orders import Order
from tests.twin.sizing import SignalDone, SignalRefused, Sizing

_DIRECTION = {Action.BUY: 1, Action.SELL: -1}


class Intents(Sizing):
    def on_signal(self, signal: Event) -> None:
        strategy = self.strategies.get(signal["source"])
        try:
            if strategy is None:
                raise SignalRefused(Reason.STRATEGY_UNKNOWN, 0, signal["source"])
            strategy.signals += 1
            strategy.last_signal_seq = self.seq
            strategy.last_action = signal["action"]
            self._check_record(signal)
            self._keep(signal)
            if signal["action"] != Action.HOLD:
                self._check_speaker(signal)
                self._follow(signal, self._combine(signal))
        except SignalRefused as refused:
            self.refuse(signal, *refused.args)
        except SignalDone:
            return

    def _check_record(self, signal: Event) -> None:
        action = signal["action"]
        prices = (signal["limit_ticks"], signal["stop_ticks"], signal["target_ticks"])
        checks = [
            (action not in set(Action), Reason.ACTION_UNKNOWN, 0, action),
            (signal["instrument"] not in self.instruments, Reason.INSTRUMENT_UNKNOWN, 0, action),
            (min(prices) < 0, Reason.PRICE_INVALID, 0, action),
            (not 0 <= signal["quantity_lots"] <= LOTS_MAX, Reason.QUANTITY_INVALID, 0, action),
            (signal["confidence_ppm"] > PPM, Reason.VALUE_INVALID, PPM, signal["confidence_ppm"]),
        ]
        self._refuse_first(checks)

    @staticmethod
    def _refuse_first(checks: list[tuple[bool, Reason, int, int]]) -> None:
        for applies, reason, limit, observed in checks:
            if applies:
                raise SignalRefused(reason, limit, observed)

    def _keep(self, signal: Event) -> None:
        pair = self.pairs[signal["source"], signal["instrument"]]
        pair.action = signal["action"]
        pair.confidence_ppm = signal["confidence_ppm"] or PPM
        pair.signal_seq = self.seq
        pair.valid_until_ts_ns = self._valid_until(signal)

    def _valid_until(self, signal: Event) -> int:
        return self.ts_ns + signal["valid_for_ms"] * 10**6 if signal["valid_for_ms"] else 0

    def _enabled(self, strategy: int, instrument: int) -> bool:
        row = self.strategies[strategy]
        return bool(row.enabled) and not self.pair_rules[strategy, instrument]["disabled"]

    def _of_pair(self, name: str, strategy: int, instrument: int) -> int:
        """A rule of the strategy on the instrument, else of the strategy."""
        return self.pair_rules[strategy, instrument][name] or self.strategy_rules[strategy][name]

    def _check_speaker(self, signal: Event) -> None:
        strategy, number, action = signal["source"], signal["instrument"], signal["action"]
        minimum = self._of_pair("confidence_min_ppm", strategy, number)
        confidence = signal["confidence_ppm"] or PPM
        executions = self.strategy_rules[strategy]["executions_max"]
        checks = [
            (self.trading_state == TradingState.HALTED, Reason.TRADING_HALTED, 0, self.trading_state),
            (not self._enabled(strategy, number), Reason.STRATEGY_DISABLED, 0, action),
            (bool(self.strategies[strategy].throttled), Reason.EXECUTIONS_THROTTLED, executions, executions),
            (confidence < minimum, Reason.CONFIDENCE_BELOW_MINIMUM, minimum, confidence),
            (self.instruments[number].long_mark_ticks <= 0, Reason.NO_REFERENCE_PRICE, 0, action),
        ]
        self._refuse_first(checks)

    # Several strategies

    def _voters(self, number: int) -> list[tuple[int, int, int, int]]:
        """(strategy, weight, confidence, action) of those whose signal on the instrument counts."""
        found = []
        for strategy in sorted(self.strategies):
            pair = self.pairs[strategy, number]
            in_time = pair.valid_until_ts_ns == 0 or self.ts_ns <= pair.valid_until_ts_ns
            sure = pair.confidence_ppm >= self._of_pair("confidence_min_ppm", strategy, number)
            speaks = self._enabled(strategy, number) and not self.strategies[strategy].throttled
            if pair.signal_seq and in_time and sure and speaks:
                weight = self._of_pair("weight_ppm", strategy, number) or PPM
                found.append((strategy, weight, pair.confidence_ppm, pair.action))
        return found

    def _combine(self, signal: Event) -> tuple[int, int]:
        """The action of all strategies together, and its strength."""
        number = signal["instrument"]
        voters = self._voters(number)
        total = sum(weight for _, weight, _, _ in voters)
        net = sum(weight * sure * _DIRECTION.get(Action(action), 0) for _, weight, sure, action in voters)
        closing = sum(weight for _, weight, _, action in voters if action == Action.CLOSE)
        minimum = self.instrument_rules[number]["strength_min_ppm"]
        strength = abs(net) // total
        waits = net == 0 or strength < minimum
        action = Action.BUY if net > 0 else Action.SELL
        if 2 * closing > total:
            action, strength, waits = Action.CLOSE, PPM * closing // total, False
        if len(voters) > 1:
            self.decide(
                DecisionKind.SIGNALS_COMBINED,
                instrument=number,
                account=self.instruments[number].account,
                strategy=signal["source"],
                action=Action.HOLD if waits else action,
                strength_ppm=strength,
                contributors=sum(1 << min(strategy, 63) for strategy, _, _, _ in voters),
                weight_total_ppm=total,
            )
        if waits:
            raise SignalRefused(Reason.STRENGTH_BELOW_MINIMUM, minimum, strength)
        return action, strength

    def _follow(self, signal: Event, combined: tuple[int, int]) -> None:
        action, strength = combined
        terms = signal
        if action != signal["action"]:
            own = ("quantity_lots", "limit_ticks", "valid_for_ms", "stop_ticks", "target_ticks")
            terms = signal | dict.fromkeys(own, 0) | {"action": action}
        if self.instrument_rules[signal["instrument"]]["signal_mode"] == SignalMode.TARGETS:
            self._set_target(terms, strength)
        elif action == Action.CLOSE:
            self._close(terms)
        else:
            self._enter(terms)

    # Entries

    def under_way(self, number: int, side: int = 0) -> int:
        """Held and on its way; a side that is being ordered does not count what is being cancelled of the other."""
        lots = self.position(number).quantity_lots
        for order in self.orders.open(number):
            going = order.cancel_asked and order.order_type != OrderType.MARKET
            if not order.is_leg and not (side and order.side == -side and going):
                lots += order.side * order.left_lots
        return lots

    def _close(self, signal: Event) -> None:
        number = signal["instrument"]
        before, said = self.under_way(number), len(self.decisions)
        self._close_all(signal)
        if len(self.decisions) == said:
            raise SignalRefused(Reason.ALREADY_AT_TARGET, 0, before)

    def _close_all(self, signal: Event) -> None:
        self.close_position(signal["instrument"], signal["source"], Reason.SIGNAL_CLOSED, signal["limit_ticks"])

    def _enter(self, signal: Event) -> None:
        number = signal["instrument"]
        bracketed = self.wants_bracket(signal, number)
        fixed = signal["quantity_lots"] or self.instrument_rules[number]["sizing_method"] == 0
        if fixed and not bracketed:
            self._trade_towards(signal)
        elif signal["action"] == Action.SELL and not self.instruments[number].short_allowed:
            self._close(signal)
        else:
            self._enter_anew(signal, 1 if signal["action"] == Action.BUY else -1, bracketed)

    def _trade_towards(self, signal: Event) -> None:
        """Cancel what works against the target, then order what is missing to it."""
        number, step = signal["instrument"], self.instruments[signal["instrument"]].quantity_step_lots
        direction = 1 if signal["action"] == Action.BUY else -1
        size, scaled = self._size_or_close(signal, direction)
        target = direction * scaled
        under_way = self.under_way(number)
        if target != under_way:
            under_way -= self._cancel_against(number, 1 if target > under_way else -1)
        if abs(target - under_way) < step:
            raise SignalRefused(Reason.ALREADY_AT_TARGET, target, under_way)
        side = 1 if target > under_way else -1
        missing, against = abs(target - under_way), max(-side * under_way, 0)
        if missing <= against:
            self._order_exit(signal, side, missing // step * step)
            return
        held = max(side * under_way, 0)
        price = self._reference(signal, number, side)
        try:
            opening = self.cut_fixed(signal, side, price, (size - held, scaled - held), held, against)
            self.check_bounds(number, against + opening, price)
            self.check_opening(signal, side, price, opening, against)
        except SignalRefused as refused:
            self.refuse(signal, *refused.args)
            if against:
                self._close_all(signal)
            return
        self.check_room(number, side, against + opening)
        order = self._place(signal, side, against + opening, OrderRole.ENTRY, None)
        self._note(order, opening)

    def _cancel_against(self, number: int, side: int) -> int:
        """Cancel working orders of the other side; returns their lots, with their sign."""
        lots = 0
        for order in reversed(self.orders.open(number)):
            if not order.is_leg and order.side == -side and order.order_type != OrderType.MARKET:
                lots += order.side * order.left_lots
                self.request_cancel(order)
        return lots

    def _size_or_close(self, signal: Event, direction: int) -> tuple[int, int]:
        """(size, scaled) to be long or short by; without one, what is under way in the other direction is closed."""
        number = signal["instrument"]
        if direction < 0 and not self.instruments[number].short_allowed:
            return 0, 0
        try:
            return self.fixed_size(signal)
        except SignalRefused as refused:
            self.refuse(signal, *refused.args)
            if direction * self.under_way(number, direction) < 0:
                self._close_all(signal)
            raise SignalDone from None

    def _reference(self, signal: Event, number: int, side: int) -> int:
        return signal["limit_ticks"] or self.instruments[number].touch(side)

    def _order_exit(self, signal: Event, side: int, quantity: int) -> None:
        number = signal["instrument"]
        price = self._reference(signal, number, side)
        self.check_bounds(number, quantity, price)
        self.check_room(number, side, quantity)
        self._place(signal, side, quantity, OrderRole.EXIT, None)

    def _enter_anew(self, signal: Event, side: int, bracketed: bool) -> None:
        """Close what is under way in the other direction, then open."""
        number = signal["instrument"]
        under_way = self.under_way(number, side)
        maximum = max(self.instrument_rules[number]["entries_max"], 1)
        entries = max(self.open_entries(number, side), 1)
        if under_way * side > 0 and entries >= maximum:
            raise SignalRefused(Reason.ENTRIES_MAX, maximum, entries)
        price = self._reference(signal, number, side)
        closing = max(-under_way * side, 0)
        try:
            refusal = self.bracket_refusal(signal, number, side, price) if bracketed else None
            if refusal is not None:
                raise SignalRefused(*refusal)
            quantity = self.size_entry(signal, side, price, max(under_way * side, 0), closing)
            self.check_bounds(number, quantity, price)
            self.check_opening(signal, side, price, quantity, closing)
        except SignalRefused as refused:
            self.refuse(signal, *refused.args)
            if closing:
                self._close_all(signal)
            return
        if closing:
            self._close_all(signal)
        self.check_room(number, side, quantity)
        bracket = self.open_bracket(signal, number, side, price) if bracketed else None
        order = self._place(signal, side, quantity, OrderRole.ENTRY, bracket)
        if bracket is not None:
            bracket.entry = order
        self._note(order, quantity)

    def check_opening(self, signal: Event, side: int, price: int, opening: int, closing: int) -> None:
        number = signal["instrument"]
        gone = self.gone_lots(number, side, closing)
        refusal = self.check_entry(number, signal["source"], side, opening, price, signal["limit_ticks"], gone)
        if refusal is not None:
            raise SignalRefused(*refusal)

    def _place(self, signal: Event, side: int, quantity: int, role: int, bracket: object) -> Order:
        limit = signal["limit_ticks"]
        order_type = OrderType.LIMIT if limit else OrderType.MARKET
        expire = self._valid_until(signal) if limit else 0
        fields = {"limit": limit, "expire": expire, "role": role, "bracket": bracket}
        return self.place(signal["instrument"], signal["source"], side, quantity, order_type, **fields)  # type: ignore[arg-type]

    def _note(self, order: Order, opening: int) -> None:
        self.note_entry(order.instrument, order.strategy, order.side, opening, order.limit_ticks)
        self.note_probe(order)

    # Targets

    def _set_target(self, signal: Event, strength: int) -> None:
        number = signal["instrument"]
        instrument, rules = self.instruments[number], self.instrument_rules[number]
        weight = 0
        if signal["action"] != Action.CLOSE:
            if not rules["target_weight_ppm"]:
                raise SignalRefused(Reason.SIZING_VALUE_UNSET, 0, rules["sizing_method"])
            weight = strength * rules["target_weight_ppm"] // PPM
            if signal["action"] == Action.SELL:
                weight = -weight if instrument.short_allowed else 0
        instrument.target_set, instrument.target_strategy = 1, signal["source"]
        instrument.target_share_ppm = weight
        self.rebalance(instrument.account, signal)

    def target_lots(self, number: int) -> int:
        instrument = self.instruments[number]
        weight = instrument.target_share_ppm
        side = 1 if weight > 0 else -1
        worth = max(self.equity(number), 0) * abs(weight) // PPM
        lots = worth // (instrument.touch(side) * instrument.tick_lot_units)
        return side * (lots // instrument.quantity_step_lots * instrument.quantity_step_lots)

    def rebalance(self, account: int, signal: Event | None = None) -> None:
        """Reductions first; increases only once no reducing order of the account is open."""
        if self.trading_state == TradingState.HALTED:
            return
        following = [
            number
            for number, instrument in sorted(self.instruments.items())
            if instrument.account == account
            and instrument.target_set
            and self.instrument_rules[number]["signal_mode"] == SignalMode.TARGETS
        ]
        wanted = {}
        for number in following:
            wanted[number] = self._difference(number, signal)
            self._reduce(number, wanted[number])
        for number in following:
            if not self._is_reducing(account):
                self._increase(number, wanted[number])

    def _is_reducing(self, account: int) -> bool:
        """Whether an instrument of the account is held with lots on order in the other direction."""
        for number, instrument in self.instruments.items():
            if instrument.account == account:
                held = self.position(number).quantity_lots
                orders = [order for order in self.orders.open(number) if not order.is_leg]
                if any(order.side * held < 0 for order in orders):
                    return True
        return False

    def _difference(self, number: int, signal: Event | None) -> int:
        """Target less under way; 0 where it is left alone, which a signal of the instrument is told."""
        instrument, rules = self.instruments[number], self.instrument_rules[number]
        if instrument.long_mark_ticks <= 0:
            return 0
        target, under_way = self.target_lots(number), self.under_way(number)
        difference = target - under_way
        side = 1 if difference > 0 else -1
        worth = abs(difference) * instrument.touch(side) * instrument.tick_lot_units
        band = max(self.equity(number), 0) * rules["band_ppm"] // PPM
        try:
            if abs(difference) < instrument.quantity_step_lots:
                raise SignalRefused(Reason.ALREADY_AT_TARGET, target, under_way)
            if target and worth < rules["trade_min_units"]:
                raise SignalRefused(Reason.TRADE_BELOW_MINIMUM, rules["trade_min_units"], worth)
            if target and worth < band:
                raise SignalRefused(Reason.WITHIN_BAND, band, worth)
            lots = self._reduction(number, difference) or self._increment(number, difference)
            if lots:
                self.check_bounds(number, lots, instrument.touch(side))
        except SignalRefused as refused:
            if signal is not None and signal["instrument"] == number:
                self.refuse(signal, *refused.args)
            return 0
        return difference

    def _on_order_against(self, number: int, side: int) -> int:
        return sum(o.left_lots for o in self.orders.open(number) if o.side == -side and not o.is_leg)

    def _reduction(self, number: int, difference: int) -> int:
        """The lots of a reducing order: of what is held and not on order the other way already."""
        instrument, held = self.instruments[number], self.position(number).quantity_lots
        if held * difference >= 0:
            return 0
        free = abs(held) - self._on_order_against(number, 1 if held > 0 else -1)
        lots = min(abs(difference), max(free, 0))
        if instrument.quantity_max_lots:
            lots = min(lots, instrument.quantity_max_lots)
        return lots // instrument.quantity_step_lots * instrument.quantity_step_lots

    def _increment(self, number: int, difference: int) -> int:
        """The lots of an increasing order: none where something is under way in the other direction."""
        if self.under_way(number) * difference < 0:
            return 0
        step = self.instruments[number].quantity_step_lots
        return abs(difference) // step * step

    def _reduce(self, number: int, difference: int) -> None:
        lots = self._reduction(number, difference)
        if lots and self.orders.has_room():
            side, flags = (1 if difference > 0 else -1), OrderFlag.REDUCE_ONLY
            strategy = self.instruments[number].target_strategy
            self.place(number, strategy, side, lots, OrderType.MARKET, flags=flags, role=OrderRole.EXIT)

    def _increase(self, number: int, difference: int) -> None:
        lots = self._increment(number, difference)
        if not lots:
            return
        instrument = self.instruments[number]
        side, strategy = (1 if difference > 0 else -1), instrument.target_strategy
        speaker = {"source": strategy, "instrument": number}
        refusal = self.check_entry(number, strategy, side, lots, instrument.touch(side), 0, 0)
        try:
            if refusal is not None:
                raise SignalRefused(*refusal)
            self.check_room(number, side, lots)
        except SignalRefused as refused:
            self.refuse(speaker, *refused.args)
            return
        order = self.place(number, strategy, side, lots, OrderType.MARKET)
        self._note(order, lots)
