"""The life of a front door: it starts, reads its table again, drains. In one process or several."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from strangler_proxy.config import Document
from strangler_proxy.document.last_good import LastGood
from strangler_proxy.errors import ProxyError
from strangler_proxy.exchange.way import ways_of
from strangler_proxy.table import Table, compile_table, load_table_file
from strangler_proxy.wire.handover import listening_at
from strangler_proxy.workers.crew import Crew

if TYPE_CHECKING:
    from strangler_proxy.control.listener import AdminListener

log = logging.getLogger("strangler_proxy")
LOOK = 1.0  # seconds between two looks at the file


class Company(Protocol):
    """Those who do the work: this process alone, or processes under a supervisor."""

    addresses: tuple[str, ...]

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Serving:
    """``document.workers`` data paths behind the same addresses, and the admin listener."""

    def __init__(self, table: Table, path: Path) -> None:
        self._path = path
        self._seen = _stamp(path)
        self._document = table.document
        self._last_good = LastGood(table.document.state)
        self._crew = Crew(
            table.document,
            check=_check,
            load=lambda: load_table_file(path).document,
            save=self._last_good.save,
        )
        self._company = _company(self._crew)
        self._admin = _admin(self._crew)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until told to stop. Raises OSError, WorkerFailed and AdminUnavailable."""
        company = self._company
        succeeds = any(listening_at(one.address) for one in self._document.listen)
        await company.start()
        try:
            await self._serve(company, succeeds=succeeds)
        finally:
            await company.stop()

    async def _serve(self, company: Company, *, succeeds: bool) -> None:
        document = self._document
        admin = self._admin
        if admin is not None:
            await admin.start(succeeds=succeeds)
        self._last_good.save(document)
        self._handle_signals()
        watcher = asyncio.create_task(self._watch(admin))
        for address in company.addresses:
            log.info("serving %s, revision %d", address, document.revision)
        await self._crew.ended.wait()
        watcher.cancel()
        if admin is not None:
            await admin.stop()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: self._do(self._crew.begin_drain()))
        loop.add_signal_handler(signal.SIGHUP, lambda: self._do(self._hang_up()))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hang_up(self) -> None:
        """SIGHUP: open the log files anew (after logrotate moved them), read the table again."""
        await self._crew.reopen_logs()
        await self._reload_quietly()

    async def _watch(self, admin: AdminListener | None) -> None:
        """A file that was changed is read again; who shared our addresses may have gone."""
        while True:
            await asyncio.sleep(LOOK)
            self._crew.deal_out_evenly()
            if admin is not None:
                admin.deal_out_evenly()
            stamp = _stamp(self._path)
            if stamp is not None and stamp != self._seen:
                await self._reload_quietly()

    async def _reload_quietly(self) -> None:
        self._seen = _stamp(self._path)
        try:
            revision = await self._crew.reload()
        except (ProxyError, OSError) as error:
            in_force = self._crew.document().revision
            log.error("%s\nrevision %d stays in force", error, in_force)
        else:
            log.info("revision %d is in force", revision)


def _company(crew: Crew) -> Company:
    # A supervisor serves nobody: it has no need of the data path.
    if crew.document().workers > 1:
        from strangler_proxy.workers.supervisor import Supervisor

        return Supervisor(crew)
    from strangler_proxy.workers.alone import Alone

    return Alone(crew)


def _admin(crew: Crew) -> AdminListener | None:
    rules = crew.document().admin
    if rules is None:
        return None
    from strangler_proxy.control.listener import AdminListener  # a web server: for who uses it

    return AdminListener(rules, crew)


def _check(document: Document) -> None:
    ways_of(compile_table(document).document)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Tells one version of a file from another."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
