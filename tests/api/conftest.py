"""Gives each operation's test an id of its own."""

from __future__ import annotations

import pytest
from schemathesis.pytest.plugin import SchemathesisFunction


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pytest 9.2 makes ids of a function and its parameters. Schemathesis has the operation in the
    name alone, so that all operations had one id, and xdist ran one of them.
    """
    for item in items:
        if isinstance(item, SchemathesisFunction) and item.parent is not None:
            item._id = item.parent.id.child(item.name)
