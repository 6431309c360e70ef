"""``python -m modules.payment.standin``: runs the stand-in until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from modules.payment.standin.bank import Bank
from modules.payment.standin.faults import Faults
from modules.payment.standin.http import listen
from modules.payment.standin.journal import Journal
from modules.payment.standin.server import Server
from modules.payment.standin.webhooks import Mode, Webhooks


def options(argv: list[str]) -> argparse.Namespace:
    """The command line; the webhook secret comes by environment or file, out of ``ps``."""
    parser = argparse.ArgumentParser(prog="standin", description=sys.modules["__main__"].__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="the ledger, append-only JSON")
    parser.add_argument("--public-url", default="", help="what confirm URLs begin with")
    parser.add_argument("--webhook-url", default="", help="where webhooks go; empty: nowhere")
    parser.add_argument("--webhook-mode", type=Mode, choices=list(Mode), default=Mode.NORMAL)
    parser.add_argument("--webhook-events", choices=["all", "async"], default="all")
    parser.add_argument("--webhook-secret-file", type=Path, help="else STANDIN_WEBHOOK_SECRET")
    parser.add_argument("--slow-seconds", type=float, default=3.0, help="what card_slow takes")
    parser.add_argument("--lost-answer", choices=["hold", "reset"], default="hold")
    parser.add_argument("--hold-seconds", type=float, default=30.0, help="how long hold holds")
    given = parser.parse_args(argv)
    given.webhook_secret = _webhook_secret(given.webhook_secret_file)
    if given.webhook_url and not given.webhook_secret:
        parser.error("webhooks are signed: set STANDIN_WEBHOOK_SECRET or --webhook-secret-file")
    return given


def _webhook_secret(file: Path | None) -> str:
    return file.read_text().strip() if file else os.environ.get("STANDIN_WEBHOOK_SECRET", "")


async def run(given: argparse.Namespace) -> None:
    """Serve until a signal comes. Prints one line with the address once it listens."""
    journal = Journal(given.state)
    bank = Bank(journal)
    webhooks = Webhooks(
        journal,
        url=given.webhook_url,
        secret=given.webhook_secret,
        mode=given.webhook_mode,
        only_async=given.webhook_events == "async",
    )
    faults = Faults(
        slow_seconds=given.slow_seconds,
        lost_answer=given.lost_answer,
        hold_seconds=given.hold_seconds,
    )
    server = Server(bank=bank, faults=faults, webhooks=webhooks)
    listener = await listen(server.handle, host=given.host, port=given.port)
    port = listener.sockets[0].getsockname()[1]
    server.public_url = given.public_url or f"http://{given.host}:{port}"
    webhooks.resume()
    print(f"stand-in provider on http://{given.host}:{port}", flush=True)  # noqa: T201
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    listener.close()
    journal.close()


def main() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(options(sys.argv[1:])))


if __name__ == "__main__":
    main()
