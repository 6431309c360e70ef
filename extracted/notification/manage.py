#!/usr/bin/env python
"""The commands of notification's host: ``manage.py help`` lists them."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Imports begin at the project's root, never here: this folder's celery.py would hide Celery.
sys.path[:] = [str(HERE.parents[1]), *(p for p in sys.path if Path(p).resolve() != HERE)]

from modules.platform.hosting.command_line import run_command  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_command("extracted.notification.settings.dev"))
