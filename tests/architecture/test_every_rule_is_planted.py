"""No check is one that cannot fail: each rule that the code knows appears in a planted test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
BOUNDARIES = ROOT / "modules/platform/boundaries"
PLACES = (ROOT / "tests/architecture", ROOT / "tests/platform/boundaries")

# In code: rule="...", or the first text of a judgement; purity rules are named for their room.
_RULE = re.compile(r'rule="([a-z-]+)"|^\s+"([a-z]+-[a-z-]+|layers|rooms)",$', re.MULTILINE)
_PURITIES = {"contract-purity", "module-purity", "domain-purity", "phases-purity"}


def _rules() -> set[str]:
    found = set(_PURITIES)
    for path in BOUNDARIES.glob("*.py"):
        found |= {one or other for one, other in _RULE.findall(path.read_text())}
    return found


def test_rules_are_found_in_the_code() -> None:
    """The search for rules finds those that are known to exist."""
    assert {"layers", "rooms", "contract-only", "foreign-key", "schema-drift"} <= _rules()


@pytest.mark.parametrize("rule", sorted(_rules()))
def test_rule_has_a_planted_violation(rule: str) -> None:
    """Some test asserts that this rule fails."""
    tests = [path for place in PLACES for path in place.glob("test_*.py")]
    texts = [path.read_text() for path in tests if path.name != Path(__file__).name]

    assert any(f'"{rule}"' in text for text in texts)
