"""Reads a page of documentation: its sections, and in each the fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"#{1,6} +(.+)").fullmatch
_FENCE = re.compile(r"```(\w*)").fullmatch
_COMMENT = re.compile(r"<!-- *(.*?) *-->").fullmatch


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``mark``: the HTML comment in the line before it; ``line``: of its text."""

    language: str
    mark: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading of any level, up to the next."""

    title: str
    line: int
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """As forges make it of the title."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


def sections(page: str) -> list[Section]:
    """All sections of a page. Raises ValueError for a block that does not end."""
    found: list[Section] = []
    title, line, blocks = "", 1, list[Block]()
    lines = iter(enumerate(page.splitlines(), 1))
    before = ""
    for number, text in lines:
        heading = _HEADING(text)
        fence = _FENCE(text)
        if heading:
            found.append(Section(title, line, tuple(blocks)))
            title, line, blocks = heading[1], number, []
        elif fence:
            mark = _COMMENT(before)
            content = "".join(f"{one}\n" for one in _until_fence(lines, number))
            blocks.append(Block(fence[1], mark[1] if mark else "", content, number + 1))
        before = text
    found.append(Section(title, line, tuple(blocks)))
    return [section for section in found if section.title]


def _until_fence(lines: Iterator[tuple[int, str]], start: int) -> Iterator[str]:
    for _, text in lines:
        if text == "```":
            return
        yield text
    raise ValueError(f"the block that begins in line {start} does not end")


def tables(page: str) -> Iterator[list[str]]:
    """The cells of each row of each table, headings too."""
    for text in page.splitlines():
        if text.startswith("|") and text.endswith("|"):
            cells = re.split(r"(?<!\\)\|", text[1:-1])
            yield [cell.strip().replace("\\|", "|") for cell in cells]
