"""Which table a front door starts with: the file's, or a newer one that was put in force later.

The control plane changes the table while traffic flows, and each table in force is kept on disk
with its revision. At start the higher revision wins; with equal ones the file does, for it is
what somebody edited. What does not validate is no candidate, as long as the other one is there.
"""

from __future__ import annotations

import logging
from pathlib import Path

from strangler_proxy.config import Document
from strangler_proxy.document.last_good import LastGood
from strangler_proxy.errors import TableRefused
from strangler_proxy.table import Table, compile_table, load_table_file

log = logging.getLogger("strangler_proxy")


def first_table(path: Path, state: str | None = None) -> Table:
    """The table to begin with. Raises TableRefused when neither can be used.

    ``state`` says where the last good table is when the file is too broken to say it.
    """
    try:
        table = load_table_file(path)
    except TableRefused as error:
        saved = _saved(state)
        if saved is None:
            raise
        log.error("%s; starting with the last good table, revision %d", error, saved.revision)
        return compile_table(saved)
    saved = _saved(table.document.state)
    if saved is not None and saved.revision > table.revision:
        log.warning(
            "starting with revision %d, which was put in force after revision %d of %s",
            *(saved.revision, table.revision, path),
        )
        return compile_table(saved)
    return table


def _saved(folder: str | None) -> Document | None:
    try:
        return LastGood(folder).read()
    except TableRefused as error:
        log.error("the table on disk is not used: %s", error)
        return None
