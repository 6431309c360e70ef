"""The YAML of the examples: whole documents, and fragments that are merged into the base."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from strangler_proxy.document.text import read
from strangler_proxy.exchange.way import ways_of
from strangler_proxy.table import Table, load_table
from tests.docs.markdown import Block, Section

Part = dict[str, Any]
FRAGMENT = "fragment"  # the mark of a block that is no whole document
BASE = "base"  # the mark of the document that fragments are merged into
# Of the examples: the front door, its admin listener, with TLS; upstreams; a registry; nobody.
PORTS = (8000, 8009, 8443, 9000, 9001, 9002, 9100, 9009)
_PORT = re.compile(r"(?<![\d.])(" + "|".join(map(str, PORTS)) + r")(?!\d)")


def is_whole(block: Block) -> bool:
    """Whether the block is a document by itself."""
    return block.language == "yaml" and FRAGMENT not in block.mark


def is_fragment(block: Block) -> bool:
    """Whether it is a part of one."""
    return block.language == "yaml" and FRAGMENT in block.mark


def base_of(page: list[Section]) -> Part:
    """The document of the page that is marked as the base."""
    found = [b for section in page for b in section.blocks if is_whole(b) and BASE in b.mark]
    assert len(found) == 1, f"one block must be marked <!-- {BASE} -->, there are {len(found)}"
    return parsed(found[0])


def parsed(block: Block) -> Part:
    """Plain values. Raises TableRefused for what the format does not take."""
    values, _ = read(block.text, f"line {block.line}")
    assert isinstance(values, dict)
    return values


def merged(base: Part, fragment: Part) -> Part:
    """Mappings name by name, routes likewise; all else takes the place of what was there."""
    found = dict(base)
    for key, value in fragment.items():
        if key == "routes":
            new = {route["name"] for route in value}
            found[key] = [*(one for one in base[key] if one["name"] not in new), *value]
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            found[key] = {**base[key], **value}
        else:
            found[key] = value
    return found


def compiled(text: str, source: str) -> Table:
    """The text as the front door takes it, rules included. Raises TableRefused."""
    table = load_table(text, source)
    ways_of(table.document)
    return table


def with_ports(text: str, ports: Mapping[int, int]) -> str:
    """The text with these ports in place of those of the examples."""
    return _PORT.sub(lambda found: str(ports[int(found[1])]), text)


def without_ports(text: str, ports: Mapping[int, int]) -> str:
    """The other way round."""
    for documented, real in ports.items():
        text = re.sub(rf"(?<!\d){real}(?!\d)", str(documented), text)
    return text
