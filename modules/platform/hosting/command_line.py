"""What every ``manage.py`` does: run one command, and say surroundings' faults in one line."""

from __future__ import annotations

import os
import sys


def run_command(settings: str) -> int:
    """Run the command of ``sys.argv`` with ``settings``, unless the environment names others.

    A wrong environment or a missing server is one line on stderr and exit code 1.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
    from django.core.management import execute_from_command_line

    from modules.platform.hosting.running.failures import one_line

    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        line = one_line(error)
        if line is None:
            raise
        sys.stderr.write(f"ficus: {line}\n")
        return 1
    return 0
