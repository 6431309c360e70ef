"""Where the instances of a service are, and which of them to ask."""

from modules.platform.discovery.choosing import LeastLoaded
from modules.platform.discovery.compatibility import Contracts
from modules.platform.discovery.dns_source import DnsSource
from modules.platform.discovery.errors import NoInstance
from modules.platform.discovery.instances import Instance, Role, Source
from modules.platform.discovery.registry_source import RegistrySource
from modules.platform.discovery.sources import Combined, OfRole, StaticSource

__all__ = [
    "Combined",
    "Contracts",
    "DnsSource",
    "Instance",
    "LeastLoaded",
    "NoInstance",
    "OfRole",
    "RegistrySource",
    "Role",
    "Source",
    "StaticSource",
]
