"""E-mail over real SMTP, with one connection for as many messages as there are.

``SMTP_URL``: ``smtp://user:password@host:port`` uses STARTTLS when the server offers it and
refuses to log in without; ``smtp+starttls://`` insists on it; ``smtps://`` is TLS from the start.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

from modules.notification.providers.transport import SENT, Outcome, Outgoing, Verdict

TIMEOUT = 15.0  # seconds per answer of the server
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpAddress:
    """Where and how to connect."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, url: str) -> SmtpAddress:
        """Raises ``ValueError`` for what is no SMTP URL, without showing its password."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("SMTP_URL is not like smtp://user:password@host:port")
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=parts.port or PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


class _Headers(HeaderRegistry):
    """Makes a class for each header's name once, and not for each header of each mail: a quarter of
    what it costs to write one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, type[BaseHeader]] = {}

    def __getitem__(self, name: str) -> type[BaseHeader]:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = super().__getitem__(name)
        return made


POLICY = SMTP_POLICY.clone(header_factory=_Headers())


class SmtpTransport:
    """One server, connected to when the first message goes."""

    def __init__(self, address: SmtpAddress, sender: str, *, timeout: float = TIMEOUT) -> None:
        self.address, self.sender, self.timeout = address, sender, timeout
        self._connection: smtplib.SMTP | None = None

    def send(self, message: Outgoing) -> Outcome:
        """One message. A connection that the server closed meanwhile is made again once."""
        try:
            content = compose(message, self.sender)
        except (ValueError, UnicodeError) as error:
            return Outcome(verdict=Verdict.DEAD, reason=f"cannot be written as a mail: {error}")
        kept = self._connection is not None
        outcome = self._try(message.recipient, content)
        if outcome.verdict is Verdict.DOWN and kept:
            outcome = self._try(message.recipient, content)
        return outcome

    def close(self) -> None:
        if self._connection is not None:
            try:
                self._connection.quit()
            except (smtplib.SMTPException, OSError):
                self._connection.close()
            self._connection = None

    def _try(self, recipient: str, content: bytes) -> Outcome:
        try:
            connection = self._connected()
            connection.sendmail(parseaddr(self.sender)[1], [recipient], content)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return _refused(code, text)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
            return self._down(error)
        except smtplib.SMTPAuthenticationError as error:
            return self._down(error)
        except smtplib.SMTPResponseException as error:
            # 421: the server is closing down; the message is not at fault.
            return self._down(error) if error.smtp_code == 421 else _refused_by(error)
        except (smtplib.SMTPException, OSError) as error:
            return self._down(error)
        return SENT

    def _down(self, error: Exception) -> Outcome:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        where = f"{self.address.host}:{self.address.port}"
        return Outcome(verdict=Verdict.DOWN, reason=f"{where}: {type(error).__name__}: {error}")

    def _connected(self) -> smtplib.SMTP:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> smtplib.SMTP:
        address = self.address
        if address.scheme == "smtps":
            context = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                address.host, address.port, timeout=self.timeout, context=context
            )
        else:
            connection = smtplib.SMTP(address.host, address.port, timeout=self.timeout)
        try:
            connection.ehlo_or_helo_if_needed()
            self._secure(connection)
            if address.user:
                connection.login(address.user, address.password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _secure(self, connection: smtplib.SMTP) -> None:
        if self.address.scheme == "smtps":
            return
        insist = self.address.scheme == "smtp+starttls" or bool(self.address.user)
        if connection.has_extn("starttls"):
            connection.starttls(context=ssl.create_default_context())
            connection.ehlo()
        elif insist:
            raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS")


def compose(message: Outgoing, sender: str) -> bytes:
    """The mail as bytes. Its Message-ID is the message's id, so that a double can be told."""
    mail = EmailMessage(policy=POLICY)
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Date"] = format_datetime(message.created_at)
    mail["From"] = sender
    mail["To"] = message.recipient
    mail["Subject"] = message.subject
    mail["Auto-Submitted"] = "auto-generated"
    for name, value in message.headers.items():
        mail[name] = value
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail.as_bytes()


def _refused_by(error: smtplib.SMTPResponseException) -> Outcome:
    return _refused(error.smtp_code, error.smtp_error)


def _refused(code: int, text: bytes | str) -> Outcome:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    # RFC 5321: 4yz may work later, 5yz will not.
    verdict = Verdict.DEAD if 500 <= code < 600 else Verdict.LATER
    return Outcome(verdict=verdict, reason=f"{code} {said}"[:500])
