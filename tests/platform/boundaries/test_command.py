"""``manage.py modules``: what it prints, and with which exit code it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from modules.platform.boundaries.management.commands.modules import Command
from modules.platform.boundaries.source import SourceTree
from modules.platform.contracts.schema import dump, snapshot
from tests.architecture.house import House, build_house


@pytest.fixture
def house(tmp_path: Path, settings: Any) -> House:
    """The command looks at a small project instead of this one."""
    settings.BASE_DIR = tmp_path
    return build_house(tmp_path)


def _run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(Command(stdout=out, stderr=err), *arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


def _source_violations(out: str) -> list[dict[str, Any]]:
    """Without those of the test's own host, whose modules the small project does not have."""
    found = json.loads(out)["violations"]
    return [one for one in found if one["rule"] not in {"wiring", "foreign-key", "signal"}]


def test_check_exits_with_3_and_names_the_place(house: House) -> None:
    """Fact, place and way out, as text and as JSON."""
    house.append("modules/orders/sagas.py", "import modules.payment.models")

    code, out, _ = _run("check", "--json")

    (found,) = _source_violations(out)
    assert code == 3
    assert found["rule"] == "contract-only"
    assert (found["path"], found["line"]) == ("modules/orders/sagas.py", 8)
    assert "at modules/orders/sagas.py:8" in _run("check")[1]


@pytest.mark.parametrize(
    ("form", "start"),
    [("github", "::error file="), ("sarif", '{"$schema"'), ("json", '{"violations"')],
)
def test_check_prints_every_format(house: House, form: str, start: str) -> None:
    """The format goes to stdout and nothing else does."""
    house.append("modules/orders/sagas.py", "import modules.payment.models")

    code, out, err = _run("check", "--format", form)

    assert code == 3
    assert out.startswith(start)
    assert err == ""


def test_file_that_is_no_python_is_told_in_one_line(house: House) -> None:
    """No traceback for somebody else's typo."""
    house.write("modules/orders/sagas.py", "def (:")

    code, _, err = _run("check")

    assert code == 1
    assert "modules/orders/sagas.py" in err
    assert len(err.splitlines()) == 1


def test_graph_draws_calls_and_events(house: House) -> None:
    """The same house for people, for Mermaid and for programs."""
    assert _run("graph")[1].splitlines() == [
        "orders --> payment  Payment",
        "orders ..> payment  OrderConfirmed",
    ]
    assert _run("graph", "--format", "mermaid")[1].splitlines() == [
        "flowchart LR",
        "    orders[orders]",
        "    payment[payment]",
        "    orders --> payment",
        '    orders -. "OrderConfirmed" .-> payment',
    ]
    arrows = json.loads(_run("--json", "graph")[1])["arrows"]
    assert [one["kind"] for one in arrows] == ["call", "event"]


def test_show_prints_a_modules_page() -> None:
    """From this project: what payment is for, whom to ask and how it touches the rest."""
    code, out, _ = _run("show", "payment", "--json")

    page = json.loads(out)
    assert code == 0
    assert page["owner"].startswith("team-")
    assert page["queues"] == ["bus.payment", "bus.ack.payment", "outside.payment"]
    assert page["role"] == "ficus_payment"
    assert any(method.startswith("refund(") for method in page["methods"])
    assert "orders" in page["called_by"]
    assert page["heard_by"].keys() == set(page["publishes"])


def test_show_as_markdown_and_text_have_the_same_facts() -> None:
    """One page, two forms."""
    text, markdown = _run("show", "payment")[1], _run("show", "payment", "--markdown")[1]

    assert markdown.startswith("# payment\n")
    for fact in ("team-", "bus.payment", "ficus_payment", "refund("):
        assert fact in text
        assert fact in markdown


def test_show_of_a_module_that_is_not_there() -> None:
    """The message says which there are."""
    code, _, err = _run("show", "paymant")

    assert code == 2
    assert "there is no module paymant; there are accounts, " in err


def test_schema_writes_holds_and_compares(tmp_path: Path, settings: Any) -> None:
    """Drift exits with 3 until it is written; a released snapshot may be compared with."""
    settings.BASE_DIR = tmp_path
    home = tmp_path / "modules/payment"
    (home / "contract").mkdir(parents=True)
    (home / "__init__.py").write_text("")
    assert SourceTree(tmp_path).modules == ("payment",)
    released = tmp_path / "released.json"
    released.write_text(dump(snapshot("payment")).replace('"payment.declined"', '"payment.no"'))

    assert _run("schema")[0] == 3
    assert "wrote modules/payment/contract/schema.json" in _run("schema", "--write")[1]
    assert _run("schema")[:2] == (0, "The contracts are what their snapshots say.\n")
    code, out, _ = _run("schema", "payment", "--against", str(released))
    assert code == 3
    assert "its code was payment.no and is payment.declined" in out


def test_schema_against_a_base_that_is_none() -> None:
    """A typo must not look like a pass."""
    code, _, err = _run("schema", "--against", "no-such-branch")

    assert code == 2
    assert "no-such-branch is neither a git ref" in err
