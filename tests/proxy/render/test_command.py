"""The command: files to a folder or stdout, notes to stderr, an exit code for what is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from strangler_proxy.__main__ import main
from strangler_proxy.render import Target, render, render_command
from strangler_proxy.render.report import Note, Rendering, Severity, deliver, text_of
from tests.proxy.render.documents import document, full

DOCUMENT = """\
version: 1
listen:
  - address: 127.0.0.1:8000
upstreams:
  shop:
    instances:
      - address: 127.0.0.1:9000
routes:
  - name: all
    prefix: /
    upstream: shop
    authentication: none
"""


@pytest.mark.parametrize("target", list(Target))
def test_files_go_to_the_folder(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there is made; stdout stays empty and stderr says what is different."""
    code = render_command(full(), target, tmp_path / "new" / "folder")
    output = capsys.readouterr()
    rendering = render(full(), target)
    written = {path.name: path.read_text() for path in (tmp_path / "new" / "folder").iterdir()}
    assert (code, written, output.out) == (0, rendering.files, "")
    assert "lost" in output.err
    assert output.err.splitlines()[-1].startswith(f"{target}: ")


def test_one_file_goes_to_stdout_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be piped into the program."""
    assert render_command(document(), "envoy") == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out)["node"]["id"] == "ficus"


def test_several_files_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Each below a line with its name."""
    assert deliver(Rendering({"a": "1\n", "b": "2\n"}, ()), "x", None, strict=True) == 0
    assert capsys.readouterr().out == "# ---- a\n1\n# ---- b\n2\n"


def test_strict_fails_when_something_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """3 for what is lost, 0 for what is approximated; the files are written all the same."""
    assert render_command(full(), "nginx", strict=True) == 3
    assert capsys.readouterr().out.startswith("# revision 7")
    assert render_command(full(), "nginx") == 0
    near = Note(path="$.a", severity=Severity.APPROXIMATED, reason="nearly")
    assert deliver(Rendering({"a": ""}, (near,)), "x", None, strict=True) == 0


def test_notes_that_differ_in_their_place_only_share_a_line() -> None:
    """The first place and how many more, the reason, and the advice below it."""
    notes = [
        Note(path=f"$.upstreams.{name}.breaker", severity=Severity.LOST, reason="it is not known")
        for name in ("cart", "shop")
    ]
    notes.append(Note(path="$.a", severity=Severity.APPROXIMATED, reason="nearly", instead="no"))
    assert text_of(notes).splitlines() == [
        "lost         $.upstreams.cart.breaker (and 1 more): it is not known.",
        "approximated $.a: nearly.",
        "             Instead: no.",
    ]


def test_the_command_line_renders(tmp_path: Path) -> None:
    """``python -m strangler_proxy --config FILE --render TARGET``, with a bad target named."""
    path = tmp_path / "routes.yaml"
    path.write_text(DOCUMENT)
    command = [sys.executable, "-m", "strangler_proxy", "--config", str(path), "--render"]
    good = subprocess.run([*command, "haproxy"], capture_output=True, text=True, check=False)
    bad = subprocess.run([*command, "traefik"], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "global")
    assert bad.returncode != 0
    assert "known are envoy, haproxy, nginx, gateway-api" in bad.stderr


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """One line with the reason, and exit code 1."""
    path, taken = tmp_path / "routes.yaml", tmp_path / "taken"
    path.write_text(DOCUMENT)
    taken.write_text("a file")
    assert main(["--config", str(path), "--render", "envoy", "--out", str(taken)]) == 1
