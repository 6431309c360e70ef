"""``python -m tests.platform.hosting.supervised FILE``: a supervisor of a test's processes.

What stands in FILE.more, while that is there, is what its source wants.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from modules.platform.hosting.running.process import Process, Stage, Wanted
from modules.platform.hosting.running.supervisor import run_together


def processes(path: Path) -> list[Process]:
    """Those that a file names."""
    wanted = json.loads(path.read_text())
    return [Process(**one | {"stage": Stage(one.get("stage", 1))}) for one in wanted]


def source() -> Wanted:
    """What else a test wants at the moment."""
    try:
        return Wanted(processes=processes(MORE))
    except FileNotFoundError:
        return Wanted()


if __name__ == "__main__":
    FILE = Path(sys.argv[1])
    MORE = FILE.with_suffix(".more")
    sys.exit(run_together(processes(FILE), {}, Path.cwd(), source=source))
