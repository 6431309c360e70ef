"""Where a contract is answered: ``use(Payment).authorize(...)`` and never know."""

from modules.platform.binding.errors import (
    BindingError,
    CallInsideTransaction,
    NotAPort,
    NotBound,
)
from modules.platform.binding.ports import Method, methods_of
from modules.platform.binding.routes import CodecRoute, LocalRoute, Route
from modules.platform.binding.table import (
    bind,
    bound,
    bound_ports,
    implementation_of,
    port_of,
    route,
    routed,
    use,
)

__all__ = [
    "BindingError",
    "CallInsideTransaction",
    "CodecRoute",
    "LocalRoute",
    "Method",
    "NotAPort",
    "NotBound",
    "Route",
    "bind",
    "bound",
    "bound_ports",
    "implementation_of",
    "methods_of",
    "port_of",
    "route",
    "routed",
    "use",
]
