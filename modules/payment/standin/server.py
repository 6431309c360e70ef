"""The stand-in's addresses: charges for the shop, a confirm page for shoppers, knobs for tests.

POST /v1/charges                    authorize (Idempotency-Key)
GET  /v1/charges?since=&payment_id=&after=&limit=
GET  /v1/charges/{id}
POST /v1/charges/{id}/capture|void|refunds   (Idempotency-Key)
GET  /confirm/{id}, POST /confirm/{id}       what card_requires_action asks the shopper for
GET  /ledger                        every charge and every act, for exact counting
GET, POST, DELETE /faults           see faults.py
GET, POST /webhooks, POST /webhooks/resend
GET  /livez
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qs

from modules.payment.standin.bank import Bank, Charge, Refused
from modules.payment.standin.faults import Fault, Faults, Kind, fault
from modules.payment.standin.http import NoResponse, Request, Response
from modules.payment.standin.webhooks import Mode, Webhooks

PAGE = """<!doctype html><title>Confirm the payment</title>
<h1>{title}</h1><p>{amount} {currency}, order {order}</p>{form}"""
FORM = """<form method="post"><button name="outcome" value="approve">Confirm</button>
<button name="outcome" value="refuse">Refuse</button></form>"""
NOTHING = Refused(404, "not_found")


@dataclass(slots=True)
class Server:
    """Answers requests."""

    bank: Bank
    faults: Faults
    webhooks: Webhooks
    public_url: str = ""
    _running: set[str] = field(default_factory=set)  # keys of acts that are not done yet

    async def handle(self, request: Request) -> Response | NoResponse:
        """Any request's answer."""
        try:
            return await self._route(request, request.path.strip("/").split("/"))
        except Refused as refused:
            return Response(refused.status, refused.body())
        except (ValueError, TypeError) as error:
            return Response(400, {"error": {"code": "malformed", "detail": str(error)}})

    async def _route(self, request: Request, parts: list[str]) -> Response | NoResponse:
        match request.method, parts:
            case "POST", ["v1", "charges"]:
                return await self._act(request, "authorize", None)
            case "GET", ["v1", "charges"]:
                return await self._read("list", lambda: self._list(request.query))
            case "GET", ["v1", "charges", charge]:
                return await self._read("fetch", lambda: self._charge(charge))
            case "POST", ["v1", "charges", charge, ("capture" | "void" | "refunds") as verb]:
                return await self._act(request, verb.removesuffix("s"), self._charge(charge))
            case "GET" | "POST", ["confirm", charge]:
                return await self._confirm(request, self._charge(charge))
            case _:
                return await self._knobs(request, parts)

    async def _knobs(self, request: Request, parts: list[str]) -> Response:
        match request.method, parts:
            case "GET", ["ledger"]:
                charges = list(self.bank.charges.values())
                return Response(200, {"charges": charges, "operations": self.bank.operations})
            case "GET", ["faults"]:
                return Response(200, self.faults.listed())
            case "POST", ["faults"]:
                self.faults.plan(fault(json.loads(request.body)))
                return Response(201, self.faults.listed())
            case "DELETE", ["faults"]:
                self.faults.clear()
                return Response(200, [])
            case "GET" | "POST", ["webhooks"]:
                return self._configure(json.loads(request.body or b"{}"))
            case "POST", ["webhooks", "resend"]:
                return Response(200, {"taken": await self.webhooks.resend()})
            case "GET", ["livez"]:
                return Response(200, {"live": True})
            case _:
                raise NOTHING

    def _configure(self, wanted: dict[str, Any]) -> Response:
        hooks = self.webhooks
        hooks.url = wanted.get("url", hooks.url)
        hooks.mode = Mode(wanted.get("mode", hooks.mode))
        hooks.only_async = bool(wanted.get("only_async", hooks.only_async))
        hooks.delay_seconds = float(wanted.get("delay_seconds", hooks.delay_seconds))
        sent = [{"id": each.id, "payload": each.payload} for each in hooks.sent.values()]
        return Response(200, {"url": hooks.url, "mode": hooks.mode, "sent": sent})

    def _charge(self, charge_id: str) -> Charge:
        if charge_id not in self.bank.charges:
            raise NOTHING
        return self.bank.charges[charge_id]

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        since, limit = float(query.get("since", 0)), min(int(query.get("limit", 100)), 100)
        payment_id, after = query.get("payment_id"), query.get("after")
        found = [
            charge
            for charge in self.bank.charges.values()
            if charge["created"] >= since and payment_id in (None, charge["payment_id"])
        ]
        if after:
            ids = [charge["id"] for charge in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        return {"data": found[:limit], "has_more": len(found) > limit}

    async def _read(self, operation: str, read: Any) -> Response | NoResponse:
        return await self._with_fault(
            self.faults.take(operation, ""), lambda: Response(200, read())
        )

    async def _act(
        self, request: Request, operation: str, charge: Charge | None
    ) -> Response | NoResponse:
        """One act under its idempotency key: done once, answered the same ever after."""
        key = request.headers.get("idempotency-key", "")
        if not key:
            raise Refused(400, "idempotency_key_missing")
        digest = hashlib.sha256(request.path.encode() + request.body).hexdigest()
        if key in self._running:
            raise Refused(409, "idempotency_key_in_use")
        if (kept := self.bank.kept.get(key)) is not None:
            if kept.request != digest:
                raise Refused(422, "idempotency_key_reused")
            return Response(kept.status, kept.body)
        wanted = json.loads(request.body or b"{}")
        planned = self.faults.take(operation, wanted.get("method", ""))
        self._running.add(key)
        try:
            return await self._struck(planned, operation, charge, wanted, key, digest)
        finally:
            self._running.discard(key)

    async def _struck(
        self,
        planned: Fault | None,
        operation: str,
        charge: Charge | None,
        wanted: dict[str, Any],
        key: str,
        digest: str,
    ) -> Response | NoResponse:
        made: list[Charge] = []

        def do() -> Response:
            # A slow call reads the charge when it acts, not when it arrived.
            current = charge and self.bank.charges[charge["id"]]
            after, answer = self._do(operation, current, wanted, key, digest)
            if after is not None:
                made.append(after)
            return answer

        answer = await self._with_fault(planned, do)
        if made:
            answered = isinstance(answer, Response) and answer.status < 500
            await self.webhooks.announce(operation, made[0], answered=answered)
        if isinstance(answer, NoResponse):
            self._running.discard(key)  # done: whoever asks again with the key gets the answer
        return answer

    def _do(
        self,
        operation: str,
        charge: Charge | None,
        wanted: dict[str, Any],
        key: str,
        digest: str,
    ) -> tuple[Charge | None, Response]:
        try:
            after = self._next(operation, charge, wanted)
        except Refused as refused:
            body = refused.body()
            self.bank.keep(
                operation, None, key=key, request=digest, status=refused.status, body=body
            )
            return None, Response(refused.status, body)
        status, body = 201 if operation == "authorize" else 200, after
        if after["status"] == "declined":
            declined = Refused(402, "card_declined", decline_code=after["decline_code"])
            status, body = 402, declined.body() | {"charge": after}
        self.bank.keep(operation, after, key=key, request=digest, status=status, body=body)
        return after, Response(status, body)

    def _next(self, operation: str, charge: Charge | None, wanted: dict[str, Any]) -> Charge:
        if charge is None:
            new = self.bank.authorize(wanted)
            if new["status"] == "requires_action":
                new["next_action"] = f"{self.public_url}/confirm/{new['id']}"
            return new
        match operation:
            case "capture":
                return self.bank.capture(charge, wanted.get("amount"))
            case "void":
                return self.bank.void(charge)
            case _:
                return self.bank.refund(charge, wanted)

    async def _with_fault(self, planned: Fault | None, do: Any) -> Response | NoResponse:
        if planned is None:
            return do()  # type: ignore[no-any-return]
        match planned.kind:
            case Kind.DROP:
                return NoResponse()
            case Kind.ERROR:
                return Response(500, {"error": {"code": "internal"}})
            case Kind.UNAVAILABLE:
                return Response(503, {"error": {"code": "unavailable"}})
            case Kind.REFUSE:
                raise Refused(402, planned.code, decline_code=planned.code)
            case Kind.SLOW:
                await asyncio.sleep(planned.seconds)
        answer: Response = do()
        match planned.kind:
            case Kind.HOLD:
                return NoResponse(hold=planned.seconds or self.faults.hold_seconds)
            case Kind.RESET:
                return NoResponse()
            case Kind.ERROR_AFTER:
                return Response(500, {"error": {"code": "internal"}})
            case _:
                return answer

    async def _confirm(self, request: Request, charge: Charge) -> Response:
        if request.method == "POST":
            outcome = parse_qs(request.body.decode()).get("outcome", ["approve"])[0]
            charge = self.bank.confirm(charge, approve=outcome == "approve")
            self.bank.keep("confirm", charge, key="", request="", status=200, body=charge)
            await self.webhooks.announce("authorize", charge, answered=False)
        waiting = charge["status"] == "requires_action"
        page = PAGE.format(
            title="Confirm the payment" if waiting else f"The payment is {charge['status']}",
            amount=charge["amount"],
            currency=escape(charge["currency"]),
            order=escape(str(charge["order_id"])),
            form=FORM if waiting else "",
        )
        return Response(200, page.encode())
