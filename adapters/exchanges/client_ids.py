"""Client order ids: a pure function of the tape and the order's number, in each exchange's own format.

An id that comes back names its order without a table, after a crash too: an order without an answer is asked about by
its id before anything else is done about it. That keeps orders from being doubled: nothing is ever sent twice.
What exchanges do with an id that is taken differs, and Bitfinex takes it once more.
"""

from dataclasses import dataclass

_BINANCE_PREFIX = "tf"
# Bitfinex takes integers of up to 45 bits, and does not enforce that they are unique: 19 of the tape, 26 of the order.
_BITFINEX_ORDER_BITS = 26
_BITFINEX_TAPE_BITS = 19
# Hyperliquid takes 128 bits: 80 of the tape, 48 of the order.
_HYPERLIQUID_TAPE_DIGITS, _HYPERLIQUID_ORDER_DIGITS = 20, 12


@dataclass(frozen=True, slots=True)
class ClientIds:
    """The ids of one tape; `journal_id` is that of its manifest, 32 hexadecimal digits."""

    journal_id: str

    def __post_init__(self) -> None:
        assert len(self.journal_id) == 32 and int(self.journal_id, 16) >= 0, "a journal's id is 32 hexadecimal digits"

    def binance(self, order: int) -> str:
        """At most 36 of the characters that Binance allows."""
        return f"{_BINANCE_PREFIX}-{self.journal_id[:12]}-{order}"

    def order_of_binance(self, client_id: str) -> int:
        """The order's number, 0 for an id that is not of this tape."""
        prefix, _, rest = client_id.partition("-")
        tape, _, number = rest.partition("-")
        ours = prefix == _BINANCE_PREFIX and tape == self.journal_id[:12] and number.isdecimal()
        return int(number) if ours else 0

    def bitfinex(self, order: int) -> int:
        """An integer below 2**45. Raises OverflowError beyond 67 million orders of one tape."""
        if not 0 < order < 1 << _BITFINEX_ORDER_BITS:
            raise OverflowError(f"order {order} has no Bitfinex id: a tape has room for {1 << _BITFINEX_ORDER_BITS}")
        return self._bitfinex_tape() << _BITFINEX_ORDER_BITS | order

    def order_of_bitfinex(self, client_id: int) -> int:
        """The order's number, 0 for an id that is not of this tape."""
        ours = client_id >> _BITFINEX_ORDER_BITS == self._bitfinex_tape()
        return client_id & ((1 << _BITFINEX_ORDER_BITS) - 1) if ours else 0

    def _bitfinex_tape(self) -> int:
        return int(self.journal_id, 16) & ((1 << _BITFINEX_TAPE_BITS) - 1)

    def hyperliquid(self, order: int) -> str:
        """0x and 32 hexadecimal digits."""
        return f"0x{self.journal_id[:_HYPERLIQUID_TAPE_DIGITS]}{order:0{_HYPERLIQUID_ORDER_DIGITS}x}"

    def order_of_hyperliquid(self, client_id: str) -> int:
        """The order's number, 0 for an id that is not of this tape."""
        start = f"0x{self.journal_id[:_HYPERLIQUID_TAPE_DIGITS]}"
        if not client_id.startswith(start) or len(client_id) != len(start) + _HYPERLIQUID_ORDER_DIGITS:
            return 0
        try:
            return int(client_id[len(start) :], 16)
        except ValueError:
            return 0
