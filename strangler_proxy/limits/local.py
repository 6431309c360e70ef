"""Rate limits: how many requests each identity or address may make, told by the RateLimit fields.

The algorithm is GCRA (ATM Forum, "Traffic Management Specification", virtual scheduling), which is
a token bucket kept as one number. A limit of ``requests`` in ``seconds`` may be used up all at
once, and comes back evenly, one request every ``seconds / requests``. So in any period of T
seconds at most ``requests * (1 + T / seconds)`` are let through.

The number is kept in requests, not in seconds: it grows by exactly 1.0, so that no rounding adds
up however many come in a burst.

Fields: draft-ietf-httpapi-ratelimit-headers-11. ``r`` is what may be used at once, ``t`` the
seconds until there is more. A route with several limits shows all of them, in its order; a request
must fit all, and one that does not is counted by none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple, TypeVar

from strangler_proxy.auth.remembered import Remembered
from strangler_proxy.config import RateLimit
from strangler_proxy.errors import Field, Refusal

CODE = "too_many_requests"  # as the shop says it
REMEMBERED = 131_072  # identities or addresses of one limit; about 20 MB
# Who waits exactly as long as told is not refused by the rounding of clocks and numbers.
GRACE = 1e-5  # seconds that a request may come early
ROUNDING = 1e-6  # seconds that are not worth telling a whole second more for
PREPARED = 4_096  # items of a limit, verdicts of a route: there are few, and each is made once
MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address written as an IPv6 one


K = TypeVar("K")
V = TypeVar("V")


class Verdict(NamedTuple):
    """``headers`` belong to the answer either way; ``refusal`` has them already.

    ``lines`` are the same, ready for the head of the answer.
    """

    allowed: bool
    headers: tuple[Field, ...] = ()
    lines: bytes = b""
    retry_after: float = 0.0  # seconds, whole ones; 0 when allowed
    refusal: Refusal | None = None


FREE = Verdict(allowed=True)


def network(address: str) -> str:
    """Whom an address stands for: itself, and of IPv6 its /64, which is one customer's.

    What is no IP address (``unix:/path``) stands for itself.
    """
    if ":" not in address:
        return address
    try:
        packed = inet_pton(AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return address
    if packed.startswith(MAPPED):
        return inet_ntop(AF_INET, packed[12:])
    return packed[:8].hex()


class Limit:
    """One named limit and what has been used of it.

    ``used`` is, here and below, what a key has used with the request in question, in requests.
    """

    __slots__ = (
        *("addresses", "by_address", "ceiling", "identities", "interval", "name", "quota"),
        *("rate", "settings", "_items"),
    )

    def __init__(self, name: str, settings: RateLimit, remembered: int = REMEMBERED) -> None:
        self.name = name
        self.settings = settings
        self.quota = settings.requests
        self.rate = settings.requests / settings.seconds
        self.interval = settings.seconds / settings.requests
        self.ceiling = settings.requests + min(0.5, self.rate * GRACE)
        self.by_address = settings.per == "address"
        # What a key has used is gone after ``seconds``, so forgetting it then loses nothing.
        self.identities = Remembered[str, float](remembered, settings.seconds)
        self.addresses = Remembered[str, float](remembered, settings.seconds)
        self._items: dict[tuple[int, int], bytes] = {}

    @property
    def policy(self) -> str:
        """Its item of RateLimit-Policy. ``w`` must be whole seconds, or is left out."""
        window = self.settings.seconds
        told = f";w={window:.0f}" if window == int(window) else ""
        return f'"{self.name}";q={self.quota}{told}'

    def item(self, used: float) -> bytes:
        """Its item of RateLimit, when so much has been used."""
        left = int(self.ceiling - used)
        if self.interval <= 1.0:
            seconds = 1
        else:
            seconds = ceil((left + 1 - self.quota + used) * self.interval - ROUNDING)
        return self._items.get((left, seconds)) or self._item(left, seconds)

    def spent(self, used: float) -> bytes:
        """Its item of RateLimit, when a request comes too early."""
        seconds = self.wait(used)
        return self._items.get((0, seconds)) or self._item(0, seconds)

    def wait(self, used: float) -> int:
        """Whole seconds until a request that came too early would fit."""
        return max(1, ceil((used - self.quota) * self.interval - ROUNDING))

    def refusal(self, seconds: int, fields: tuple[Field, ...]) -> Refusal:
        """429, for a request that may come again in ``seconds``."""
        return Refusal(
            429,
            CODE,
            f"The limit {self.name} of {self.quota} requests in {self.settings.seconds:g} seconds "
            f"is used up; try again in {seconds} s.",
            ((b"Retry-After", str(seconds).encode()), *fields),
        )

    def _item(self, left: int, seconds: int) -> bytes:
        made = b'"%s";r=%d;t=%d' % (self.name.encode(), left, seconds)
        _put(self._items, (left, seconds), made)
        return made


class Bundle:
    """The limits of one route. Verdicts are remembered by the items that they show."""

    __slots__ = ("_allowed", "_policy", "_refused", "by_left", "limits", "only")

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self.only = limits[0] if len(limits) == 1 else None
        self.by_left: dict[int, Verdict] = {}  # of an only limit that is told without its time
        self._allowed: dict[tuple[bytes, ...], Verdict] = {}
        self._refused: dict[tuple[bytes, ...], Verdict] = {}
        self._policy = (b"RateLimit-Policy", ", ".join(one.policy for one in limits).encode())

    def shown(self, used: Sequence[float]) -> tuple[bytes, ...]:
        """The items of a request that is counted."""
        return tuple(map(Limit.item, self.limits, used))

    def allow(self, shown: tuple[bytes, ...]) -> Verdict:
        """For a request that is counted. ``shown`` has one item for each limit."""
        found = self._allowed.get(shown)
        if found is None:
            found = Verdict(True, *self._fields(shown))
            _put(self._allowed, shown, found)
        return found

    def allow_one(self, limit: Limit, used: float) -> Verdict:
        """The same where there is one limit."""
        found = self.allow((limit.item(used),))
        if limit.interval <= 1.0:  # always "t=1"
            _put(self.by_left, int(limit.ceiling - used), found)
        return found

    def refuse(self, used: Sequence[float]) -> Verdict:
        """For a request that is not counted, because one of ``used`` is above its ceiling."""
        pairs = tuple(zip(self.limits, used, strict=True))
        shown = tuple(
            limit.spent(each) if each > limit.ceiling else limit.item(each - 1)
            for limit, each in pairs
        )
        found = self._refused.get(shown)
        if found is None:
            waits = [(limit.wait(each), limit) for limit, each in pairs if each > limit.ceiling]
            seconds, limit = max(waits, key=lambda pair: pair[0])
            fields, lines = self._fields(shown)
            found = Verdict(False, fields, lines, float(seconds), limit.refusal(seconds, fields))
            _put(self._refused, shown, found)
        return found

    def _fields(self, shown: Sequence[bytes]) -> tuple[tuple[Field, ...], bytes]:
        if not shown:
            return (), b""
        fields = (self._policy, (b"RateLimit", b", ".join(shown)))
        return fields, b"".join(b"%b: %b\r\n" % field for field in fields)


class Limiter:
    """All limits of this process.

    Routes name theirs; ``configure`` takes a new document's while traffic flows, and what has been
    used of a limit that stayed the same stays used.
    """

    __slots__ = ("_bundles", "_limits", "_remembered")

    def __init__(self, limits: Mapping[str, RateLimit], *, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._limits: dict[str, Limit] = {}
        self._bundles: dict[tuple[str, ...], Bundle] = {}
        self.configure(limits)

    def configure(self, limits: Mapping[str, RateLimit]) -> None:
        """From now on these limits hold."""
        old = self._limits
        self._limits = {
            name: old[name]
            if name in old and old[name].settings == settings
            else Limit(name, settings, self._remembered)
            for name, settings in limits.items()
        }
        self._bundles = {}

    def remembered(self) -> dict[str, int]:
        """Identities and addresses known to each limit, for metrics."""
        return {
            name: len(limit.identities) + len(limit.addresses)
            for name, limit in self._limits.items()
        }

    def bundle(self, names: tuple[str, ...]) -> Bundle:
        """The limits named. A name that the document no longer has limits nothing."""
        found = self._bundles.get(names)
        if found is None:
            known = [self._limits[name] for name in dict.fromkeys(names) if name in self._limits]
            found = Bundle(known)
            self._bundles[names] = found
        return found

    def take(
        self, names: tuple[str, ...], subject: str | None, address: str, now: float
    ) -> Verdict:
        """Count one request by ``subject`` (None: nobody known) at ``address``, or refuse it.

        ``names`` are the route's ``rate_limits``; ``now`` is monotonic, in seconds.
        """
        if not names:
            return FREE
        bundle = self._bundles.get(names) or self.bundle(names)
        limit = bundle.only
        if limit is None:
            return _take_all(bundle, subject, address, now)
        # The same as _take_all, written out: this is what nearly every request goes through.
        if subject is None or limit.by_address:
            table = limit.addresses
            key = network(address) if ":" in address else address
        else:
            table = limit.identities
            key = subject
        level = now * limit.rate
        full = table.young.get(key)
        if full is None:
            full = table.find(key, now)
        if full is None or full < level:
            full = level
        full += 1.0
        used = full - level
        if used > limit.ceiling:
            return bundle.refuse((used,))
        table.young[key] = full
        return bundle.by_left.get(int(limit.ceiling - used)) or bundle.allow_one(limit, used)


def _take_all(bundle: Bundle, subject: str | None, address: str, now: float) -> Verdict:
    place = network(address) if ":" in address else address
    counted, used, fits = [], [], True
    for limit in bundle.limits:
        if subject is None or limit.by_address:
            table, key = limit.addresses, place
        else:
            table, key = limit.identities, subject
        level = now * limit.rate
        full = table.young.get(key)
        if full is None:
            full = table.find(key, now)
        if full is None or full < level:
            full = level
        full += 1.0
        counted.append((table.young, key, full))
        used.append(full - level)
        if used[-1] > limit.ceiling:
            fits = False
    if not fits:
        return bundle.refuse(used)
    for young, key, full in counted:
        young[key] = full
    return bundle.allow(bundle.shown(used))


def _put(prepared: dict[K, V], key: K, value: V) -> None:
    if len(prepared) >= PREPARED:
        prepared.clear()
    prepared[key] = value
