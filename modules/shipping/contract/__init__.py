"""All that other modules may import of shipping."""

from modules.shipping.contract.commands import CancelShipments
from modules.shipping.contract.errors import (
    AlreadyDispatched,
    BadTariff,
    MethodNotOffered,
    NotDeliverable,
    NotInShipment,
    NotInState,
    ShipmentNotFound,
    ShipmentOnHold,
    ShippingError,
    TariffPartExists,
    UnknownTariffPart,
)
from modules.shipping.contract.events import (
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
)
from modules.shipping.contract.port import Shipping
from modules.shipping.contract.types import (
    Parcel,
    Shipment,
    ShipmentLine,
    ShipmentState,
    ShippingQuote,
)

__all__ = [
    "AlreadyDispatched",
    "BadTariff",
    "CancelShipments",
    "MethodNotOffered",
    "NotDeliverable",
    "NotInShipment",
    "NotInState",
    "Parcel",
    "Shipment",
    "ShipmentCancelled",
    "ShipmentDelivered",
    "ShipmentDispatched",
    "ShipmentLine",
    "ShipmentNotFound",
    "ShipmentOnHold",
    "ShipmentState",
    "Shipping",
    "ShippingError",
    "ShippingQuote",
    "TariffPartExists",
    "UnknownTariffPart",
]
