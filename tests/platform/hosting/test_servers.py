"""When a host's own servers are started, and when not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modules.platform.hosting.servers import reads_code_only
from shop.env import ROOT


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [(["manage.py", "modules", "check"], False), (["manage.py", "migrate"], True), (["x"], True)],
)
def test_only_commands_that_read_code_go_without(arguments: list[str], needed: bool) -> None:
    """``modules`` needs no server, everything else may."""
    assert reads_code_only(arguments) is not needed


def test_modules_check_starts_nothing(tmp_path: Path) -> None:
    """It answers in a home where no server was ever started, and leaves none."""
    hidden = ("DATABASE_URL", "REDIS_URL")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "manage.py", "modules", "show", "payment"],
        cwd=ROOT,
        env={**env, "FICUS_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "shop.settings.dev"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout[:9]) == (0, "payment: "), done.stderr
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "redis").exists()
