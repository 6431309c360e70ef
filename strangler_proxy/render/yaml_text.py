"""Writes YAML for people: in the given order, and what occurs twice twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from strangler_proxy.document.fastest import Dumper


class _Dumper(Dumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def yaml_text(documents: Iterable[dict[str, Any]]) -> str:
    """One YAML document after the other."""
    return str(yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=100))
