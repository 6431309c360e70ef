"""Starts the peer: django-oscar with oscarapi, in an environment of its own."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks import children
from tests.benchmarks.children import ROOT, Child
from tests.benchmarks.stage import Stage
from tests.ports import free_port

HERE = Path(__file__).resolve().parent / "peers" / "oscar"
VENV = ROOT / ".ficus" / "bench" / "oscar-venv"
PYTHON = VENV / "bin" / "python"


def install() -> None:
    """Make the environment, with pip alone, unless it is there already."""
    requirements = HERE / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    mark = VENV / "installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.write("installing django-oscar for the comparison (once)\n")
    children.run([sys.executable, "-m", "venv", str(VENV)], {})
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    children.run([*pip, "--require-hashes", "-r", str(requirements)], {})
    mark.write_text(wanted)


class Oscar:
    """The running peer. The goods are loaded and its web server answers."""

    name = "oscar"
    database = "oscar"
    observed = 0.0

    def __init__(self, stage: Stage, goods: Path) -> None:
        install()
        self.port = free_port()
        self.env = environment(stage)
        children.run([str(PYTHON), "-W", "ignore", "-m", "project.fill", str(goods)], self.env)
        self._web = children.start("oscar-web", _command(self.port), self.env, stage.logs)
        self.roots: Mapping[str, int] = {"web": self._web.process.pid}
        try:
            children.wait_until_up([self._web], self.port, "/api/products/?limit=1")
        except BaseException:
            self.stop()
            raise

    @property
    def running(self) -> list[Child]:
        return [self._web]

    def settle(self) -> float:
        """Oscar has done everything when it has answered."""
        return 0.0

    def stop(self) -> None:
        children.stop(self.running)


def environment(stage: Stage) -> dict[str, str]:
    """What its processes need; makes its database."""
    return {
        "OSCAR_DATABASE_URL": stage.make_database(Oscar.database),
        "OSCAR_REDIS_URL": stage.redis(1),
        "PYTHONPATH": f"{HERE}:{ROOT}",
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }


def _command(port: int) -> list[str]:
    """Two workers with a thread each: what served it fastest (docs/benchmarks.md)."""
    return [
        *(str(PYTHON), "-W", "ignore", "-m", "granian", "--interface", "wsgi"),
        *("project.wsgi:application", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "2", "--blocking-threads", "1"),
        *("--no-access-log", "--log-level", "warning"),
    ]
