"""Rendered files as their programs read them, and what is special about one target or another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import xxhash

from strangler_proxy.config import Document
from strangler_proxy.render import Rendering, Target, render
from strangler_proxy.render.report import Note, Severity
from tests.ports import free_port
from tests.proxy.render.certificates import put_files, put_others
from tests.proxy.render.documents import changed_everywhere, document, full
from tests.proxy.render.echo import upstreams
from tests.proxy.render.planes import check, running, scratch, sides_of_keys

DEBIAN = [
    pytest.param(Target.HAPROXY, marks=pytest.mark.debian),
    pytest.param(Target.NGINX, marks=pytest.mark.debian),
]
ALL = [Target.ENVOY, *DEBIAN]


@pytest.mark.parametrize("target", ALL)
def test_the_program_accepts_every_option(target: Target) -> None:
    """Its own check finds nothing: with every option, with another value of each, without any."""
    whole = full()
    other = changed_everywhere(whole, gone=False)
    documents = {"all": whole, "other": other, "fewest": changed_everywhere(whole, gone=True)}
    if target is Target.NGINX:  # it does not start while a name is unknown, and a note says so
        other.upstreams["payment"] = whole.upstreams["payment"]
    with scratch() as folder:
        put_files(folder)
        put_others(folder)
        said = {name: check(target, render(one, target), folder) for name, one in documents.items()}
    assert said == {"all": "", "other": "", "fewest": ""}


def test_the_documents_above_are_not_the_same() -> None:
    """More than a hundred options have another value, and what may be missing is."""
    before, after = msgspec.yaml.encode(full()), changed_everywhere(full(), gone=False)
    lines = set(msgspec.yaml.encode(after).splitlines()) - set(before.splitlines())
    assert len(lines) > 60
    fewest = changed_everywhere(full(), gone=True)
    assert fewest.admin is None
    assert all(upstream.breaker is None for upstream in fewest.upstreams.values())


@pytest.mark.parametrize("percent", [40, 100])
@pytest.mark.parametrize("target", ALL)
def test_a_canary_may_have_a_fallback_and_speak_another_protocol(
    target: Target, percent: int
) -> None:
    """Relief by the monolith and a fallback upstream at once, with TLS on one side only."""
    whole = document(
        upstreams={
            "shop": {"instances": [{"address": "10.0.0.1:443"}], "tls": {"server_name": "a.b"}},
            "payment": {"instances": [{"address": "10.0.0.2:80"}]},
            "spare": {"instances": [{"address": "10.0.0.3:80"}]},
        },
        capabilities={
            "payment": {"monolith": "shop", "service": "payment", "phase": "canary"}
            | {"percent": percent}
        },
        routes=[
            {"name": "pay", "prefix": "/", "capability": "payment", "authentication": "none"}
            | {"fallback": {"upstream": "spare"}}
        ],
    )
    rendering = render(whole, target)
    with scratch() as folder:
        assert check(target, rendering, folder) == ""
    lost = {note.path for note in rendering.lost}
    assert ("$.capabilities.payment.monolith" in lost) is (target is Target.NGINX)


@pytest.mark.parametrize("target", ALL)
def test_a_broken_file_is_noticed(target: Target) -> None:
    """The checks above can fail."""
    with scratch() as folder:
        whole = render(document(), target)
        broken = Rendering({name: f"{{ {text}" for name, text in whole.files.items()}, ())
        assert check(target, whole, folder) == ""
        assert check(target, broken, folder) != ""


@pytest.mark.parametrize("target", ALL)
def test_socket_files_serve_on_both_sides(target: Target) -> None:
    """A listener and an instance may be unix sockets."""
    port = free_port()
    with scratch() as folder, upstreams("shop") as servers:
        whole = document(
            listen=[
                {"address": f"127.0.0.1:{port}", "limits": {"connections": 100}},
                {"address": f"unix:{folder}/front.sock", "limits": {"connections": 100}},
            ],
            access_log={"path": None},
            upstreams={
                "shop": {"instances": [{"address": servers["shop"].address}]},
                # The front's own socket: what comes in by TCP goes round once more.
                "round": {"instances": [{"address": f"unix:{folder}/front.sock"}]},
            },
            routes=[
                {"name": "round", "prefix": "/round", "upstream": "round"}
                | {"authentication": "none", "request": {"prefix": "/again"}},
                {"name": "all", "prefix": "/", "upstream": "shop", "authentication": "none"},
            ],
        )
        with running(target, render(whole, target), port) as plane:
            assert plane.ask("GET", "/round/x").seen["target"] == "/again/x"


@pytest.mark.parametrize("target", ALL)
def test_a_trusted_unix_socket_is_kept_or_reported(target: Target) -> None:
    """nginx believes who comes by one; the others say that they do not, and stay loadable."""
    with scratch() as folder:
        whole = document(
            listen=[{"address": f"unix:{folder}/front.sock", "trusted_proxies": ["unix:"]}],
            upstreams={"shop": {"instances": [{"address": "127.0.0.1:9000"}]}},
            routes=[{"name": "all", "prefix": "/", "upstream": "shop", "authentication": "none"}],
        )
        rendering = render(whole, target)
        assert check(target, rendering, folder) == ""
    lost = {note.path for note in rendering.lost}
    assert ("$.listen[0].trusted_proxies" in lost) is (target is not Target.NGINX)


@pytest.mark.parametrize("target", ALL)
def test_every_address_of_a_name_is_asked(target: Target) -> None:
    """A name that DNS knows leads to who listens at its addresses."""
    port = free_port()
    with upstreams("shop") as servers:
        whole = document(
            listen=[{"address": f"127.0.0.1:{port}", "limits": {"connections": 100}}],
            access_log={"path": None},
            upstreams={"shop": {"instances": [{"address": f"localhost:{servers['shop'].port}"}]}},
            routes=[{"name": "all", "prefix": "/", "upstream": "shop", "authentication": "none"}],
        )
        with running(target, render(whole, target), port) as plane:
            assert {plane.ask("GET", "/").outcome for _ in range(4)} == {"shop"}


@pytest.mark.parametrize("target", [Target.ENVOY, DEBIAN[0]])
def test_addresses_are_sticky_as_at_the_front_door(target: Target) -> None:
    """The text of the client's address is the key, also behind a trusted proxy."""
    port = free_port()
    addresses = [f"203.0.113.{n}" for n in range(200)] + ["2001:db8::1", "2001:db8::2:3"]
    with upstreams("shop", "payment") as servers:
        whole = document(
            listen=[
                {"address": f"127.0.0.1:{port}", "trusted_proxies": ["127.0.0.0/8"]}
                | {"limits": {"connections": 100}}
            ],
            access_log={"path": None},
            upstreams={
                name: {"instances": [{"address": server.address}]}
                for name, server in servers.items()
            },
            capabilities={
                "payment": {"monolith": "shop", "service": "payment", "phase": "canary"}
                | {"percent": 50}
            },
            routes=[
                {"name": "pay", "prefix": "/", "capability": "payment", "authentication": "none"}
            ],
        )

        def head(address: str) -> bytes:
            return b"GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: %b\r\n\r\n" % address.encode()

        with running(target, render(whole, target), port):
            found = sides_of_keys(port, addresses, head)
    assert found == {
        address: "payment" if xxhash.xxh64_intdigest(address.encode()) % 100 >= 50 else "shop"
        for address in addresses
    }


def note_paths(document_: Document, target: Target) -> set[str]:
    """Where something is lost."""
    return {note.path for note in render(document_, target).lost}


@pytest.mark.parametrize("target", list(Target))
def test_a_plain_document_without_canaries_loses_little(target: Target) -> None:
    """What is at its default and has no counterpart is named, but not held against the document
    where the target has its own way of doing it."""
    plain: dict[str, Any] = {
        "upstreams": {
            "shop": {"instances": [{"address": "10.0.0.1:80"}], "breaker": None, "outliers": None}
        },
        "routes": [
            {"name": "all", "prefix": "/", "upstream": "shop", "authentication": "none"},
        ],
    }
    lost = note_paths(document(**plain), target)
    allowed = {
        Target.ENVOY: set(),
        Target.HAPROXY: {"$.upstreams.shop.retry_budget"},
        Target.NGINX: {"$.upstreams.shop.retry_budget"}
        | {f"$.upstreams.shop.bulkhead.{option}" for option in ("queue", "queue_seconds")},
    }
    if target is not Target.GATEWAY_API:
        assert lost == allowed[target]
    else:
        assert {"$.routes[0].retry", "$.upstreams.shop.bulkhead", "$.listen[0].limits"} <= lost


def test_a_note_reads_as_a_sentence() -> None:
    """Severity, place, reason, and what to do instead."""
    note = Note(path="$.a", severity=Severity.LOST, reason="it is not there", instead="go on foot")
    assert str(note) == "lost $.a: it is not there. Instead: go on foot."


def test_an_unknown_target_is_refused() -> None:
    """With the names of those that there are."""
    with pytest.raises(ValueError, match="known are envoy, haproxy, nginx, gateway-api"):
        render(document(), "traefik")
