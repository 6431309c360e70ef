"""TLS contexts: towards clients and towards upstreams. Raises ssl.SSLError, OSError."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strangler_proxy.config import Tls, UpstreamTls


def server_context(rules: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer, HTTP/1.1 by ALPN; with ``client_ca`` a client certificate is required."""
    with _about(client_ca=rules.client_ca):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=rules.client_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load_own(context, rules.certificate, rules.key)
    if rules.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(rules: UpstreamTls) -> ssl.SSLContext:
    """Verifies name and chain, against ``ca`` alone if it is given."""
    with _about(ca=rules.ca):
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=rules.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if rules.certificate:
        _load_own(context, rules.certificate, rules.key)
    return context


def _load_own(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """The chain and its key. Raises OSError that names the options and the files."""
    for option, path in (("certificate", certificate), ("key", key)):
        with _about(**{option: path}):
            if path is not None:
                Path(path).read_bytes()
    with _about(certificate=certificate, key=key):
        context.load_cert_chain(certificate, key)


@contextmanager
def _about(**files: str | None) -> Iterator[None]:
    """Errors of the block name these options and their files; the library's own name neither."""
    try:
        yield
    except OSError as error:
        named = {option: path for option, path in files.items() if path is not None}
        options = " and ".join(f"tls.{option}" for option in named)
        said = error.strerror or str(error)
        if isinstance(error, ssl.SSLError):
            said = f"not PEM, or not of one another ({said})"
        number = error.errno if error.errno in errno.errorcode else errno.EINVAL
        raise OSError(number, f"{options}: {said}", ", ".join(named.values())) from error
