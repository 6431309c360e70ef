"""Webhooks by the Standard Webhooks rules: signed, dated, with a stable id."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property

import httpx
from standardwebhooks.webhooks import Webhook

from modules.notification.providers.addresses import (
    AddressRefused,
    NameUnknown,
    Resolver,
    pin,
    resolve,
)
from modules.notification.providers.transport import SENT, Outcome, Outgoing, Verdict

TIMEOUT = 10.0  # seconds

SecretOf = Callable[[str], str | None]
Gone = Callable[[str, str], None]


class WebhookTransport:
    """Posts to registered endpoints. ``secret_of`` gives an endpoint's secret, None to refuse.

    ``gone`` is told of an endpoint that answers 410: it wants no more. Redirects are not
    followed, because they would lead past the check of the address.
    """

    def __init__(
        self,
        secret_of: SecretOf,
        *,
        gone: Gone = lambda url, reason: None,
        resolver: Resolver = resolve,
        allow_private: bool = False,
        client: httpx.Client | None = None,
    ) -> None:
        self._secret_of, self._gone = secret_of, gone
        self._resolver, self._allow_private = resolver, allow_private
        self._given = client

    def send(self, message: Outgoing) -> Outcome:
        secret = self._secret_of(message.recipient)
        if secret is None:
            return Outcome(verdict=Verdict.DEAD, reason="no active endpoint has this address")
        try:
            target = pin(
                message.recipient, resolver=self._resolver, allow_private=self._allow_private
            )
        except AddressRefused as error:
            return Outcome(verdict=Verdict.DEAD, reason=str(error))
        except NameUnknown as error:
            return Outcome(verdict=Verdict.LATER, reason=str(error))
        now = datetime.now(UTC)
        identity = f"msg_{message.id.hex}"
        headers = {
            "Host": target.netloc,
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(identity, now, message.text),
        }
        try:
            # Streamed and not read: what the endpoint says beyond its status is of no interest.
            with self._client.stream(
                "POST",
                target.url,
                content=message.text.encode(),
                headers=headers,
                extensions={"sni_hostname": target.host},
                follow_redirects=False,
            ) as answer:
                status = answer.status_code
        except httpx.HTTPError as error:
            # One endpoint that is down says nothing about the others.
            return Outcome(verdict=Verdict.LATER, reason=f"{type(error).__name__}: {error}")
        return self._judge(message.recipient, status)

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()
            del self._client

    @cached_property
    def _client(self) -> httpx.Client:
        # Made when it is needed: loading the CA certificates costs more than a mail.
        # No environment: a proxy would resolve the name again.
        return self._given or httpx.Client(timeout=TIMEOUT, trust_env=False)

    def _judge(self, url: str, status: int) -> Outcome:
        if 200 <= status < 300:
            return SENT
        reason = f"HTTP {status}"
        if status == httpx.codes.GONE:
            self._gone(url, "the endpoint answered 410 Gone")
            return Outcome(verdict=Verdict.DEAD, reason=reason)
        return Outcome(verdict=Verdict.LATER, reason=reason)
