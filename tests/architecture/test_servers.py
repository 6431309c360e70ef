"""The test session's own PostgreSQL and Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shop.env import ROOT

SCRIPT = "import os, pytest\npytest.main(['--no-such-option'])\nprint(os.environ['FICUS_HOME'])"
OURS = ("PYTEST", "FICUS", "DATABASE_URL", "REDIS_URL", "TESTS_")


@pytest.mark.processes
def test_a_mistake_on_the_command_line_leaves_no_server() -> None:
    """They run before pytest reads its arguments, and it configures nothing if it cannot."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert "unrecognized arguments: --no-such-option" in done.stderr
    home = Path(done.stdout.splitlines()[-1])
    assert home.name.startswith("ficus-test-")
    assert not home.exists()
