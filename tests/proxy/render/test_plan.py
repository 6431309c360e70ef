"""The order in which targets try routes is the order in which the front door finds them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from strangler_proxy.config import Document
from strangler_proxy.render.plan import Host, Place, Unmet, groups, hosts, steps
from strangler_proxy.table import compile_table
from tests.proxy.render.documents import document

PREFIXES = ("/", "/a", "/a/b", "/a/b/c", "/ab", "/b")
HOSTS = ("x.test", "y.x.test", "*.x.test", "*.y.x.test", "*.test")
ASKED_HOSTS = ("x.test", "y.x.test", "z.x.test", "z.y.x.test", "test", "other")
PATHS = ("/", "/a", "/a/", "/a/b", "/a/bc", "/a/b/c/d", "/ab", "/abc", "/b/c", "/c")
METHODS = ("GET", "POST", "PUT")

ROUTES = st.lists(
    st.tuples(
        st.sampled_from(PREFIXES),
        st.booleans(),
        st.lists(st.sampled_from(HOSTS), unique=True, max_size=2),
        st.lists(st.sampled_from(METHODS[:2]), unique=True, max_size=2),
    ),
    max_size=8,
    unique_by=lambda route: (route[0], route[1]),
)


def made(routes: list[tuple[str, bool, list[str], list[str]]]) -> Document:
    """A document with these routes: prefix, exact, hosts, methods."""
    whole: list[dict[str, Any]] = [
        {"name": f"r{at}", "prefix": prefix, "exact": exact, "hosts": names, "methods": methods}
        | {"upstream": "shop", "authentication": "none"}
        for at, (prefix, exact, names, methods) in enumerate(routes)
    ]
    return document(upstreams={"shop": {"instances": [{"address": "a:1"}]}}, routes=whole)


def fits_path(place: Place, path: str) -> bool:
    """Whole segments, or the whole path."""
    if place.route.exact:
        return path == place.route.prefix
    return path == place.bare or path.startswith(f"{place.bare}/")


def fits_host(name: str | None, host: str) -> bool:
    """By name, by suffix, or any."""
    if name is None:
        return True
    return host.endswith(name[1:]) if name.startswith("*") else host == name


def first(found: Host, host: str, path: str, method: str) -> str | int | None:
    """The route's name, 405, or None when the host's routes end."""
    for step in steps(found.places):
        place = step.place if isinstance(step, Unmet) else step
        if not fits_host(place.host, host) or not fits_path(place, path):
            continue
        if isinstance(step, Unmet):
            return 405
        if not step.route.methods or method in step.route.methods:
            return step.route.name
    return None


def by_table(whole: Document, host: str, path: str, method: str) -> str | int | None:
    """What the front door finds."""
    entry = compile_table(whole).find(host.encode(), path.encode())
    if entry is None:
        return None
    route = entry.routes.get(method.encode(), entry.other)
    return 405 if route is None else route.name


@settings(deadline=None)
@given(ROUTES)
def test_targets_find_what_the_front_door_finds(
    routes: list[tuple[str, bool, list[str], list[str]]],
) -> None:
    """One list for each host, or one list of all hosts in turn: the first that fits is the one."""
    whole = made(routes)
    every, in_turn = hosts(whole), groups(whole)
    for host in ASKED_HOSTS:
        # The first that names the host, whole names and long suffixes first; the last names none.
        own = next(one for one in every if fits_host(one.name, host))
        for path in PATHS:
            for method in METHODS:
                wanted = by_table(whole, host, path, method)
                assert first(own, host, path, method) == wanted
                found = (first(one, host, path, method) for one in in_turn)
                assert next((one for one in found if one is not None), None) == wanted


def test_the_property_can_fail() -> None:
    """Of an order that forgets hosts the check notices it."""
    whole = made([("/a", False, [], []), ("/", False, ["x.test"], [])])
    wrong = Host(None, tuple(sorted(hosts(whole)[0].places, key=lambda p: -len(p.bare))))
    assert first(wrong, "x.test", "/a", "GET") == "r0"
    assert by_table(whole, "x.test", "/a", "GET") == "r1"
