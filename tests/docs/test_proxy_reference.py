"""Nothing of the front door is missing from its documentation, and nothing in it is made up."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from strangler_proxy.__main__ import _parser
from strangler_proxy.control.families import families
from tests.docs import meanings
from tests.docs.inventory import (
    PACKAGE,
    PASSED_ON,
    endpoints,
    log_codes,
    options,
    problems,
    problems_in,
    unread_problems,
)
from tests.docs.markdown import sections, tables
from tests.docs.option_tables import Undocumented
from tests.docs.proofs import FOUND, PAGES, Proofs, link, options_of
from tests.docs.reference import PAGE, reference
from tests.docs.running import has_commands
from tests.proxy.front import REPOSITORY
from tests.proxy.render.documents import document

DOCS = (*PAGES, PAGE)
GUIDE, OPERATING = PAGES


def test_the_reference_is_what_the_code_says() -> None:
    """Else: ``python -m tests.docs.reference --write``, and read what has changed."""
    assert PAGE.read_text() == reference(Proofs.read())


def _cells(title: str) -> list[list[str]]:
    """The rows of the tables from a heading to the next of its level."""
    text = PAGE.read_text()
    begin = text.index(f"\n## {title}\n")
    end = text.find("\n## ", begin + 1)
    return list(tables(text[begin : end if end >= 0 else None]))


def test_every_option_is_in_the_reference() -> None:
    """Below its part, with a meaning."""
    text = PAGE.read_text()
    for option in options():
        _, _, below = text.partition(f"\n### {option.part}\n")
        rows = {row[0]: row for row in tables(below.partition("\n### ")[0])}
        assert len(rows[f"`{option.name}`"][3]) > 3, option.key


def examples_of(page: Path) -> set[str]:
    """The options in documents of a page that its commands are run with."""
    run = [section for section in sections(page.read_text()) if has_commands(section)]
    return {option for section in run for option in options_of(section)}


def test_every_option_has_an_example_that_is_executed() -> None:
    """In a section whose commands run with it; there is no list of exceptions."""
    shown = {option for page in PAGES for option in examples_of(page)}
    assert sorted({option.key for option in options()} - shown) == []


def test_an_option_in_a_section_without_commands_has_no_example(tmp_path: Path) -> None:
    """The test above can fail: a document that nothing runs with shows nothing."""
    page = tmp_path / "page.md"
    fragment = "<!-- fragment -->\n```yaml\ncache_bytes: 3000\n```\n"
    page.write_text(f"# One\n{fragment}\n# Two\n```console\n$ true\n```\n")
    assert examples_of(page) == set()
    page.write_text(f"# One\n{fragment}\n```console\n$ true\n```\n")
    assert examples_of(page) == {"Document.cache_bytes"}


def test_every_problem_is_in_the_reference() -> None:
    """With its status, of the data path and of the admin listener."""
    for title, admin in (("Problems", False), ("Problems of the admin listener", True)):
        named = {(row[0], row[1].strip("`")) for row in _cells(title)[2:]}
        made = {(str(status), code) for status, code in problems(admin=admin)}
        alone = {("log", code) for code in log_codes() - {code for _, code in made}}
        assert named == made | (set() if admin else alone)


def test_every_metric_is_in_the_reference() -> None:
    """By the name that a scraper sees."""
    named = {row[0].strip("`") for row in _cells("Metrics")}
    for family in families([], document(), ready=True):
        assert family.name + ("_total" if family.type == "counter" else "") in named


def test_every_endpoint_is_in_the_reference() -> None:
    """With its method."""
    named = {(row[0].strip("`"), row[1].strip("`")) for row in _cells("Admin endpoints")}
    assert {(one.method, one.path) for one in endpoints()} <= named


def test_a_new_option_problem_or_field_must_be_given_a_meaning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reference cannot be made without."""
    for known, name in (
        (meanings.OPTIONS, "Tls.key"),
        (meanings.PROBLEMS, "no_host"),
        (meanings.ADMIN_PROBLEMS, "masked"),
        (meanings.LOG_FIELDS, "cache"),
    ):
        with monkeypatch.context() as patch:
            patch.delitem(known, name)  # type: ignore[arg-type]
            with pytest.raises(Undocumented, match=name):
                reference(Proofs.read())


def test_problems_are_read_from_the_code() -> None:
    """Wherever they are made; where the code is not written there, the place is known."""
    made, unread = problems_in(
        'CODE = "b"\nA = Refusal(400, "a", "")\n'
        "def f(code):\n    raise Problem(409, CODE, '')\n    Refusal(400, code, '')\n",
        "planted.py",
    )
    assert made == {(400, "a"), (409, "b")}
    assert unread == {"planted.py:f"}
    assert unread_problems() == PASSED_ON


def test_the_guide_names_the_problems_of_the_data_path() -> None:
    """All of them and no others, each beside its status."""
    section = GUIDE.read_text().partition("\n## Errors\n")[2].partition("\n## ")[0]
    named = {
        (int(row[0]), code)
        for row in list(tables(section))[2:]
        for code in re.findall(r"`(\w+)`", row[1])
    }
    assert named == problems(admin=False)


def test_the_guide_names_only_metrics_that_there_are() -> None:
    """A dashboard made by it shows something."""
    known = {
        sample.name for family in families([], document(), ready=True) for sample in family.samples
    }
    known |= {family.name for family in families([], document(), ready=True)}
    known |= {f"{name}_total" for name in known}
    for page in PAGES:
        assert set(re.findall(r"\bficus_proxy_\w+", page.read_text())) <= known


def test_the_guide_names_every_endpoint() -> None:
    """And none that is not there."""
    table = OPERATING.read_text().partition("\n## The admin listener\n")[2].partition("```")[0]
    named = set()
    for row in list(tables(table))[2:]:
        paths = re.findall(r"(/-/[^`,]+)`", row[0]) + re.findall(r", `(/\w+)`", row[0])
        first = next(one for one in paths if one.startswith("/-/"))
        named |= {one if one.startswith("/-/") else first.rsplit("/", 1)[0] + one for one in paths}
    assert named == {one.path for one in endpoints()}


def test_the_guide_names_every_flag_of_the_command() -> None:
    """As the parser takes them."""
    text = OPERATING.read_text()
    flags = {
        flag
        for action in _parser()._actions
        for flag in action.option_strings
        if flag not in ("-h", "--help")
    }
    assert {flag for flag in flags if f"`{flag}" not in text and f"{flag} " not in text} == set()


def test_the_guide_names_every_internal_header() -> None:
    """Those that the code speaks of and no others."""
    sources = "\n".join(
        path.read_text() for path in PACKAGE.rglob("*.py") if "render" not in path.parts
    )
    spoken = {name.title() for name in re.findall(r"\b[Ff]icus-[A-Za-z]+", sources)}
    spoken -= {"Ficus-Internal"}  # what all others are counted as
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"\bFicus-[A-Z][a-z]+", text)) - {"Ficus-Anything"}
    assert named == spoken


def test_the_packages_named_are_those_imported() -> None:
    """Who follows the first screen has what it takes, and nothing else."""
    text = GUIDE.read_text()
    told = re.search(r"`pip install ([^`]+)`", text)
    assert told is not None
    named = {re.sub(r"\[.*", "", one.strip('"')).lower() for one in told[1].split()}
    names = {"yaml": "pyyaml", "jwt": "pyjwt"}
    used = {names.get(one, one) for one in _imported(PACKAGE)}
    assert named == used


def _imported(package: Path) -> set[str]:
    """Packages that are neither the standard library's, nor ours, nor only needed to compile."""
    found = set()
    for path in package.rglob("*.py"):
        if path.name == "compiling.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"strangler_proxy", "modules", "__future__"}


def test_links_lead_somewhere() -> None:
    """To a page and a heading that are there."""
    anchors = {page.name: {s.anchor for s in sections(page.read_text())} for page in DOCS}
    for page in DOCS:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            name = name or page.name
            assert (page.parent / name).exists(), f"{page.name}: {target}"
            if anchor and name in anchors:
                assert anchor in anchors[name], f"{page.name}: {target}"


def test_files_and_modules_that_are_named_exist() -> None:
    """Those of this repository."""
    for page in PAGES:
        text = page.read_text()
        for path in re.findall(r"`((?:tests|strangler_proxy)/[\w/.]+)`", text):
            assert (REPOSITORY / path).exists(), path
        for module in re.findall(r"python\s-m\s((?:tests|strangler_proxy)[\w.]*)", text):
            path = REPOSITORY.joinpath(*module.split("."))
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_what_was_proved_still_stands_in_its_section() -> None:
    """Else: ``python -m tests.docs.proofs``."""
    used = {
        link(page, section.title, section.anchor): options_of(section)
        for page in PAGES
        for section in sections(page.read_text())
    }
    lines: list[Any] = [line.split(" ", 1) for line in FOUND.read_text().splitlines()]
    assert [option for option, where in lines if option not in used.get(where, ())] == []
