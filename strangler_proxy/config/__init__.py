"""The routing document: every option of the front door, its type, its default, its meaning.

One document (YAML or JSON) configures everything. What stands under ``listen``, ``admin``,
``workers``, ``state``, ``access_log`` and ``recording`` is read at start; the rest is live and may
be replaced while traffic flows. Seconds and bytes are the units throughout; the name of an option
ends in its unit. Each topic has a module; everybody else imports from here.
"""

from strangler_proxy.config.cache import Cache
from strangler_proxy.config.capabilities import Capability, Hold, Phase
from strangler_proxy.config.cors import Cors
from strangler_proxy.config.credentials import Authentication, Demand, Keys
from strangler_proxy.config.document import Document
from strangler_proxy.config.kinds import (
    Address,
    Count,
    HeaderName,
    HeaderValue,
    Host,
    Method,
    Name,
    Network,
    Origin,
    Part,
    Path,
    Percent,
    Ratio,
    Seconds,
    Size,
    Status,
    StickyKey,
)
from strangler_proxy.config.limits import RateLimit, SharedLimits
from strangler_proxy.config.listeners import AccessLog, Admin, ClientLimits, Listen, Tls
from strangler_proxy.config.mirroring import Mirror, Recording
from strangler_proxy.config.routes import Fallback, Retry, Route
from strangler_proxy.config.rules import Answer, Fields, Headers, RequestRules, ResponseRules
from strangler_proxy.config.upstreams import (
    Breaker,
    Bulkhead,
    Connections,
    Dns,
    Health,
    Instance,
    Outliers,
    Registry,
    RetryBudget,
    Upstream,
    UpstreamTls,
)

__all__ = [
    "AccessLog",
    "Address",
    "Admin",
    "Answer",
    "Authentication",
    "Breaker",
    "Bulkhead",
    "Cache",
    "Capability",
    "ClientLimits",
    "Connections",
    "Cors",
    "Count",
    "Demand",
    "Dns",
    "Document",
    "Fallback",
    "Fields",
    "HeaderName",
    "HeaderValue",
    "Headers",
    "Health",
    "Hold",
    "Host",
    "Instance",
    "Keys",
    "Listen",
    "Method",
    "Mirror",
    "Name",
    "Network",
    "Origin",
    "Outliers",
    "Part",
    "Path",
    "Percent",
    "Phase",
    "RateLimit",
    "Ratio",
    "Recording",
    "Registry",
    "RequestRules",
    "ResponseRules",
    "Retry",
    "RetryBudget",
    "Route",
    "Seconds",
    "SharedLimits",
    "Size",
    "Status",
    "StickyKey",
    "Tls",
    "Upstream",
    "UpstreamTls",
]
