#!/usr/bin/env python
"""The shop's commands: ``manage.py help`` lists them."""

import sys

from modules.platform.hosting.command_line import run_command

if __name__ == "__main__":
    sys.exit(run_command("shop.settings.dev"))
