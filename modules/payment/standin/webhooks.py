"""Signed webhooks (Standard Webhooks): sent once, early, late or twice, and again until taken."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from modules.payment.standin.journal import Journal

RETRIES = (1, 2, 5, 15, 60, 300, 300, 300)  # seconds between deliveries
PAST = {"capture": "captured", "void": "voided", "refund": "refunded"}
PATIENCE = 10.0  # seconds for one delivery


class Mode(StrEnum):
    """When webhooks go out, seen from the answer to the call that caused them."""

    NORMAL = "normal"
    EARLY = "early"
    LATE = "late"
    DOUBLED = "doubled"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook: its id stays the same however often it is sent."""

    id: str
    payload: str


def signing_key(secret: str) -> bytes:
    """The key in ``secret``: base64 after ``whsec_`` as the standard says, else its bytes."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_") + "==")
    return secret.encode()


class Webhooks:
    """The outbox of webhooks. Undelivered ones survive a restart."""

    def __init__(
        self, journal: Journal, *, url: str, secret: str, mode: Mode, only_async: bool
    ) -> None:
        self._journal = journal
        self._secret = secret
        self.url, self.mode, self.only_async = url, mode, only_async
        self.delay_seconds = 1.0  # how late LATE is
        self.sent: dict[str, Message] = {}
        self._open: dict[str, Message] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for entry in journal.entries():
            if entry["kind"] == "webhook":
                message = Message(entry["id"], entry["payload"])
                self.sent[message.id] = self._open[message.id] = message
            elif entry["kind"] == "webhook_taken":
                self._open.pop(entry["id"], None)

    def resume(self) -> None:
        """Go on with what was not taken before the last stop."""
        for message in list(self._open.values()):
            self._start(self._until_taken(message))

    async def announce(self, operation: str, charge: dict[str, Any], *, answered: bool) -> None:
        """Tell of ``charge``. ``answered``: the caller learns of it by the answer as well."""
        if not self.url or self.mode is Mode.OFF or (self.only_async and answered):
            return
        message = self._message(operation, charge)
        if self.mode is Mode.EARLY:
            await self._deliver(message)
            return
        pause = self.delay_seconds if self.mode is Mode.LATE else 0.0
        self._start(self._until_taken(message, pause=pause))
        if self.mode is Mode.DOUBLED:
            self._start(self._until_taken(message))

    async def resend(self) -> int:
        """Send everything ever sent once more; how many were taken."""
        return sum([await self._deliver(message) for message in list(self.sent.values())])

    def _message(self, operation: str, charge: dict[str, Any]) -> Message:
        payload = {
            "type": f"charge.{PAST.get(operation, charge['status'])}",
            "timestamp": datetime.now(UTC).isoformat(),
            "data": charge,
        }
        message = Message(f"msg_{uuid.uuid4().hex}", json.dumps(payload))
        self._journal.append({"kind": "webhook", "id": message.id, "payload": message.payload})
        self.sent[message.id] = self._open[message.id] = message
        return message

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_taken(self, message: Message, *, pause: float = 0.0) -> None:
        await asyncio.sleep(pause)
        for wait in (*RETRIES, None):
            if await self._deliver(message) or wait is None:
                return
            await asyncio.sleep(wait)

    async def _deliver(self, message: Message) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                status = await _post(self.url, message.payload, self._headers(message))
        except (OSError, TimeoutError, ValueError, IndexError):
            return False
        taken = 200 <= status < 300
        if taken and self._open.pop(message.id, None) is not None:
            self._journal.append({"kind": "webhook_taken", "id": message.id})
        return taken

    def _headers(self, message: Message) -> dict[str, str]:
        now = datetime.fromtimestamp(int(time.time()), UTC)
        signature = Webhook(signing_key(self._secret)).sign(message.id, now, message.payload)
        return {
            "Webhook-Id": message.id,
            "Webhook-Timestamp": str(int(now.timestamp())),
            "Webhook-Signature": signature,
        }


async def _post(url: str, payload: str, headers: dict[str, str]) -> int:
    """POST JSON; the answer's status."""
    place = urlsplit(url)
    tls = place.scheme == "https"
    reader, writer = await asyncio.open_connection(
        place.hostname, place.port or (443 if tls else 80), ssl=tls or None
    )
    body = payload.encode()
    lines = [
        f"POST {place.path or '/'} HTTP/1.1",
        f"Host: {place.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    try:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
