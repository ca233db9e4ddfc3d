"""From a signal to a bracket, in the twin: what its stop and targets will be, or why there is none."""

from engine.kinds import BracketStatus, Distance, GroupKind, OrderRole, OrderType
from engine.reasons import Reason
from tests.twin.base import PPM, Event, Refusal
from tests.twin.rows import Bracket, Leg, Rows

TARGETS = 4


def distance_in_ticks(kind: int, value: int, price: int) -> int:
    return max(1, price * value // PPM) if kind == Distance.PPM else value


def price_at(kind: int, value: int, price: int, direction: int) -> int:
    """The price that lies a distance from another: above it where `direction` is 1, else below; 0 for none."""
    if kind == Distance.NONE:
        return 0
    if kind == Distance.SIGNAL:
        return value
    return max(1, price + direction * distance_in_ticks(kind, value, price))


class Opening(Rows):
    def wants_bracket(self, signal: Event, instrument: int) -> bool:
        return bool(self.instrument_rules[instrument]["bracketed"] or signal["stop_ticks"] or signal["target_ticks"])

    def _distance(self, instrument: int, kind: int, value: int) -> tuple[int, int]:
        """Fixed when the entry is ordered: an ATR is ticks then; ppm stay ppm until the first fill.

        None without a value, or where it is a price that the signal does not give.
        """
        if kind in (Distance.NONE, Distance.SIGNAL) or value == 0:
            return Distance.NONE, 0
        if kind == Distance.ATR:
            return Distance.TICKS, max(1, self.instruments[instrument].atr_microticks * value // 10**12)
        return kind, value

    def _stop_of(self, signal: Event, instrument: int) -> tuple[int, int]:
        rules = self.instrument_rules[instrument]
        if signal["stop_ticks"]:
            return Distance.SIGNAL, signal["stop_ticks"]
        return self._distance(instrument, rules["stop_distance"], rules["stop_value"])

    def _targets_of(self, signal: Event, instrument: int) -> list[tuple[int, int, int]]:
        if signal["target_ticks"]:
            return [(Distance.SIGNAL, signal["target_ticks"], PPM)]
        found = []
        for row in range(TARGETS):
            rules = self.target_rules[instrument][row]
            kind, value = self._distance(instrument, rules["target_distance"], rules["target_value"])
            if kind != Distance.NONE:
                found.append((kind, value, rules["target_share_ppm"]))
        return found

    def _needs_atr(self, signal: Event, instrument: int) -> bool:
        rules = self.instrument_rules[instrument]
        kinds = [rules["trail_distance"] if rules["trail_value"] else 0]
        if not signal["stop_ticks"] and rules["stop_value"]:
            kinds.append(rules["stop_distance"])
        if not signal["target_ticks"]:
            rows = [self.target_rules[instrument][row] for row in range(TARGETS)]
            kinds += [row["target_distance"] for row in rows if row["target_value"]]
        return Distance.ATR in kinds

    def bracket_refusal(self, signal: Event, instrument: int, side: int, price: int) -> Refusal | None:
        kind, _ = self._stop_of(signal, instrument)
        if kind == Distance.NONE and not self.instrument_rules[instrument]["stop_optional"]:
            return Reason.STOP_MISSING, 0, 0
        if signal["stop_ticks"] and side * (price - signal["stop_ticks"]) <= 0:
            return Reason.STOP_INVALID, price, signal["stop_ticks"]
        if signal["target_ticks"] and side * (signal["target_ticks"] - price) <= 0:
            return Reason.TARGET_INVALID, price, signal["target_ticks"]
        if self._needs_atr(signal, instrument) and self.instruments[instrument].samples < 2:
            return Reason.NO_VOLATILITY, 2, self.instruments[instrument].samples
        if not self.has_free_row():
            return Reason.BRACKET_TABLE_FULL, self.limits.brackets, len(self.live_rows())
        return None

    def stop_distance_ticks(self, signal: Event, instrument: int, side: int, price: int) -> int:
        kind, value = self._stop_of(signal, instrument)
        return 0 if kind == Distance.NONE else side * (price - price_at(kind, value, price, -side))

    def open_bracket(self, signal: Event, instrument: int, side: int, price: int) -> Bracket:
        """Take a row for an entry that is about to be placed; it keeps the rules of now."""
        row = self.take_row(GroupKind.BRACKET, instrument, signal["source"])
        row.side = side
        kind, value = self._stop_of(signal, instrument)
        row.legs.append(Leg(OrderRole.STOP, OrderType.STOP, -side, distance=kind, distance_value=value, share_ppm=PPM))
        for kind, value, share in self._targets_of(signal, instrument):
            leg = Leg(OrderRole.TARGET, OrderType.LIMIT, -side, distance=kind, distance_value=value, share_ppm=share)
            row.legs.append(leg)
        trail = self._distance(instrument, row.rules["trail_distance"], row.rules["trail_value"])
        row.trail_distance, row.trail_value = trail
        return row

    def open_entries(self, instrument: int, side: int) -> int:
        states = (BracketStatus.WAITING, BracketStatus.OPEN)
        return sum(row.side == side and row.status in states for row in self.live_brackets(instrument))
