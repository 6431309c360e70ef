"""The proof that a host stands alone: its closure, copied by itself, migrates, starts and serves.

In an empty directory, with an environment that has the packages of its requirements.txt and no
others. What it needs and does not have would show here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from modules.notification.contract import Notification
from modules.payment.contract import Payment
from modules.platform.binding import methods_of
from modules.platform.boundaries.closure import closure_of
from modules.platform.boundaries.closure_files import files_of
from modules.platform.contracts import SYSTEM, CallContext, call_context
from modules.platform.databases import embedded
from modules.platform.discovery import LeastLoaded, StaticSource
from modules.platform.keys import KeyRing, jwk_set
from modules.platform.rpc import Calls, RemoteRoute
from shop.env import ROOT
from tests import plain
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

# Port and method by which the shop asks it something that needs no rows.
CALLS = {"payment": (Payment, "payments"), "notification": (Notification, "messages")}
RESOURCES = {
    "payment": "/api/v1/payment/payments",
    "notification": "/api/v1/notification/messages",
}
OPENS_WITHIN = 180.0  # seconds; PostgreSQL is made from nothing
KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")


class Copy:
    """The closure below ``root``, an environment of its own, and a home for its servers."""

    def __init__(self, module: str, base: Path) -> None:
        self.module = module
        self.root = base / "alone"
        self.home = base / "home"
        self.byte_code = base / "byte_code"
        self.python = base / "venv/bin/python"
        self.shop_keys = base / "shop_keys"
        self.port = free_port()

    def fill(self) -> None:
        """Copy what the closure lists, and nothing else."""
        self.home.mkdir()
        self.home.chmod(0o755)  # as root PostgreSQL runs under a user of its own
        for path in files_of(ROOT, closure_of(self.module, ROOT)):
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)

    def install(self) -> None:
        """Only the host's own requirements, each with its hash."""
        uv = Path(sys.executable).with_name("uv")
        wanted = self.root / "extracted" / self.module / "requirements.txt"
        venv = self.python.parent.parent
        install = ["pip", "install", "--python", str(self.python), "--require-hashes", "-r"]
        for arguments in (["venv", "--python", sys.executable, str(venv)], [*install, str(wanted)]):
            done = subprocess.run(
                [uv, *arguments], capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, done.stderr

    def take_byte_code(self) -> None:
        """Of the very same files, what development has compiled: some 1,600 are imported.

        Python believes it only where a source has the time and the size that are written in it.
        """
        packages = Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
        for ours, theirs in (
            (Path(sys.prefix) / packages, self.python.parent.parent / packages),
            *((ROOT / name, self.root / name) for name in ("extracted", "modules")),
        ):
            for compiled in ours.rglob("__pycache__/*.pyc"):
                folder = theirs / compiled.parent.parent.relative_to(ours)
                if folder.is_dir():
                    target = self.byte_code / folder.relative_to("/") / compiled.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(compiled, target)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this process's, and so no way back to this tree."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return kept | {
            "FICUS_HOME": str(self.home),
            "WEB_PORT": str(self.port),
            "SERVICE_TRUST": f"shop={self.shop_keys}",
            "ACCESS_TOKEN_KEYS": str(self.shop_keys / "jwks.json"),
            "SHOP_URL": "http://shop.test",
            "PYTHONUNBUFFERED": "1",
            # Beside the copy, which stays what was copied.
            "PYTHONPYCACHEPREFIX": str(self.byte_code),
        }

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of the copied host."""
        return subprocess.run(
            [self.python, "manage.py", *arguments],
            cwd=self.root / "extracted" / self.module,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """``manage.py up --only web`` until it is open."""
        log = self.home / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python, "manage.py", "up", "--only", "web"],
                cwd=self.root / "extracted" / self.module,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            opened = lambda: process.poll() is not None or "Ctrl-C stops" in log.read_text()  # noqa: E731
            eventually(opened, within=OPENS_WITHIN, what="the host's opening")
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


@pytest.fixture(scope="module", params=sorted(CALLS))
def copy(request: Any) -> Iterator[Copy]:
    base = Path(tempfile.mkdtemp(prefix="ficus-alone-"))
    base.chmod(0o755)
    made = Copy(request.param, base)
    try:
        made.fill()
        made.install()
        made.take_byte_code()
        yield made
    finally:
        embedded.stop_postgres(made.home)
        embedded.stop_redis(made.home)
        shutil.rmtree(base, ignore_errors=True)


def test_nothing_else_was_copied(copy: Copy) -> None:
    """No monolith, no front door, no tests; of other modules their contracts alone."""
    assert {path.name for path in copy.root.iterdir()} == {"extracted", "modules"}
    assert [path.name for path in (copy.root / "extracted").glob("*/")] == [copy.module]
    others = {path.name for path in (copy.root / "modules").glob("*/")} - {copy.module, "platform"}
    for other in others:
        rooms = {path.name for path in (copy.root / "modules" / other).iterdir()}
        assert rooms == {"__init__.py", "contract"}


def test_environment_has_nothing_of_development(copy: Copy) -> None:
    """What checks and tests need is not there: the host must not miss it."""
    script = (
        "import importlib.util as u;"
        "print([n for n in ('grimp', 'importlinter', 'pytest', 'hypothesis', 'pandas', 'shop')"
        " if u.find_spec(n)])"
    )
    found = subprocess.run(
        [copy.python, "-c", script], cwd=copy.root, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_it_checks_and_migrates(copy: Copy) -> None:
    """No model without its migration, no system check that warns."""
    checked = copy.manage("check", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr
    migrated = copy.manage("migrate")
    assert migrated.returncode == 0, migrated.stderr
    complete = copy.manage("makemigrations", "--check", "--dry-run")
    assert complete.returncode == 0, complete.stdout + complete.stderr


def test_it_starts_and_serves(copy: Copy) -> None:
    """Probes, a request of REST, and a call of the shop's, signed with the shop's key."""
    key = KeyRing(copy.shop_keys).signing()
    (copy.shop_keys / "jwks.json").write_bytes(msgspec.json.encode({"keys": jwk_set([key])}))
    with copy.running(), plain.client(base_url=copy.url, timeout=20) as http:
        assert http.get("/livez").status_code == 200
        assert http.get("/readyz").json()["ready"] is True
        document = http.get(
            "/api/v1/schema", headers={"Accept": "application/vnd.oai.openapi+json"}
        )
        assert any(path.startswith(f"/api/v1/{copy.module}") for path in document.json()["paths"])
        assert http.get(RESOURCES[copy.module]).status_code == 401
        assert _asked(copy) == ()


def _asked(copy: Copy) -> object:
    """What ``use(Payment).payments(...)`` gives by the remote route, of an unknown order."""
    port, method = CALLS[copy.module]
    chooser = LeastLoaded(StaticSource({copy.module: [copy.url]}))
    with closing(Calls(issuer="shop", keys=KeyRing(copy.shop_keys))) as calls:
        ask = RemoteRoute(chooser, made_by=lambda: calls).caller(methods_of(port)[method])
        with call_context(CallContext(actor=SYSTEM)):
            return ask(order_ids=(uuid4(),))


def test_host_that_needs_more_fails(copy: Copy) -> None:
    """Planted: an import of another module's interior, which the monolith would have."""
    urls = copy.root / "extracted" / copy.module / "urls.py"
    before = urls.read_text()
    urls.write_text(f"{before}\nimport modules.orders.service\n")
    try:
        done = copy.manage("check")
    finally:
        urls.write_text(before)

    assert done.returncode != 0
    assert "No module named 'modules.orders.service'" in done.stderr
