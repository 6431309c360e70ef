"""A supervisor in a process of its own: prints its address and pids, then waits to be killed."""

from __future__ import annotations

import asyncio
import json
import sys

from strangler_proxy.document.loading import load
from strangler_proxy.workers.crew import Crew
from strangler_proxy.workers.supervisor import Supervisor

WORKER = (sys.executable, "-m", "tests.proxy.standin_worker")


async def main() -> None:
    document = load(sys.stdin.read())
    crew = Crew(document, check=lambda one: None, load=lambda: document, save=lambda one: None)
    supervisor = Supervisor(crew, command=WORKER)
    await supervisor.start()
    pids = [snapshot.pid for snapshot in await crew.snapshots()]
    print(json.dumps({"addresses": supervisor.addresses, "pids": pids}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
