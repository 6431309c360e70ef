"""SMS through an HTTP gateway: ``POST SMS_GATEWAY_URL {"id", "to", "text"}``."""

from __future__ import annotations

from functools import cached_property

import httpx

from modules.notification.providers.transport import SENT, Outcome, Outgoing, Verdict

TIMEOUT = 10.0  # seconds
# Answers that say "not now": timeouts, conflicts with a double in flight, limits.
PASSING = frozenset({408, 409, 425, 429})


class SmsTransport:
    """One gateway. The message's id goes along as Idempotency-Key."""

    def __init__(self, url: str, *, client: httpx.Client | None = None) -> None:
        self.url = url
        self._given = client

    def send(self, message: Outgoing) -> Outcome:
        if not self.url:
            return Outcome(verdict=Verdict.DEAD, reason="SMS_GATEWAY_URL is not set")
        body = {"id": str(message.id), "to": message.recipient, "text": message.text.strip()}
        headers = {"Idempotency-Key": str(message.id)}
        try:
            answer = self._client.post(self.url, json=body, headers=headers)
        except httpx.HTTPError as error:
            return Outcome(verdict=Verdict.DOWN, reason=f"{type(error).__name__}: {error}")
        return judge(answer.status_code)

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()
            del self._client

    @cached_property
    def _client(self) -> httpx.Client:
        # Made when it is needed: loading the CA certificates costs more than a mail.
        return self._given or httpx.Client(timeout=TIMEOUT)


def judge(status: int) -> Outcome:
    """What an HTTP status says about a message."""
    if 200 <= status < 300:
        return SENT
    later = status in PASSING or status >= 500
    return Outcome(verdict=Verdict.LATER if later else Verdict.DEAD, reason=f"HTTP {status}")
