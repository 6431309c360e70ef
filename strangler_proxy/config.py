"""The routing document: every option of the front door, its type, its default, its meaning.

One document (YAML or JSON) configures everything. What stands under ``listen``, ``admin``,
``workers``, ``state`` and ``recording`` is read at start; the rest is live and may be replaced
while traffic flows. Seconds and bytes are the units throughout; the name of an option ends in its
unit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

# ``$(?!\n)``: the end, and no line end behind it; Python's ``$`` alone would let one pass.
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$(?!\n)",
        description="a short name: a lower-case letter, then at most 63 letters, digits, _ or -",
    ),
]
Address = Annotated[
    str,
    Meta(
        pattern=r"^(unix:[^\s]+|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}|[^:/\s]+:[0-9]{1,5})$(?!\n)",
        description="host:port, [v6]:port or unix:/path",
    ),
]
Host = Annotated[
    str,
    Meta(
        pattern=r"^((\*\.)?[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]+\])$(?!\n)",
        description="a host name in lower case without port; *.example.org for all below it",
    ),
]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Size = Annotated[int, Meta(ge=0, le=1 << 40, description="a number of bytes")]
Percent = Annotated[int, Meta(ge=0, le=100)]
Ratio = Annotated[float, Meta(gt=0, le=1)]
HeaderName = Annotated[
    str,
    Meta(
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$(?!\n)",
        description="the name of a header field",
    ),
]
HeaderValue = Annotated[
    str,
    Meta(
        pattern=r"^[\t\x20-\x7e\x80-\xff]*$(?!\n)",
        max_length=4096,
        description="one line of Latin-1 text",
    ),
]
Method = Annotated[str, Meta(pattern=r"^[A-Z]{1,20}$(?!\n)", description="a method in upper case")]
Path = Annotated[
    str,
    Meta(
        pattern=r"^/[!-\x22$->@-~]*$(?!\n)",
        max_length=1024,
        description="a path: / and then visible ASCII without ? and #",
    ),
]
Status = Annotated[int, Meta(ge=200, le=599)]
Network = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$(?!\n)",
        description="a network such as 10.0.0.0/8",
    ),
]
# The key that a client keeps its side by.
StickyKey = Annotated[
    str,
    Meta(
        pattern=r"^(identity|address|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})$(?!\n)",
        description="identity, address, header:NAME or cookie:NAME",
    ),
]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document: frozen, and a name that it does not know is an error."""


class Phase(StrEnum):
    """Where a capability stands on its way out of the monolith."""

    MONOLITH = "monolith"
    SHADOW = "shadow"
    CANARY = "canary"
    EXTRACTED = "extracted"
    RETIRED = "retired"


class Demand(StrEnum):
    """What a route asks of the caller's credentials."""

    REQUIRED = "required"
    OPTIONAL = "optional"  # none is fine; wrong ones are refused
    NONE = "none"  # not looked at


# ---------------------------------------------------------------- read at start


class Tls(Part, frozen=True):
    """Certificate chain and key in PEM files; ``client_ca`` makes client certificates required."""

    certificate: str
    key: str
    client_ca: str | None = None


class ClientLimits(Part, frozen=True):
    """What a client may send, and how slowly."""

    head_bytes: Annotated[int, Meta(ge=1024, le=1 << 20)] = 16_384
    header_count: Annotated[int, Meta(ge=8, le=1000)] = 100
    target_bytes: Annotated[int, Meta(ge=256, le=1 << 16)] = 8_192
    head_seconds: Seconds = 10.0  # from the first byte of a head to its last
    body_seconds: Seconds = 30.0  # without one byte of an announced body
    idle_seconds: Seconds = 75.0  # between two requests
    write_seconds: Seconds = 60.0  # without reading one byte of its answer
    connections: Count = 10_000


class Listen(Part, frozen=True):
    """One listening socket."""

    address: Address
    tls: Tls | None = None
    limits: ClientLimits = ClientLimits()
    trusted_proxies: tuple[Network, ...] = ()  # whose Forwarded headers are believed
    backlog: Count = 2048


class Admin(Part, frozen=True):
    """The admin listener, ``/-/...``. Changing anything needs the token from ``token_file``.

    ``registration_token_file`` holds one that only lets instances register; without it they
    need the other.
    """

    address: Address = "127.0.0.1:8009"
    token_file: str | None = None
    registration_token_file: str | None = None


class AccessLog(Part, frozen=True):
    """JSON lines; ``-`` is stdout, no path is no log."""

    path: str | None = "-"
    flush_milliseconds: Annotated[int, Meta(ge=1, le=1000)] = 5


# ---------------------------------------------------------------- authentication and limits


class Keys(Part, frozen=True):
    """Published keys (a JWKS): from an URL or a file, read again every ``refresh_seconds``."""

    url: str | None = None
    file: str | None = None
    refresh_seconds: Seconds = 300.0


class Authentication(Part, frozen=True):
    """Who signs access tokens and which claims they must have."""

    keys: Keys
    issuer: str
    audience: str
    algorithms: tuple[Literal["EdDSA", "ES256", "RS256"], ...] = ("EdDSA",)
    leeway_seconds: Annotated[float, Meta(ge=0, le=300)] = 5.0
    token_type: str | None = "at+jwt"  # noqa: S105 - what ``typ`` must say, RFC 9068; null: not looked at
    # Headers whose bearer the upstream verifies itself: API keys, guests' cart tokens. With
    # Authorization among them, what it carries is the upstream's to verify unless it is a JWT.
    opaque_headers: tuple[HeaderName, ...] = ()
    # Staff may choose the side by Ficus-Route: who has this word in this claim.
    staff_claim: str = "kind"
    staff_word: str = "staff"
    remembered_tokens: Count = 10_000


class RateLimit(Part, frozen=True):
    """``requests`` in ``seconds``, all at once if need be, for each identity or address."""

    requests: Count
    seconds: Seconds
    per: Literal["identity", "address"] = "identity"  # no identity: the address


class SharedLimits(Part, frozen=True):
    """Limits counted in Redis, for all proxies together; local ones stand in when it is down."""

    redis: str
    timeout_seconds: Seconds = 0.05


# ---------------------------------------------------------------- upstreams


class Instance(Part, frozen=True):
    """One place that answers; twice the weight takes twice the requests."""

    address: Address
    weight: Annotated[int, Meta(ge=1, le=100)] = 1


class Dns(Part, frozen=True):
    """Every address of a name is an instance (Kubernetes headless services)."""

    name: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    refresh_seconds: Seconds = 5.0


class Registry(Part, frozen=True):
    """Services that announce themselves.

    With an URL it is asked every ``refresh_seconds`` for ``{"instances": [...]}``; without one,
    instances register at the admin listener and are forgotten ``ttl_seconds`` after their last
    heartbeat. ``role`` takes only instances bound to that database.
    """

    url: str | None = None
    refresh_seconds: Seconds = 1.0
    ttl_seconds: Seconds = 10.0
    role: Literal["origin", "own"] | None = None


class Connections(Part, frozen=True):
    """The pool of each instance."""

    connect_seconds: Seconds = 1.0
    idle_seconds: Seconds = 20.0  # keep below the upstream's own, or it closes in our hands
    idle: Count = 128
    requests: Count = 100_000  # a connection is closed after so many


class Bulkhead(Part, frozen=True):
    """Requests an upstream works on at once, and those that may wait for their turn."""

    concurrent: Count = 512
    queue: Annotated[int, Meta(ge=0, le=100_000)] = 512
    queue_seconds: Seconds = 2.0


class Breaker(Part, frozen=True):
    """Opens one instance at ``ratio`` failures of at least ``minimum`` calls in the window."""

    window_seconds: Seconds = 10.0
    minimum: Count = 20
    ratio: Ratio = 0.5
    rest_seconds: Seconds = 5.0
    probes: Count = 3


class Outliers(Part, frozen=True):
    """Ejects an instance after consecutive failures, longer each time."""

    consecutive_failures: Count = 5
    eject_seconds: Seconds = 10.0
    max_eject_seconds: Seconds = 300.0
    max_ejected_percent: Percent = 50


class Health(Part, frozen=True):
    """Asks every instance; so many answers in a row change the mind."""

    path: Path = "/readyz"
    host: HeaderValue | None = None  # asked as; else the TLS server name or the address
    interval_seconds: Seconds = 2.0
    timeout_seconds: Seconds = 1.0
    healthy: Count = 1
    unhealthy: Count = 3
    statuses: tuple[Status, ...] = (200, 204)


class UpstreamTls(Part, frozen=True):
    """TLS towards the upstream, verified against ``ca`` or the system's authorities."""

    server_name: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class RetryBudget(Part, frozen=True):
    """Retries are at most ``share`` of requests, plus ``reserve`` to begin with."""

    share: Annotated[float, Meta(ge=0, le=1)] = 0.2
    reserve: Annotated[float, Meta(ge=0, le=1000)] = 10.0


class Upstream(Part, frozen=True):
    """Where requests go: exactly one of ``instances``, ``dns`` and ``registry``."""

    instances: tuple[Instance, ...] = ()
    dns: Dns | None = None
    registry: Registry | None = None
    tls: UpstreamTls | None = None
    connections: Connections = Connections()
    bulkhead: Bulkhead = Bulkhead()
    breaker: Breaker | None = Breaker()
    outliers: Outliers | None = Outliers()
    health: Health | None = None
    retry_budget: RetryBudget = RetryBudget()


# ---------------------------------------------------------------- routes


class Mirror(Part, frozen=True):
    """Sends a detached copy and throws its answer away, or records the pair for comparison."""

    upstream: Name
    percent: Percent = 100
    methods: Annotated[tuple[Method, ...], Meta(min_length=1)] = ("GET", "HEAD")
    concurrent: Count = 16  # copies under way; more are dropped and counted
    deadline_seconds: Seconds = 5.0
    body_bytes: Size = 65_536  # larger bodies are not mirrored
    record: bool = False


class Recording(Part, frozen=True):
    """Recorded pairs, in the folder ``pairs`` of ``state``; when there are too many, the oldest go.

    Credentials and cookies are always hidden, as are passwords and tokens in queries and JSON.
    """

    file_bytes: Annotated[int, Meta(ge=65_536, le=1 << 30)] = 16_777_216
    files: Annotated[int, Meta(ge=2, le=10_000)] = 16  # of one route
    total_bytes: Annotated[int, Meta(ge=65_536, le=1 << 40)] = 268_435_456
    body_bytes: Size = 65_536  # of one body; the rest is known by its digest
    queue: Count = 1024  # pairs that wait for the disk; more are dropped and counted
    hidden_headers: tuple[HeaderName, ...] = ()
    hidden_members: tuple[str, ...] = ()  # of JSON bodies, forms and queries


class Hold(Part, frozen=True):
    """How commands wait while the authority of their capability moves."""

    queue: Count = 512
    seconds: Seconds = 5.0


class Capability(Part, frozen=True):
    """A module, and where it runs now. Several routes may lead to it."""

    monolith: Name
    service: Name | None = None
    phase: Phase = Phase.MONOLITH
    percent: Percent = 0  # of sticky keys that the service answers in phase canary
    epoch: Annotated[int, Meta(ge=0)] = 0  # of the authority that this table knows
    held: bool = False  # commands wait; reads flow
    hold: Hold = Hold()
    mirror: Mirror | None = None  # what is sent to the service in phase shadow


class Retry(Part, frozen=True):
    """Repeats idempotent requests, and those with an Idempotency-Key, elsewhere."""

    attempts: Annotated[int, Meta(ge=1, le=10)] = 2  # in all
    statuses: tuple[Status, ...] = (503,)
    body_bytes: Size = 65_536  # larger bodies are not kept for a second attempt


class Cache(Part, frozen=True):
    """Opt-in shared response cache by RFC 9111, in the memory of this process.

    Answers to requests with credentials are stored only when they say that all may see them.
    """

    default_seconds: Annotated[float, Meta(ge=0)] = 0.0  # for answers that say nothing
    stale_if_error_seconds: Annotated[float, Meta(ge=0)] = 0.0  # unless the answer says it
    collapse_seconds: Annotated[float, Meta(ge=0)] = 5.0  # waiting for another's same request
    body_bytes: Size = 262_144
    cookies: bool = False  # also store answers that set cookies: everybody gets the same ones
    status_header: bool = False  # Cache-Status, RFC 9211


class Headers(Part, frozen=True):
    """Header rules in this order: remove, rename (old: new), set (instead), add (beside)."""

    remove: tuple[HeaderName, ...] = ()
    rename: dict[HeaderName, HeaderName] = {}
    set: dict[HeaderName, HeaderValue] = {}
    add: dict[HeaderName, HeaderValue] = {}


class Fields(Part, frozen=True):
    """Rules for a JSON body or a query, in this order: remove, rename, add (where missing).

    In a body a path is dotted, ``[]`` steps into every element, and ``rename`` gives the new name
    alone: ``lines[].sku: code``. In a query these are plain names. Where the new name came as
    well, that one stays. Bodies over 256 KiB are not changed.
    """

    remove: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    add: dict[str, str | int | float | bool | None] = {}


class RequestRules(Part, frozen=True):
    """What is changed on the way in. ``prefix`` replaces the route's own prefix."""

    prefix: Path | None = None
    headers: Headers = Headers()
    query: Fields = Fields()
    body: Fields = Fields()


class ResponseRules(Part, frozen=True):
    """What is changed on the way out."""

    headers: Headers = Headers()
    body: Fields = Fields()


class Answer(Part, frozen=True):
    """A fixed answer."""

    status: Status = 503
    headers: dict[HeaderName, HeaderValue] = {}
    body: str = ""


class Fallback(Part, frozen=True):
    """What is answered instead of ``statuses`` made by us or by the upstream.

    Exactly one of ``upstream`` (asked once, idempotent methods only), ``answer`` and ``stale``
    (what the route's cache still has, whatever its age).
    """

    statuses: tuple[Status, ...] = (502, 503, 504)
    upstream: Name | None = None
    answer: Answer | None = None
    stale: bool = False


class Route(Part, frozen=True):
    """The longest prefix wins; exactly one of ``capability``, ``upstream`` and ``answer``."""

    name: Name
    prefix: Path
    exact: bool = False  # the whole path, not a prefix
    hosts: tuple[Host, ...] = ()  # any, if none is named; *.example.org is a suffix
    methods: tuple[Method, ...] = ()  # any, if none is named; others get 405
    capability: Name | None = None
    upstream: Name | None = None
    answer: Answer | None = None
    authentication: Demand = Demand.REQUIRED
    scopes: tuple[str, ...] = ()  # the token must have them all
    # First that the request has: identity, address, header:NAME, cookie:NAME.
    sticky: Annotated[tuple[StickyKey, ...], Meta(min_length=1)] = ("identity", "address")
    deadline_seconds: Seconds = 30.0
    request_bytes: Size = 16_777_216
    response_bytes: Size = 1 << 40
    retry: Retry = Retry()
    rate_limits: tuple[Name, ...] = ()
    cache: Cache | None = None
    request: RequestRules | None = None
    response: ResponseRules | None = None
    fallback: Fallback | None = None
    mirror: Mirror | None = None
    upgrade: tuple[Literal["websocket"], ...] = ()


class Document(Part, frozen=True):
    """The whole of it. ``version`` is that of this format, ``revision`` that of the contents."""

    version: Literal[1]
    listen: Annotated[tuple[Listen, ...], Meta(min_length=1)]
    routes: tuple[Route, ...]
    upstreams: dict[Name, Upstream] = {}
    capabilities: dict[Name, Capability] = {}
    authentication: Authentication | None = None
    rate_limits: dict[Name, RateLimit] = {}
    shared_limits: SharedLimits | None = None
    revision: Annotated[int, Meta(ge=0)] = 0
    admin: Admin | None = None
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    drain_seconds: Seconds = 30.0
    access_log: AccessLog = AccessLog()
    state: str | None = None  # folder for the last good table and for recorded pairs
    cache_bytes: Size = 67_108_864
    recording: Recording = Recording()
