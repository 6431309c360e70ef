"""What goes wrong behind the door is in its metrics."""

from __future__ import annotations

from pathlib import Path

from tests.plain import get
from tests.ports import free_port
from tests.proxy.front import front_door
from tests.proxy.origin import ok, origin


def test_failures_behind_the_door_are_counted(tmp_path: Path) -> None:
    """Ejections, opened breakers, keys that cannot be read, a Redis that is away."""
    plain = {"prefix": "/", "upstream": "up", "authentication": "none", "rate_limits": ["few"]}
    document = {
        "authentication": {
            "keys": {"url": f"http://127.0.0.1:{free_port()}/jwks.json"},
            "issuer": "https://shop.example",
            "audience": "shop",
        },
        "shared_limits": {"redis": f"redis://127.0.0.1:{free_port()}/0"},
        "rate_limits": {"few": {"requests": 1000, "seconds": 60, "per": "address"}},
        "routes": [{"name": "all", **plain, "retry": {"attempts": 1}}],
    }
    with origin(ok(b"sorry", status="503 Service Unavailable")) as bad, origin() as good:
        document["upstreams"] = {
            "up": {
                "instances": [{"address": bad.address}, {"address": good.address}],
                "breaker": {"minimum": 2, "ratio": 0.1},
                "outliers": {"consecutive_failures": 2},
            }
        }
        with front_door(tmp_path, document) as door:
            statuses = {get(door.url).status_code for _ in range(40)}
            assert statuses == {200, 503}
            for name in ("breaker_opened", "ejections"):
                assert door.metric(f"ficus_proxy_{name}_total", upstream="up") == 1, name
            for name in ("keys_refresh_failed", "shared_limits_failed"):
                assert door.metric(f"ficus_proxy_{name}_total") >= 1, name
