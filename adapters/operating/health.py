"""How the daemon itself stands: it writes this down, and status, metrics and readiness read it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Health:
    """`connected` is by connection, such as an account's name; `stopped` says why nothing is sent any more, if so.

    `queue_depth` counts events that have arrived and are not applied yet.
    """

    started_ns: int
    connected: dict[str, bool] = field(default_factory=dict)
    is_reconciled: bool = False
    stopped: str = ""
    queue_depth: int = 0
    clock_steps_back: int = 0

    def not_ready(self) -> list[str]:
        """Why it does not trade, in words; empty where it is ready."""
        reasons = [f"stopped: {self.stopped}"] if self.stopped else []
        if not self.connected:
            reasons.append("not connected yet")
        reasons += [f"{name} is not connected" for name, is_up in self.connected.items() if not is_up]
        if not self.is_reconciled:
            reasons.append("not reconciled with the exchange yet")
        return reasons
