#!/usr/bin/env python
"""The shop's commands: ``manage.py help`` lists them."""

import os
import sys


def main() -> int:
    """Run one command; a wrong environment or a missing server is one line and exit code 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")
    from django.core.management import execute_from_command_line

    from shop.running.failures import one_line

    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        line = one_line(error)
        if line is None:
            raise
        sys.stderr.write(f"ficus: {line}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
