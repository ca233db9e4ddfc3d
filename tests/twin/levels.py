"""Risk levels in the twin: the highest step that is reached, and back with hysteresis."""

from math import isqrt

from engine.kinds import DecisionKind
from engine.reasons import Reason
from engine.rules import RISK_STEPS
from tests.twin.base import NONE, PPM
from tests.twin.exposure import ceil_div
from tests.twin.hooks import Hooks

# What a step asks for: (reason, threshold or 0 where it is not set, figure).
Asked = tuple[int, int, int]


class Levels(Hooks):
    def risk_level(self, instrument: int) -> int:
        """The level that an order of the instrument feels: the higher of the two."""
        row = self.instruments[instrument]
        return max(row.risk_level, self.ledger.accounts[row.account].risk_level)

    def scale_ppm(self, instrument: int) -> int:
        return self._scale_of(self.instruments[instrument].account, self.risk_level(instrument))

    def _scale_of(self, account: int, level: int) -> int:
        return self.risk_steps[account][level - 1]["scale_ppm"] if level else PPM

    def _lowered(self, account: int, threshold: int) -> int:
        return ceil_div(threshold * (PPM - self.account_rules[account]["risk_hysteresis_ppm"]), PPM)

    def update_account_level(self, account: int) -> None:
        row = self.ledger.accounts[account]
        asked = []
        for place in range(RISK_STEPS):
            step = self.risk_steps[account][place]
            peak = max(row.guard_peak_units, 0)
            deep = ceil_div(peak * step["drawdown_ppm"], PPM)
            drawdown = row.guard_peak_units - row.equity_units
            losses = row.losing_streak
            asked.append(
                [
                    (Reason.RISK_BY_DRAWDOWN, deep, drawdown),
                    (Reason.RISK_BY_LOSING_STREAK, step["losing_streak"], losses),
                ]
            )
        self._move(row, account, NONE, asked)

    def update_instrument_level(self, instrument: int) -> None:
        row, rules = self.instruments[instrument], self.instrument_rules[instrument]
        fast, slow = isqrt(row.variance_ppb2), isqrt(row.slow_variance_ppb2)
        enough = row.samples >= (rules["volatility_samples_min"] or 20)
        ratio = PPM * fast // slow if slow and enough else 0
        steps = [self.risk_steps[row.account][place]["volatility_ratio_ppm"] for place in range(RISK_STEPS)]
        self._move(row, row.account, instrument, [[(Reason.RISK_BY_VOLATILITY, step, ratio)] for step in steps])

    def _move(self, row: object, account: int, instrument: int, asked: list[list[Asked]]) -> None:
        """Up at once; down where the lowered thresholds hold a lower level, and not before the hold is over.

        One that is not set (0) is never reached, one that is lowered to 0 always.
        """
        level: int = row.risk_level  # type: ignore[attr-defined]
        asked = [[item for item in step if item[1] > 0] for step in asked]
        lowered = [[(why, self._lowered(account, at), figure) for why, at, figure in step] for step in asked]
        above, below = _highest(asked), _highest(lowered)
        if above > level:
            reached = [item for item in asked[above - 1] if _is_reached(item)]
            self._say_level(row, account, instrument, above, reached[0])
        elif below < level:
            held = self.ts_ns - row.risk_level_ts_ns < self.account_rules[account]["risk_hold_ns"]  # type: ignore[attr-defined]
            if not held:
                self._say_level(row, account, instrument, below, next(iter(lowered[level - 1]), (0, 0, 0)))

    def _say_level(self, row: object, account: int, instrument: int, level: int, why: Asked) -> None:
        before: int = row.risk_level  # type: ignore[attr-defined]
        row.risk_level, row.risk_level_ts_ns = level, self.ts_ns  # type: ignore[attr-defined]
        self.count("risk_level_changes")
        self.decide(
            DecisionKind.RISK_LEVEL_CHANGED,
            account=account,
            instrument=instrument,
            risk_level=level,
            level_before=before,
            reason=why[0],
            limit=why[1],
            observed=why[2],
            scale_ppm=self._scale_of(account, level),
        )


def _is_reached(item: Asked) -> bool:
    _, threshold, figure = item
    return figure >= threshold


def _highest(asked: list[list[Asked]]) -> int:
    """The number of the highest step of which something is reached, from 1; 0 for none."""
    return max((place for place, step in enumerate(asked, start=1) if any(map(_is_reached, step))), default=0)
