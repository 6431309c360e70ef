"""The files that the document with every option names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.proxy.issuing import Issuer


def put_files(folder: Path) -> None:
    """Certificates below ``tls``, an issuer's key below ``keys``."""
    tls, keys = folder / "tls", folder / "keys"
    tls.mkdir()
    keys.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tls / "ca.pem")
    for name in ("a", "client"):
        leaf = authority.issue_cert("shop.internal", "localhost", "127.0.0.1")
        (tls / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(tls / f"{name}.pem.key")
    issuer = Issuer(algorithm="ES256")
    (keys / "published.json").write_text(json.dumps({"keys": [issuer.jwk]}))
    public = issuer.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (keys / "published.pem").write_bytes(pem)


def put_others(folder: Path) -> None:
    """The same under the names that the other values of options have."""
    tls, keys = folder / "tls", folder / "keys"
    shutil.copy(tls / "a.pem", tls / "b.pem")
    shutil.copy(tls / "a.pem.key", tls / "b.key")
    shutil.copy(tls / "a.pem.key", tls / "b.pem.key")
    shutil.copy(tls / "client.pem", tls / "other.pem")
    shutil.copy(tls / "client.pem.key", tls / "other.key")
    shutil.copy(tls / "client.pem.key", tls / "other.pem.key")
    for name in ("other.json", "other.pem"):
        shutil.copy(keys / name.replace("other", "published"), keys / name)
