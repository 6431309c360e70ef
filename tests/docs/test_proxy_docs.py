"""The front door's documentation runs: documents load, commands print what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from strangler_proxy.errors import TableRefused
from tests.docs.documents import base_of, compiled, is_fragment, is_whole, merged, parsed
from tests.docs.markdown import Block, Section, sections
from tests.docs.proofs import PAGES
from tests.docs.running import Difference, Page, has_commands
from tests.docs.shell import matches, steps

GUIDE, _ = PAGES
BASE = base_of(sections(GUIDE.read_text()))
SECTIONS = [(page, section) for page in PAGES for section in sections(page.read_text())]
RUN = [(page, section) for page, section in SECTIONS if has_commands(section)]
YAML = [
    (page, block)
    for page, section in SECTIONS
    for block in section.blocks
    if is_whole(block) or is_fragment(block)
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Page]]:
    """The pages, with what their examples need."""
    found = {page: Page(page.read_text(), tmp_path_factory.mktemp(page.stem)) for page in PAGES}
    yield found
    for page in found.values():
        page.close()


# ---------------------------------------------------------------- what is executed


@pytest.mark.parametrize(
    ("page", "section"), RUN, ids=[f"{page.stem}:{section.anchor}" for page, section in RUN]
)
def test_examples_print_what_the_page_says(
    page: Path, section: Section, running: dict[Path, Page]
) -> None:
    """Each command of each section, in order, against a real front door and real upstreams."""
    assert "\n".join(map(str, running[page].run(section))) == ""


@pytest.mark.parametrize(
    ("page", "block"), YAML, ids=[f"{page.stem}:{block.line}" for page, block in YAML]
)
def test_documents_are_right(page: Path, block: Block) -> None:
    """Each YAML block loads and compiles, by itself or merged into the base document."""
    whole = parsed(block) if is_whole(block) else merged(BASE, parsed(block))
    assert compiled(yaml.safe_dump(whole), f"{page.name}, line {block.line}").routes


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    """No example is left out by being called something else."""
    kinds = {block.language for _, section in SECTIONS for block in section.blocks}
    assert kinds == {"yaml", "console"}


def test_a_command_that_prints_something_else_is_found(tmp_path: Path) -> None:
    """The test of the examples can fail, and says where."""
    document = "```yaml\nversion: 1\n```\n"
    commands = "```console\n$ echo right\nright\n$ echo wrong\nright\n```\n"
    page = Page(f"# One\n{document}{commands}", tmp_path)
    found = list(page.run(page.sections[0]))
    assert found == [Difference(8, "echo wrong", "right\n", "wrong\n")]


def test_a_document_with_an_unknown_option_is_found() -> None:
    """The test of the documents can fail."""
    with pytest.raises(TableRefused, match="is not an option"):
        compiled(yaml.safe_dump(merged(BASE, {"cache_bites": 1})), "planted")


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\n", "a", True),
        ("a\n", "b\n", False),
        ("", "", True),
        ("", "a\n", False),
        ("a ... c\n", "a b c\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\nd\n", "a\nd\n", True),
        ("a\n...\n", "b\n", False),
        ("X-Request-Id: " + "a" * 32 + "-" + "b" * 16, "X-Request-Id: " + "0f" * 24, False),
        ("id " + "a" * 32 + "-" + "b" * 16, "id " + "0" * 32 + "-" + "1" * 16, True),
        ('"ms":1.5}', '"ms":230}', True),
        ("at 2026-11-20 09:06:29,002 INFO", "at 2027-01-02 03:04:05,678 INFO", True),
    ],
)
def test_output_is_compared_but_for_what_differs_each_time(
    expected: str, printed: str, same: bool
) -> None:
    """Text must be equal; ids, dates and durations have the same form; dots stand for anything."""
    assert matches(expected, printed) is same


def test_a_command_may_go_on_in_further_lines() -> None:
    """As a shell prompts for them."""
    found = list(steps("$ for i in 1\n> do echo $i; done\n1\n$ true\n"))
    assert [(one.command, one.printed) for one in found] == [
        ("for i in 1\ndo echo $i; done", "1\n"),
        ("true", ""),
    ]
