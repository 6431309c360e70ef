"""Runs a section's examples: its documents are put in force, its commands must print what it says.

python -m tests.docs.running docs/proxy.md              # say what is printed otherwise
python -m tests.docs.running docs/proxy.md --only cache # sections whose title has this
python -m tests.docs.running docs/proxy.md --write      # put it into the page; then read it!
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.docs.documents import Part, base_of, is_fragment, is_whole, merged, parsed
from tests.docs.markdown import Block, Section, sections
from tests.docs.shell import DoesNotEnd, Shell, matches, steps
from tests.docs.stage import Stage
from tests.proxy.front import REPOSITORY

GUIDE = REPOSITORY / "docs" / "proxy.md"  # has the base document
FRESH = "fresh"  # marks a fragment that wants a front door which has seen nothing
Change = Callable[[Part], Part]


@dataclass(frozen=True, slots=True)
class Difference:
    """A command that printed something else than its page says; ``line`` is that of the page."""

    line: int
    command: str
    expected: str
    printed: str

    def __str__(self) -> str:
        said = f"--- the page says\n{self.expected}--- it printed\n{self.printed}"
        return f"line {self.line}: $ {self.command}\n{said}"


def has_commands(section: Section) -> bool:
    """Whether there is something to run."""
    return any(block.language == "console" for block in section.blocks)


def as_it_is(document: Part) -> Part:
    """No change."""
    return document


class Page:
    """A page whose sections can be run in any order.

    They share a front door that the page keeps running, with the base document or a fragment
    merged into it; the commands of a section with whole documents start what they need.
    """

    def __init__(self, text: str, folder: Path) -> None:
        self.sections = sections(text)
        self._base = base_of(sections(GUIDE.read_text()))
        self._folder = folder
        self._shared: Stage | None = None

    def run(self, section: Section, change: Change = as_it_is) -> Iterator[Difference]:
        """Run it, with each document changed; what is printed otherwise than the page says.

        A command that does not end is the last one of its section, and one more difference.
        """
        with self._stage(section) as stage, stage.shell() as shell:
            if section.blocks[0].language != "yaml":
                stage.serve(change(self._base))
            for block in section.blocks:
                stage.needs(block.text)
                if is_whole(block):
                    stage.save(_text(block, change))
                elif is_fragment(block):
                    document = change(merged(self._base, parsed(block)))
                    stage.serve(document, fresh=FRESH in block.mark)
                elif block.language == "console":
                    ended = yield from _differences(stage, shell, block)
                    if not ended:
                        return
            stage.check()

    @contextmanager
    def _stage(self, section: Section) -> Iterator[Stage]:
        if not any(map(is_whole, section.blocks)):
            yield self._open_shared()
            return
        folder = self._folder / section.anchor
        folder.mkdir()
        stage = Stage(folder)
        if not any("http.server 9000" in block.text for block in section.blocks):
            stage.open_upstreams()
        try:
            yield stage
        finally:
            stage.close()

    def _open_shared(self) -> Stage:
        if self._shared is None:
            folder = self._folder / "shared"
            folder.mkdir()
            self._shared = Stage(folder)
            self._shared.open_upstreams()
        return self._shared

    def close(self) -> None:
        """End what the sections share."""
        if self._shared is not None:
            self._shared.close()


def _text(block: Block, change: Change) -> str:
    """A whole document as it is written; dumped if it is changed."""
    return block.text if change is as_it_is else yaml.safe_dump(change(parsed(block)))


def _differences(stage: Stage, shell: Shell, block: Block) -> Generator[Difference, None, bool]:
    """Of each command; whether all of them ended."""
    for step in steps(block.text):
        try:
            printed, ended = stage.run(shell, step), True
        except DoesNotEnd as error:
            printed, ended = f"{error.printed}\n(and does not end)\n{stage.told()}", False
        if not ended or not matches(step.printed, printed):
            yield Difference(block.line + step.line, step.command, step.printed, printed)
        if not ended:
            return False
    return True


# ---------------------------------------------------------------- by hand


def main() -> int:
    """Run a page's sections; 1 if anything is printed otherwise."""
    parser = argparse.ArgumentParser(description="Run the examples of a page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--only", default="", metavar="WORDS", help="sections with this title")
    parser.add_argument("--write", action="store_true", help="put what is printed into the page")
    given = parser.parse_args()
    found: list[Difference] = []
    with tempfile.TemporaryDirectory() as folder:
        page = Page(given.page.read_text(), Path(folder))
        try:
            for section in page.sections:
                if has_commands(section) and given.only.lower() in section.title.lower():
                    found += _timed(page, section)
        finally:
            page.close()
    for difference in found:
        print(difference)
    if given.write:
        given.page.write_text(_written(given.page.read_text(), found))
    return 1 if found else 0


def _timed(page: Page, section: Section) -> list[Difference]:
    began = time.monotonic()
    found = list(page.run(section))
    print(f"{time.monotonic() - began:5.1f} s  {section.title}", file=sys.stderr)
    return found


def _written(text: str, differences: list[Difference]) -> str:
    """The page with what was printed in the place of what it says."""
    lines = text.splitlines(keepends=True)
    for one in sorted(differences, key=lambda difference: -difference.line):
        start = one.line - 1 + one.command.count("\n") + 1
        end = start + one.expected.count("\n")
        printed = "".join(f"{line.rstrip()}\n" for line in one.printed.splitlines())
        lines[start:end] = [f"{printed.rstrip()}\n" if printed.strip() else ""]
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
