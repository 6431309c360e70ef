"""Every option of a document changes what is rendered, or is reported as lost."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from strangler_proxy.config import Document
from strangler_proxy.document.checks import document_findings
from strangler_proxy.render import Note, Severity, Target, render
from strangler_proxy.render.envoy import bootstrap
from strangler_proxy.render.gateway_api import resources
from strangler_proxy.render.nginx import configuration
from tests.proxy.render.documents import TOGETHER, WALKED, Variant, full, options, variants

# A note at one of these says something of its own; it does not stand for all that is below.
TOO_WIDE = re.compile(r"\$|\$\.(routes|listen|upstreams|capabilities)(\[\d+\]|\.\w+)?")


def covers(note: Note, variant: Variant) -> bool:
    """Whether a note speaks of an option, or of something below one that is left out.

    What an approximated part has in common with its options says nothing of any one of them.
    """
    path = variant.path
    if note.path == path or (variant.gone and note.path.startswith(f"{path}.")):
        return True
    below = path.startswith((f"{note.path}.", f"{note.path}["))
    return below and note.severity is Severity.LOST and TOO_WIDE.fullmatch(note.path) is None


def silent(target: Target, whole: Document, found: list[Variant]) -> list[str]:
    """Options whose other value changes nothing and is reported nowhere as lost."""
    before = render(whole, target)
    quiet = []
    for variant in found:
        after = render(variant.document, target)
        if after.files == before.files:
            notes = (*before.notes, *after.notes)
            if not any(covers(note, variant) for note in notes):
                quiet.append(variant.path)
    return quiet


def test_the_document_of_the_test_is_whole() -> None:
    """The document with every option would be accepted by the front door."""
    assert [str(finding) for finding in document_findings(full())] == []


def test_every_option_has_another_value() -> None:
    """An option that is new in the document must be put into the test, too."""
    tried = {variant.option for variant in variants(full())}
    known = set(options())
    assert known - tried == WALKED | set(TOGETHER)
    assert set(TOGETHER.values()) <= tried


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written counts here, not how: writing YAML would take ten times as long."""
    for module in (bootstrap, resources):
        monkeypatch.setattr(module, "yaml_text", lambda many: msgspec.json.encode(many).decode())


@pytest.mark.parametrize("target", list(Target))
def test_no_option_is_dropped_in_silence(target: Target) -> None:
    """Each option with another value changes the files, or a note says that it is lost."""
    assert silent(target, full(), variants(full())) == []


def test_an_option_that_is_dropped_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: a target that forgets its notes is caught."""
    monkeypatch.setattr(configuration, "report", lambda document, notes: None)
    breakers = [one for one in variants(full()) if one.option == "Breaker.ratio"]
    assert silent(Target.NGINX, full(), breakers) == ["$.upstreams.shop.breaker.ratio"]


@pytest.mark.parametrize("target", list(Target))
def test_notes_name_options_that_exist(target: Target) -> None:
    """Every note leads to a place of the document, and says why in one sentence."""
    for note in render(full(), target).notes:
        value = value_at(full(), note.path)
        assert value is not None
        assert note.reason
        assert not note.reason.endswith(".")
        assert not note.instead.endswith(".")
        assert note.severity in Severity


def value_at(value: Any, path: str) -> Any:
    """What stands at ``$.routes[3].cache``; fails if nothing can."""
    for word in re.findall(r"\w+", path.replace("-", "_")):
        if isinstance(value, dict):
            value = value[word]
        elif isinstance(value, tuple):
            value = value[int(word)]
        else:
            value = getattr(value, word)
    return value
