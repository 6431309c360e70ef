"""``python -m tests.platform.hosting.supervised FILE``: a supervisor of a test's processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from modules.platform.hosting.running.process import Process, Stage
from modules.platform.hosting.running.supervisor import run_together

if __name__ == "__main__":
    wanted = json.loads(Path(sys.argv[1]).read_text())
    processes = [Process(**one | {"stage": Stage(one.get("stage", 1))}) for one in wanted]
    sys.exit(run_together(processes, {}, Path.cwd()))
