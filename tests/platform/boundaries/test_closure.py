"""What a host's own Django tells of its closure, and ``manage.py modules closure``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.core.management import call_command

from modules.platform.boundaries.closure import closure_of, find_closure
from modules.platform.boundaries.closure_files import files_of
from modules.platform.boundaries.closure_of_host import HostUnreadable, named_by, settings_of
from modules.platform.boundaries.management.commands.modules import Command

ROOT = Path(project.BASE_DIR)
FILES = {
    "modules/__init__.py": "",
    "modules/platform/__init__.py": "",
    "modules/platform/rest/__init__.py": "",
    "modules/platform/rest/middleware.py": "import modules.platform.deep\n"
    "def quiet(get_response): return get_response\n",
    "modules/platform/deep/__init__.py": "",
    "modules/platform/pages/__init__.py": "",
    "modules/platform/pages/templates/page.html": "<p>",
    "modules/platform/jobs/__init__.py": "",
    "modules/platform/jobs/management/__init__.py": "",
    "modules/platform/jobs/management/commands/__init__.py": "",
    "modules/platform/jobs/management/commands/work.py": "import modules.platform.tools\n"
    "from django.core.management.base import BaseCommand\n"
    "class Command(BaseCommand): ...\n",
    "modules/platform/tools/__init__.py": "",
    "modules/platform/unused/__init__.py": "",
    "modules/payment/__init__.py": "",
    "modules/payment/rules.json": "{}",
    "shop/__init__.py": "",
    "shop/urls.py": "urlpatterns = []\n",
    "extracted/__init__.py": "",
    "extracted/payment/__init__.py": "",
    "extracted/payment/urls.py": "urlpatterns = []\n",
    "extracted/payment/settings.py": "SECRET_KEY = 'x'\n"
    "ROOT_URLCONF = 'extracted.payment.urls'\n"
    "INSTALLED_APPS = ['modules.platform.jobs', 'modules.payment']\n"
    "MIDDLEWARE = ['modules.platform.rest.middleware.quiet']\n"
    "TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates',\n"
    "    'DIRS': ['modules/platform/pages/templates']}]\n",
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A project with a real, very small Django host of payment."""
    for path, text in FILES.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return tmp_path


def _run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(Command(stdout=out, stderr=err), *arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


def test_apps_middleware_commands_and_templates_are_found_by_name(small: Path) -> None:
    """Nothing imports them; Django does, and what they import comes along."""
    found = find_closure("payment", small)

    assert not found.violations
    assert {part.split("/")[2] for part in found.parts if part.startswith("modules/platform/")} == {
        "__init__.py",
        "deep",
        "jobs",
        "pages",
        "rest",
        "tools",
    }


def test_urls_of_the_monolith_named_in_settings_are_a_violation(small: Path) -> None:
    """A text that no import graph sees."""
    settings = small / "extracted/payment/settings.py"
    settings.write_text(settings.read_text().replace("extracted.payment.urls", "shop.urls"))

    facts = [one.fact for one in find_closure("payment", small).violations]

    assert any("(ROOT_URLCONF) needs shop.urls" in fact for fact in facts)
    assert any("(loaded) needs shop.urls" in fact for fact in facts)


def test_host_whose_settings_cannot_be_loaded_says_why(small: Path) -> None:
    """The last line of what it said."""
    (small / "extracted/payment/settings.py").write_text("import modules.nobody")

    with pytest.raises(HostUnreadable, match=r"extracted\.payment\.settings .*modules\.nobody"):
        list(named_by("payment", small))


def test_every_settings_file_of_a_host_is_asked(small: Path) -> None:
    """What development loads, production may not, and the other way round."""
    home = small / "extracted/payment"
    assert settings_of("payment", small) == ("extracted/payment/settings.py",)
    (home / "settings.py").unlink()
    (home / "settings").mkdir()
    for name in ("__init__", "dev", "prod"):
        (home / f"settings/{name}.py").write_text("")
    assert settings_of("payment", small) == (
        "extracted/payment/settings/dev.py",
        "extracted/payment/settings/prod.py",
    )


def test_files_are_those_of_the_folders_without_what_running_leaves(small: Path) -> None:
    """Data files too; no caches, environments, secrets and servers' data."""
    for path in ("__pycache__/a.pyc", ".ficus/keys/secret", ".venv/lib/x.py", ".env"):
        target = small / "extracted/payment" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("")

    files = list(files_of(small, closure_of("payment", small)))

    assert "modules/payment/rules.json" in files
    assert "modules/platform/pages/templates/page.html" in files
    assert [path for path in files if path.startswith("extracted/payment/")] == [
        "extracted/payment/__init__.py",
        "extracted/payment/settings.py",
        "extracted/payment/urls.py",
    ]
    assert not any(path.startswith(("shop/", "modules/platform/unused/")) for path in files)


def test_command_prints_writes_and_checks(small: Path, settings: Any) -> None:
    """One part a line; a file that differs exits with 3 and names the line."""
    settings.BASE_DIR = small
    code, out, _ = _run("closure", "payment")
    assert code == 0
    assert out.splitlines() == list(closure_of("payment", small))

    code, out, _ = _run("closure", "payment", "--check")
    assert code == 3
    assert "does not list modules/platform/deep/, which modules.platform.rest.middleware" in out

    assert _run("closure", "payment", "--write")[:2] == (
        0,
        "wrote extracted/payment/closure.txt\n",
    )
    text = (small / "extracted/payment/closure.txt").read_text()
    assert text.startswith("# All that the host of payment needs")
    assert _run("closure", "payment", "--check")[:2] == (
        0,
        "extracted/payment/closure.txt is what is true.\n",
    )
    report = json.loads(_run("closure", "payment", "--json")[1])
    assert report["because"]["modules/platform/jobs/"] == "extracted.payment (INSTALLED_APPS)"


def test_command_writes_nothing_that_cannot_stand_alone(small: Path, settings: Any) -> None:
    """Fact, place and way out, exit code 3."""
    settings.BASE_DIR = small
    (small / "modules/payment/service.py").write_text("import shop.urls\n")

    code, out, _ = _run("closure", "payment", "--write")

    assert code == 3
    assert "modules.payment.service needs shop.urls" in out
    assert "at modules/payment/service.py:1" in out
    assert not (small / "extracted/payment/closure.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nobody"], 2, "there is no module nobody"),
        (["platform"], 2, "there is no module platform"),
    ],
)
def test_module_that_is_none(arguments: list[str], code: int, message: str) -> None:
    """The message says which there are."""
    found = _run("closure", *arguments)
    assert found[0] == code
    assert message in found[2]


def test_module_without_a_host_has_no_file(small: Path, settings: Any) -> None:
    """It may be looked at, not written."""
    settings.BASE_DIR = small
    (small / "modules/orders").mkdir()
    (small / "modules/orders/__init__.py").write_text("")

    assert _run("closure", "orders")[1].splitlines() == ["modules/__init__.py", "modules/orders/"]
    code, _, err = _run("closure", "orders", "--check")
    assert code == 1
    assert "orders has no host" in err


@pytest.mark.parametrize(
    "module", sorted(path.parent.name for path in (ROOT / "extracted").glob("*/__init__.py"))
)
def test_written_closure_of_each_host_is_what_is_true(module: str) -> None:
    """``manage.py modules closure --write`` was not forgotten, and the host can stand alone."""
    code, out, err = _run("closure", module, "--check")

    assert code == 0, out + err
