"""What this host is: notification, alone."""

from __future__ import annotations

from pathlib import Path

from modules.platform.hosting.host import standalone_host

HOST = standalone_host("notification", folder=Path(__file__).resolve().parent, web_port=8102)
