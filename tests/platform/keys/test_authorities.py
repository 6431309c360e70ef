"""Authorities are known to clients that speak TLS, and read by no others."""

from __future__ import annotations

import ssl

import pytest

from modules.platform.keys.authorities import authorities


@pytest.mark.parametrize("url", ["https://shop.example/registry", "HTTPS://shop.example"])
def test_a_client_that_speaks_tls_knows_httpxs(url: str) -> None:
    """Whatever httpx believes by itself."""
    assert authorities(url) is True


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001/registry", "http://https.example", ""])
def test_all_others_believe_nobody(url: str) -> None:
    """No certificate is read, and none would be taken: not even without a name or unverified."""
    nobody = authorities(url)
    assert isinstance(nobody, ssl.SSLContext)
    assert nobody.cert_store_stats()["x509"] == 0
    assert nobody.verify_mode is ssl.CERT_REQUIRED
    assert nobody.check_hostname
