"""What may be asked at `/exchange`, as shapes: what does not fit one is refused before anything is looked at."""

from typing import Annotated, Any, Literal

import msgspec

Cloid = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{32}$")]
Natural = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Signed(msgspec.Struct):
    """A request: an action, when it was meant, and by whom."""

    action: dict[str, Any]
    nonce: Natural
    signature: dict[str, Any]
    vaultAddress: Annotated[str, msgspec.Meta(pattern="^(0x)?[0-9a-fA-F]{40}$")] | None = None  # noqa: N815
    expiresAfter: Natural | None = None  # noqa: N815


class LimitTerms(msgspec.Struct):
    tif: Literal["Alo", "Ioc", "Gtc", "FrontendMarket"]


class TriggerTerms(msgspec.Struct):
    is_market: bool = msgspec.field(name="isMarket")
    price: str = msgspec.field(name="triggerPx")
    kind: Literal["tp", "sl"] = msgspec.field(name="tpsl")


class OrderTerms(msgspec.Struct):
    limit: LimitTerms | None = None
    trigger: TriggerTerms | None = None


class WireOrder(msgspec.Struct):
    asset: Natural = msgspec.field(name="a")
    is_buy: bool = msgspec.field(name="b")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="s")
    reduce_only: bool = msgspec.field(name="r")
    terms: OrderTerms = msgspec.field(name="t")
    cloid: Cloid | None = msgspec.field(name="c", default=None)


class CancelTerms(msgspec.Struct):
    asset: Natural = msgspec.field(name="a")
    oid: Natural = msgspec.field(name="o")


class CancelByCloidTerms(msgspec.Struct):
    asset: Natural
    cloid: Cloid


class ModifyTerms(msgspec.Struct):
    oid: Natural | Cloid
    order: WireOrder


class Order(msgspec.Struct, tag_field="type", tag="order"):
    orders: list[WireOrder]
    grouping: Literal["na", "normalTpsl", "positionTpsl"]
    builder: dict[str, Any] | None = None


class Cancel(msgspec.Struct, tag_field="type", tag="cancel"):
    cancels: list[CancelTerms]


class CancelByCloid(msgspec.Struct, tag_field="type", tag="cancelByCloid"):
    cancels: list[CancelByCloidTerms]


class Modify(msgspec.Struct, tag_field="type", tag="modify"):
    oid: Natural | Cloid
    order: WireOrder


class BatchModify(msgspec.Struct, tag_field="type", tag="batchModify"):
    modifies: list[ModifyTerms]


class ScheduleCancel(msgspec.Struct, tag_field="type", tag="scheduleCancel"):
    time_ms: Natural | None = msgspec.field(name="time", default=None)


class UpdateLeverage(msgspec.Struct, tag_field="type", tag="updateLeverage"):
    asset: Natural
    is_cross: bool = msgspec.field(name="isCross")
    leverage: Natural


class Noop(msgspec.Struct, tag_field="type", tag="noop"):
    pass


class SetReferrer(msgspec.Struct, tag_field="type", tag="setReferrer"):
    code: str


Action = Order | Cancel | CancelByCloid | Modify | BatchModify | ScheduleCancel | UpdateLeverage | Noop | SetReferrer
