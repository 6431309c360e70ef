"""``python -m tests.shop.supervised <file>``: the supervisor with the processes of a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from shop.running.processes import Process, Stage
from shop.running.supervisor import run_together

if __name__ == "__main__":
    wanted = json.loads(Path(sys.argv[1]).read_text())
    processes = [Process(**one | {"stage": Stage(one.get("stage", 1))}) for one in wanted]
    sys.exit(run_together(processes, {}))
