"""A process for a press: what is pressed may take hours, and no request of the web server waits.

A task queue would give it to somebody else once more when it takes long, and has limits of its
own; a process is what the same command at a terminal would be, and survives the web server.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from django.conf import settings


def launch(press: int) -> subprocess.Popen[bytes]:
    """Start it, in a session of its own. Raises OSError."""
    manage = Path(settings.BASE_DIR) / "manage.py"
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and command
        [sys.executable, str(manage), "strangler_press", str(press)],
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C of the web server's terminal is not meant for it
    )
    # Whoever started it must hear of its end, or it stays in the process table.
    threading.Thread(target=process.wait, daemon=True).start()
    return process
