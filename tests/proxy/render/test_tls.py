"""TLS at the real data planes: towards clients, and towards upstreams that must be known."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from strangler_proxy.render import Target, render
from tests.ports import free_port
from tests.proxy.render.documents import document
from tests.proxy.render.echo import upstreams
from tests.proxy.render.planes import running

ALL = [
    Target.ENVOY,
    pytest.param(Target.HAPROXY, marks=pytest.mark.debian),
    pytest.param(Target.NGINX, marks=pytest.mark.debian),
]


@dataclass
class Papers:
    """An authority, and files of certificates that it signed."""

    authority: trustme.CA
    folder: Path

    @property
    def ca(self) -> str:
        """The authority's own certificate."""
        path = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(path)
        return str(path)

    def issue(self, *names: str) -> dict[str, str]:
        """``{"certificate": file, "key": file}``; the key lies where every target finds it."""
        leaf = self.authority.issue_cert(*names)
        certificate = self.folder / f"{names[0]}.pem"
        certificate.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(f"{certificate}.key")
        return {"certificate": str(certificate), "key": f"{certificate}.key"}


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    """A new authority."""
    return Papers(trustme.CA(), tmp_path)


@contextmanager
def upstream_with_tls(papers: Papers, *, asks: bool = False) -> Iterator[str]:
    """The address of an upstream that is ``shop.internal``; ``asks`` for a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = papers.issue("shop.internal")
    context.load_cert_chain(own["certificate"], own["key"])
    if asks:
        context.load_verify_locations(papers.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    with upstreams("shop", tls=context) as servers:
        yield servers["shop"].address


def statuses(target: Target, tls: dict[str, Any], address: str) -> int:
    """What one request through the target to an upstream with ``tls`` gets."""
    port = free_port()
    whole = document(
        listen=[{"address": f"127.0.0.1:{port}", "limits": {"connections": 100}}],
        access_log={"path": None},
        upstreams={"shop": {"instances": [{"address": address}], "tls": tls}},
        routes=[
            {"name": "all", "prefix": "/", "upstream": "shop", "authentication": "none"}
            | {"retry": {"attempts": 1}}
        ],
    )
    with running(target, render(whole, target), port) as plane:
        return plane.ask("GET", "/").status


@pytest.mark.parametrize("target", ALL)
def test_upstreams_must_be_who_they_are_said_to_be(target: Target, papers: Papers) -> None:
    """The right name and authority pass; another name or authority does not."""
    stranger = papers.folder / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with upstream_with_tls(papers) as address:
        right = statuses(target, {"ca": papers.ca, "server_name": "shop.internal"}, address)
        name = statuses(target, {"ca": papers.ca, "server_name": "other.internal"}, address)
        authority = statuses(target, {"ca": str(stranger), "server_name": "shop.internal"}, address)
        system = statuses(target, {"server_name": "shop.internal"}, address)
    assert right == 200
    assert {name, authority, system} <= {502, 503}


@pytest.mark.parametrize("target", ALL)
def test_upstreams_may_ask_for_a_certificate(target: Target, papers: Papers) -> None:
    """It is shown if there is one."""
    trust = {"ca": papers.ca, "server_name": "shop.internal"}
    with upstream_with_tls(papers, asks=True) as address:
        with_it = statuses(target, trust | papers.issue("front.internal"), address)
        without = statuses(target, trust, address)
    assert with_it == 200
    assert without >= 400


@pytest.mark.parametrize("target", ALL)
def test_clients_must_show_a_certificate_where_it_is_asked_for(
    target: Target, papers: Papers
) -> None:
    """With one they are served over TLS 1.2 or newer, without one they are not."""
    port, own = free_port(), papers.issue("shop.test")
    context = ssl.create_default_context(cafile=papers.ca)
    with upstreams("shop") as servers:
        whole = document(
            listen=[
                {"address": f"127.0.0.1:{port}", "tls": {**own, "client_ca": papers.ca}}
                | {"limits": {"connections": 100}}
            ],
            access_log={"path": None},
            upstreams={"shop": {"instances": [{"address": servers["shop"].address}]}},
            routes=[{"name": "all", "prefix": "/", "upstream": "shop", "authentication": "none"}],
        )
        with running(target, render(whole, target), port):
            refused = _ask(port, context)
            client = papers.issue("client.test")
            context.load_cert_chain(client["certificate"], client["key"])
            served = _ask(port, context)
    assert served == 200
    assert refused in (None, 400)


def _ask(port: int, context: ssl.SSLContext) -> int | None:
    """The status, or None if the connection was refused."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    context.check_hostname = False
    try:
        connection.request("GET", "/", headers={"Host": "shop.test"})
        return connection.getresponse().status
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return None
    finally:
        connection.close()
