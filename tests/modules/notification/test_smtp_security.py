"""SMTP with TLS and log-in, against a real server with a certificate of its own."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from modules.notification.providers.smtp import SmtpAddress, SmtpTransport
from modules.notification.providers.transport import Outgoing, Verdict
from tests.modules.notification.world import Post, smtp_server
from tests.ports import free_port


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


def log_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """One user, one password."""
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"shop", b"p:w")
    return AuthResult(success=right, handled=False)


@pytest.fixture
def secure_port(post: Post, certificate: Path) -> Iterator[int]:
    """A server that wants STARTTLS and a log-in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    controller = Controller(
        post,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=log_in,
    )
    controller.start()
    yield controller.port
    controller.stop()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is one of those that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def send(url: str) -> Verdict:
    transport = SmtpTransport(SmtpAddress.parse(url), "shop@shop.test", timeout=3)
    message = Outgoing(
        id=uuid4(),
        template="welcome",
        recipient="ada@example.com",
        subject="Hi",
        text="Hello",
        html="",
        created_at=datetime.datetime.now(datetime.UTC),
    )
    outcome = transport.send(message)
    transport.close()
    return outcome.verdict


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["smtp", "smtp+starttls"])
def test_a_mail_goes_over_tls_after_a_log_in(post: Post, secure_port: int, scheme: str) -> None:
    """The password is unquoted and sent only over TLS."""
    assert send(f"{scheme}://shop:p%3Aw@localhost:{secure_port}") is Verdict.SENT
    assert len(post.mails) == 1


@pytest.mark.usefixtures("trusted")
def test_a_wrong_password_is_the_operator_s_fault_not_the_message_s(
    post: Post, secure_port: int
) -> None:
    """Messages wait until somebody corrects it."""
    assert send(f"smtp://shop:wrong@localhost:{secure_port}") is Verdict.DOWN
    assert post.mails == []


def test_a_certificate_nobody_trusts_is_refused(post: Post, secure_port: int) -> None:
    """No password and no mail to a stranger in the middle."""
    assert send(f"smtp://shop:p%3Aw@localhost:{secure_port}") is Verdict.DOWN
    assert post.mails == []


@pytest.mark.parametrize("url", ["smtp://shop:pw@127.0.0.1:{}", "smtp+starttls://127.0.0.1:{}"])
def test_without_starttls_there_is_no_log_in(post: Post, url: str) -> None:
    """A server that stopped offering TLS does not get the password in the clear."""
    with smtp_server(post) as port:
        assert send(url.format(port)) is Verdict.DOWN
    assert post.mails == []
