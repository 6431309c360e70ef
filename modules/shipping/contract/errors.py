"""Errors of shipping.

ShippingError
├── NotDeliverable        Conflict     no method reaches the address
├── MethodNotOffered      Conflict
├── ShipmentNotFound      NotFound
├── AlreadyDispatched     Conflict
├── NotInState            Conflict     the shipment is past it, or not there yet
├── ShipmentOnHold        Conflict     somebody has to look at its order first
├── NotInShipment         Conflict     more than the shipment contains
├── UnknownTariffPart     NotFound     no such zone, method, carrier or rate
├── TariffPartExists      Conflict
└── BadTariff             Invalid      brackets or days that contradict each other
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Conflict, ContractError, Invalid, NotFound
from modules.shipping.contract.types import ShipmentState


class ShippingError(ContractError):
    """Root of the module's errors."""

    code = "shipping.error"


@dataclass(kw_only=True, eq=False)
class NotDeliverable(ShippingError, Conflict):
    """No method reaches the address with this parcel."""

    code = "shipping.not_deliverable"
    country: str

    def sentence(self) -> str:
        return f"Nothing can be delivered to {self.country} with this weight and value."


@dataclass(kw_only=True, eq=False)
class MethodNotOffered(ShippingError, Conflict):
    """The method is unknown or not offered for this address and parcel."""

    code = "shipping.method_not_offered"
    method: str

    def sentence(self) -> str:
        return f"Shipping method {self.method} is not offered for this order."


@dataclass(kw_only=True, eq=False)
class ShipmentNotFound(ShippingError, NotFound):
    """No such shipment."""

    code = "shipping.shipment_not_found"
    shipment_id: UUID

    def sentence(self) -> str:
        return f"There is no shipment {self.shipment_id}."


@dataclass(kw_only=True, eq=False)
class AlreadyDispatched(ShippingError, Conflict):
    """What was to be stopped has left."""

    code = "shipping.already_dispatched"
    order_id: UUID

    def sentence(self) -> str:
        return f"Goods of order {self.order_id} have already left."


@dataclass(kw_only=True, eq=False)
class NotInState(ShippingError, Conflict):
    """The shipment's state does not allow it."""

    code = "shipping.not_in_state"
    shipment_id: UUID
    state: ShipmentState

    def sentence(self) -> str:
        return f"Shipment {self.shipment_id} is {self.state}."


@dataclass(kw_only=True, eq=False)
class ShipmentOnHold(ShippingError, Conflict):
    """It must not leave before a person has looked at its order. ``reason``: why, for staff."""

    code = "shipping.on_hold"
    shipment_id: UUID
    reason: str

    def sentence(self) -> str:
        return f"Shipment {self.shipment_id} waits until its order is reviewed: {self.reason}"


@dataclass(kw_only=True, eq=False)
class NotInShipment(ShippingError, Conflict):
    """More of a SKU was named than is in the shipment or order."""

    code = "shipping.not_in_shipment"
    sku: str
    requested: int
    contained: int

    def sentence(self) -> str:
        return f"{self.requested} of {self.sku} were named and {self.contained} are in it."


@dataclass(kw_only=True, eq=False)
class UnknownTariffPart(ShippingError, NotFound):
    """No zone, method, carrier or rate has this name."""

    code = "shipping.unknown_tariff_part"
    part: str
    name: str

    def sentence(self) -> str:
        return f"There is no {self.part} {self.name}."


@dataclass(kw_only=True, eq=False)
class TariffPartExists(ShippingError, Conflict):
    """The name is taken."""

    code = "shipping.tariff_part_exists"
    part: str
    name: str

    def sentence(self) -> str:
        return f"A {self.part} {self.name} exists already."


@dataclass(kw_only=True, eq=False)
class BadTariff(ShippingError, Invalid):
    """A rate or zone contradicts itself."""

    code = "shipping.bad_tariff"
    reason: str

    def sentence(self) -> str:
        return self.reason
