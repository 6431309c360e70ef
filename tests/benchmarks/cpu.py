"""CPU seconds of whole process trees, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """What every process of this machine has used so far.

    A process's figure includes its ended children, so that of a tree only grows.
    ``busy``: all processors together, other people's work included. ``stolen``: what they wanted
    and a virtual machine's host gave to others.
    """

    parents: Mapping[int, int]
    used: Mapping[int, float]
    busy: float
    stolen: float

    def tree(self, root: int) -> float:
        """The process ``root`` and all below it."""
        return sum(self.used[pid] for pid in self._below(root) if pid in self.used)

    def backends(self, postmaster: int, database: str) -> float:
        """PostgreSQL's processes that serve clients of ``database`` at this moment."""
        mine = (pid for pid, parent in self.parents.items() if parent == postmaster)
        return sum(self.used[pid] for pid in mine if _database_of(pid) == database)

    def _below(self, root: int) -> Iterator[int]:
        children: dict[int, list[int]] = {}
        for pid, parent in self.parents.items():
            children.setdefault(parent, []).append(pid)
        pending = [root]
        while pending:
            yield (pid := pending.pop())
            pending += children.get(pid, [])


def read() -> Reading:
    """A reading of now."""
    parents, used = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = sum(map(int, fields[11:15])) / _TICK
    user, nice, system, _, _, irq, softirq, stolen, *_ = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    )
    busy = user + nice + system + irq + softirq
    return Reading(parents, used, busy / _TICK, stolen / _TICK)


def _database_of(pid: int) -> str:
    """``ficus`` for ``postgres: <cluster>: <user> ficus [local] idle``; empty for no backend."""
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ").decode()
    except OSError:
        return ""
    words = title.rpartition(": ")[2].split()
    return words[1] if len(words) > 2 and words[2].startswith(("[local]", "127.")) else ""
