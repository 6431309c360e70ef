"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.proxy.front import REPOSITORY, FrontDoor

OPEN = {"authentication": "none"}
TABLE = """\
version: 1
listen: [{address: "127.0.0.1:8000"}]
upstreams:
  monolith: {instances: [{address: "127.0.0.1:8001"}]}
  payment: {instances: [{address: "127.0.0.1:8101"}]}
capabilities:
  payment: {monolith: monolith, service: payment, phase: canary, percent: 25}
routes:
  - {name: payment, prefix: /pay, capability: payment, authentication: none,
     sticky: ["header:X-User"]}
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command, with its output."""
    command = [sys.executable, "-m", "strangler_proxy", *map(str, arguments)]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(TABLE)
    return path


def test_check_says_that_a_document_is_good(table: Path) -> None:
    """One line, exit code 0, and nothing listens afterwards."""
    done = run("--config", table, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{table}: good; revision 0, 1 routes\n"


def test_check_names_every_fault_of_a_document(table: Path) -> None:
    """Each with its line, its path and what to do, on stderr, exit code 2."""
    table.write_text(TABLE.replace("percent: 25", "percent: 250").replace("/pay,", "pay, x: 1,"))
    done = run("--config", table, "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "line 7: $.capabilities.payment.percent" in done.stderr
    assert "line 9: $.routes[0].prefix" in done.stderr
    assert "x" in done.stderr.split("$.routes[0]")[2]
    assert "Traceback" not in done.stderr


def test_explain_tells_side_bucket_and_reason(table: Path) -> None:
    """The answer is readable, and the same as JSON."""
    question = ["--config", table, "--explain", "GET", "/pay/1", "-H", "X-User: 3"]
    done = run(*question)
    assert done.returncode == 0, done.stderr
    said = json.loads(run(*question, "--json").stdout)
    assert said["upstream"] in done.stdout
    assert said["side"] == ("service" if said["bucket"] >= 75 else "monolith")
    assert said["reason"] == "cohort"


def test_render_prints_another_data_planes_configuration(table: Path, tmp_path: Path) -> None:
    """To stdout or into a folder; with --strict what is lost makes it fail."""
    done = run("--config", table, "--render", "nginx")
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1:8101" in done.stdout
    assert "$.capabilities.payment" in done.stderr  # its cohorts are not ours
    done = run("--config", table, "--render", "envoy", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert any((tmp_path / "out").iterdir())
    assert run("--config", table, "--render", "apache").returncode == 2


def test_schema_is_the_one_in_the_package() -> None:
    """The JSON Schema that editors and the control plane can use."""
    done = run("--schema")
    assert json.loads(done.stdout)["$schema"].startswith("https://json-schema.org/")
    committed = REPOSITORY / "strangler_proxy" / "document" / "schema.json"
    assert done.stdout == committed.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "name the document"),
        (["--config", "no-such-file.yaml"], 2, "no-such-file.yaml"),
        (["--frob"], 2, "unrecognized arguments"),
        (["--config", "routes.yaml", "--out", "x"], 2, "--out goes with --render"),
        (["--config", "routes.yaml", "--check", "--strict"], 2, "--strict goes with --render"),
        (["--config", "routes.yaml", "--check", "--json"], 2, "--json goes with --explain"),
        (["--config", "routes.yaml", "-H", "a: b"], 2, "-H goes with --explain"),
        (["--config", "routes.yaml", "--address", "::1"], 2, "--address goes with --explain"),
        (["--config", "routes.yaml", "--check", "--state", "x"], 2, "--state is for serving"),
    ],
)
def test_wrong_usage_is_one_clear_line(arguments: list[str], code: int, words: str) -> None:
    """No traceback, exit code 2."""
    done = run(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["get", "/pay"], "'get' is not a method; write it in upper case"),
        (["GET", "/a b"], "'/a b' has characters that a target cannot have; write %20 for a space"),
        (
            ["GET", "/pay", "-H", "X User: 3"],
            "'X User: 3' is not a header; write it as Name: value",
        ),
        (
            ["GET", "/pay", "--address", "me"],
            "'me' is not an address; write 203.0.113.7, ::1 or unix",
        ),
    ],
)
def test_a_request_that_cannot_be_is_not_explained(
    table: Path, arguments: list[str], words: str
) -> None:
    """Instead of an answer about a request that nobody could send: what to write."""
    done = run("--config", table, "--explain", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("access_log: {path: gone/requests.log}", "gone/requests.log: No such file or directory"),
        ("drain_seconds: 1", "192.0.2.1:8000: Cannot assign requested address"),
    ],
)
def test_what_cannot_be_opened_is_named(table: Path, more: str, words: str) -> None:
    """A file or an address, and the reason, without a number of the system."""
    address = "192.0.2.1:8000" if words.startswith("192") else f"127.0.0.1:{free_port()}"
    table.write_text(TABLE.replace("127.0.0.1:8000", address) + more)
    done = run("--config", table)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"strangler_proxy: {words}"


@pytest.mark.parametrize(
    ("option", "broken"), [("certificate", None), ("key", None), ("client_ca", None), ("key", "no")]
)
def test_a_bad_certificate_is_named(
    table: Path, tmp_path: Path, option: str, broken: str | None
) -> None:
    """The option, the file and what is wrong with it."""
    import trustme

    issued = trustme.CA().issue_cert("localhost")
    files = {"certificate": tmp_path / "c.pem", "key": tmp_path / "k.pem"}
    issued.cert_chain_pems[0].write_to_path(files["certificate"])
    issued.private_key_pem.write_to_path(files["key"])
    files[option] = tmp_path / "bad.pem"
    if broken is not None:
        files[option].write_text(broken)
    tls = ", ".join(f"{name}: {path}" for name, path in files.items())
    listen = f'{{address: "127.0.0.1:{free_port()}", tls: {{{tls}}}}}'
    table.write_text(TABLE.replace('{address: "127.0.0.1:8000"}', listen))
    done = run("--config", table)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert f"tls.{option}" in done.stderr
    assert str(files[option]) in done.stderr


def test_taken_address_is_named(tmp_path: Path) -> None:
    """A listener or an admin listener that cannot be opened is one line that names the address."""
    import socket

    for key in ("listen", "admin"):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", free_port()))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            door = FrontDoor(tmp_path, {"routes": [], "upstreams": {}})
            door.base[key] = [{"address": address}] if key == "listen" else {"address": address}
            door.write(
                {"routes": [{"name": "a", "prefix": "/", "answer": {"status": 204}, **OPEN}]}
            )
            done = run("--config", door.path)
            assert done.returncode == 1, done.stderr
            door.close()
            assert address in done.stderr
            assert "Traceback" not in done.stderr


def test_it_starts_without_django_redis_and_the_shop(table: Path) -> None:
    """Serving needs none of what the shop is made of: they are not even imported."""
    program = (
        "import sys\n"
        "import strangler_proxy.__main__, strangler_proxy.serving, strangler_proxy.app\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'django', 'celery', 'rest_framework', 'psycopg', 'shop'}))\n"
        "print([n for n in sys.modules if n.startswith('modules.')"
        " and not n.startswith('modules.platform')])\n"
        "print([n for n in sys.modules if n.startswith('modules.platform.')"
        " and not n.startswith('modules.platform.resilience')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n[]\n[]\n"
