"""Which options the guide's examples use, and of which they would notice that they have no effect.

    python -m tests.docs.proofs             # runs every example once for each option; ten minutes
    python -m tests.docs.proofs retries     # only in sections whose title has this

An option is proved by a section when its examples print something else without it; one that cannot
be left out, when they do with another value (``otherwise``). What was found is kept in
``proofs.txt``; that is for people who read the reference, and no test relies on it.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from msgspec import inspect

from strangler_proxy.config import Document
from strangler_proxy.errors import TableRefused
from tests.docs.documents import Part, base_of, compiled, is_fragment, is_whole, merged, parsed
from tests.docs.markdown import Block, Section, sections
from tests.docs.otherwise import otherwise
from tests.docs.running import GUIDE, Page, has_commands

FOUND = Path(__file__).parent / "proofs.txt"
PAGES = (GUIDE, GUIDE.with_name("proxy-operating.md"))
Visit = Callable[[str, dict[str, Any], str], None]


@dataclass(frozen=True, slots=True)
class Proofs:
    """Links to sections, by option; ``used`` has one for each option of an example."""

    proved: dict[str, str]
    used: dict[str, str]

    @classmethod
    def read(cls) -> Proofs:
        """Of the pages and of what was found."""
        used: dict[str, str] = {}
        for page in PAGES:
            for section in sections(page.read_text()):
                for option in sorted(options_of(section)):
                    used.setdefault(option, link(page, section.title, section.anchor))
        lines = FOUND.read_text().splitlines() if FOUND.exists() else []
        return cls(dict(line.split(" ", 1) for line in lines), used)

    def shown(self, option: str) -> str:
        """The cell of the reference."""
        if option in self.proved:
            return f"**{self.proved[option]}**"
        return self.used.get(option, "")


def link(page: Path, title: str, anchor: str) -> str:
    """To a section of a page."""
    return f"[{title}]({page.name}#{anchor})"


def options_of(section: Section) -> set[str]:
    """The options in a section's documents, as ``Listen.address``."""
    found: set[str] = set()
    for block in section.blocks:
        if is_whole(block) or is_fragment(block):
            walk(parsed(block), lambda option, _holder, _name: found.add(option))
    return found


def walk(document: Part, visit: Visit) -> None:
    """Call ``visit(option, holder, name)`` for each option that plain values have."""
    _walk(inspect.type_info(Document), document, visit)


def _walk(info: Any, value: Any, visit: Visit) -> None:
    match info:
        case inspect.Metadata(inner):
            _walk(inner, value, visit)
        case inspect.UnionType(types):
            for one in types:
                _walk(one, value, visit)
        case inspect.VarTupleType(item) if isinstance(value, list):
            for one in value:
                _walk(item, one, visit)
        case inspect.DictType(_, inner) if isinstance(value, dict):
            for one in value.values():
                _walk(inner, one, visit)
        case inspect.StructType(cls) if isinstance(value, dict):
            _walk_part(cls.__name__, info.fields, value, visit)


def _walk_part(part: str, fields: Iterable[Any], value: Part, visit: Visit) -> None:
    for field in fields:
        if field.name in value:  # still: a visit may take away others beside its own
            _walk(field.type, value[field.name], visit)
            visit(f"{part}.{field.name}", value, field.name)


def changes(option: str) -> list[Callable[[Part], Part]]:
    """Of documents: the option is at its default wherever it stood; or it has another value."""

    def change(alter: Callable[[Part, dict[str, Any], str], None]) -> Callable[[Part], Part]:
        def changed(document: Part) -> Part:
            copied = copy.deepcopy(document)

            def visit(found: str, holder: dict[str, Any], name: str) -> None:
                if found == option:
                    alter(copied, holder, name)

            walk(copied, visit)
            return copied

        return changed

    def drop(_document: Part, holder: dict[str, Any], name: str) -> None:
        del holder[name]

    other = otherwise(option)
    return [change(drop), change(other)] if other else [change(drop)]


# ---------------------------------------------------------------- finding out


def prove(page: Path, only: str, said: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Options and links to the sections that prove them."""
    base = base_of(sections(GUIDE.read_text()))
    for section in sections(page.read_text()):
        if not has_commands(section) or only not in section.title.lower():
            continue
        for option in sorted(options_of(section)):
            change = next((one for one in changes(option) if _is_taken(section, one, base)), None)
            if change is None:
                said(f"?       {option}  {section.title}")
                continue
            proved = _differs(page, section, change)
            said(f"{'proved' if proved else '      '}  {option}  {section.title}")
            if proved:
                yield option, link(page, section.title, section.anchor)


def _is_taken(section: Section, change: Callable[[Part], Part], base: Part) -> bool:
    """Whether the section's documents are still right, and not all as they were."""
    before = [
        _whole(block, base) for block in section.blocks if is_whole(block) or is_fragment(block)
    ]
    after = [change(document) for document in before]
    try:
        for document in after:
            compiled(yaml.safe_dump(document), "changed")
    except TableRefused:
        return False
    return before != after


def _whole(block: Block, base: Part) -> Part:
    return parsed(block) if is_whole(block) else merged(base, parsed(block))


def _differs(page: Path, section: Section, change: Callable[[Part], Part]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        running = Page(page.read_text(), Path(folder))
        try:
            return any(running.run(section, change))
        except AssertionError:
            return True  # it does not even start, or does not end
        finally:
            running.close()


def main() -> None:
    """Find out, and keep it."""
    only = " ".join(sys.argv[1:]).lower()
    lines = FOUND.read_text().splitlines() if FOUND.exists() else []
    before = [line.split(" ", 1) for line in lines]
    kept = {one: where for one, where in before if only not in where.partition("]")[0].lower()}
    found: dict[str, str] = {}
    for page in PAGES:
        for option, where in prove(page, only, _say):
            found.setdefault(option, where)
    every = sorted({**found, **kept}.items())
    FOUND.write_text("".join(f"{option} {where}\n" for option, where in every))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
