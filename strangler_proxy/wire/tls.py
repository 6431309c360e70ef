"""TLS contexts: towards clients and towards upstreams. Raises ssl.SSLError, OSError."""

from __future__ import annotations

import ssl

from strangler_proxy.config import Tls, UpstreamTls


def server_context(rules: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer, HTTP/1.1 by ALPN; with ``client_ca`` a client certificate is required."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=rules.client_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(rules.certificate, rules.key)
    if rules.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(rules: UpstreamTls) -> ssl.SSLContext:
    """Verifies name and chain, against ``ca`` alone if it is given."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=rules.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if rules.certificate:
        context.load_cert_chain(rules.certificate, rules.key)
    return context
