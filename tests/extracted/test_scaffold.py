"""``manage.py scaffold_host``: what ships is what it writes, for any extractable module."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from modules.platform.boundaries.closure import find_closure
from modules.platform.boundaries.closure_files import files_of
from modules.platform.boundaries.declarations import read_declarations
from modules.platform.boundaries.source import SourceTree
from shop.env import ROOT
from shop.scaffolding.files import (
    CHANGELOG,
    PORTS,
    README,
    CannotHost,
    host_files,
    mark_of,
    port_of,
)
from shop.scaffolding.writing import differing
from tests.extracted.alone import inherited, manage

SHIPPED = ("payment", "notification")
# By hand: all else must be as it is written. closure.txt is checked where it is made.
BY_HAND = {CHANGELOG}
SERVERS = {"DATABASE_URL": settings.DATABASE_URL, "REDIS_URL": settings.REDIS_URL}


def scaffold(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a person runs it."""
    return subprocess.run(
        [sys.executable, "manage.py", "scaffold_host", *arguments],
        cwd=ROOT,
        env={**inherited(), **SERVERS},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("module", SHIPPED)
def test_what_ships_is_what_it_writes(module: str) -> None:
    """Byte for byte, and nothing lies beside it that it did not write."""
    folder = ROOT / "extracted" / module
    files = host_files(module, root=ROOT, folder=folder)
    assert differing(files) == (), f"run manage.py scaffold_host {module} --refresh"
    there = set(files_of(ROOT, [f"extracted/{module}/"]))
    written = {f"extracted/{module}/{path}" for path in files.texts}
    assert there - written == {f"extracted/{module}/closure.txt"}


@pytest.mark.parametrize("module", SHIPPED)
def test_no_two_are_written_differently(module: str, tmp_path: Path) -> None:
    """In an empty folder the same comes out, but for the prose and what the closure lists."""
    shipped = ROOT / "extracted" / module
    fresh = host_files(module, root=ROOT, folder=tmp_path / "extracted" / module).texts
    for path, text in fresh.items():
        if path == README:
            mark = mark_of(module)
            assert text.partition(mark)[2] == (shipped / path).read_text().partition(mark)[2]
        elif path == "Dockerfile":
            assert _without_copies(text) == _without_copies((shipped / path).read_text())
        elif path not in BY_HAND:
            assert text == (shipped / path).read_text(), path


def _without_copies(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("COPY")]


def test_the_image_copies_the_closure() -> None:
    """Each part that closure.txt lists is copied to where it was, and nothing else is."""
    lines = (ROOT / "extracted/payment/Dockerfile").read_text().splitlines()
    copied = [line.split()[1:] for line in lines if line.startswith("COPY ")][2:]
    listed = (ROOT / "extracted/payment/closure.txt").read_text().splitlines()
    assert copied == [[part, part] for part in listed if not part.startswith("#")]


@pytest.mark.timeout(240)
def test_a_third_module_stands_alone_too(tmp_path: Path) -> None:
    """shipping's host is written elsewhere, with its closure copied there, and checks itself."""
    tree = tmp_path / "tree"
    # Before there is a host nothing says which parts its settings name: any host names the same.
    named = (part for part in find_closure("payment", ROOT).parts if "/payment/" not in part)
    for part in (*find_closure("shipping", ROOT).parts, *named):
        _copy(part, tree)
    done = scaffold("shipping", "--into", str(tree / "extracted"), "--json")
    assert done.returncode == 0, done.stderr
    assert {"manage.py", "closure.txt", "Dockerfile"} <= set(json.loads(done.stdout)["written"])
    assert not (tree / "shop").exists()
    env = {**SERVERS, "FICUS_HOME": str(tmp_path / "home")}
    checked = manage("shipping", "check", "--fail-level", "WARNING", env=env, root=tree)
    assert checked.returncode == 0, checked.stderr
    assert "modules/shipping/" in (tree / "extracted/shipping/Dockerfile").read_text()
    again = scaffold("shipping", "--into", str(tree / "extracted"), "--check")
    assert again.returncode == 0, again.stdout


def _copy(part: str, tree: Path) -> None:
    for path in files_of(ROOT, [part]):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, tree / path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch"], "there is no module nosuch; extractable are inventory, notification"),
        (["cart"], "cart is declared extractable=False; those that are: inventory"),
        (["payment"], "extracted/payment exists; --refresh writes its generated files again"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str) -> None:
    """What is wrong and what would be right, without a traceback; exit code 2."""
    done = scaffold(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    """``--check`` writes nothing, names what differs, and exits with 3."""
    folder = tmp_path / "extracted" / "payment"
    for path in files_of(ROOT, ["extracted/payment/"]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, tmp_path / path)
    (folder / ".env.example").write_text("")
    (folder / "urls.py").write_text("urlpatterns = []\n")
    done = scaffold("payment", "--into", str(folder.parent), "--check")
    assert done.returncode == 3, done.stderr
    named = " ".join(done.stdout.split()).partition("not as scaffold_host writes it: ")[2]
    assert {".env.example", "urls.py"} <= set(named.split(", "))
    assert "settings/dev.py" not in named
    assert (folder / "urls.py").read_text() == "urlpatterns = []\n"


def test_prose_and_changelog_are_kept(tmp_path: Path) -> None:
    """Written again, a host keeps what people wrote, and nothing else that they changed."""
    folder = tmp_path / "extracted" / "payment"
    folder.mkdir(parents=True)
    title, mark = "# payment, standing alone", mark_of("payment")
    (folder / README).write_text(f"{title}\n\nOurs, and\nin two lines.\n\n{mark}\nold\n")
    (folder / CHANGELOG).write_text("# Ours\n")
    texts = host_files("payment", root=ROOT, folder=folder).texts
    assert texts[README].startswith(f"{title}\n\nOurs, and\nin two lines.\n\n{mark}\n## Two")
    assert texts[CHANGELOG] == "# Ours\n"


def test_every_extractable_module_has_a_port_of_its_own() -> None:
    """So that hosts can run side by side."""
    declared = read_declarations(SourceTree(ROOT))[0].values()
    assert {one.name for one in declared if one.extractable} == set(PORTS)
    assert len(set(PORTS.values())) == len(PORTS)
    with pytest.raises(CannotHost, match="nosuch has no port yet"):
        port_of("nosuch")


@pytest.mark.parametrize("module", SHIPPED)
def test_a_taken_port_is_named(module: str, tmp_path: Path) -> None:
    """One line with the port and its variable; nothing was started."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        env = {**SERVERS, "FICUS_HOME": str(tmp_path), "WEB_PORT": port}
        done = manage(module, "up", env=env)
    assert done.returncode == 1
    assert f"port {port} for web is taken" in done.stderr
    assert "Traceback" not in done.stderr
