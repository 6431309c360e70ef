"""Whether caller and instance get along, told by their contracts."""

from __future__ import annotations

import dataclasses
import json

import pytest

from modules.platform.contracts.schema import FieldShape, load
from modules.platform.discovery.compatibility import BadSchema, fingerprint_of
from tests.platform.discovery.serving import (
    FINGERPRINT,
    PAYMENT,
    changed,
    contracts,
    incompatible,
    newer,
)


def _why_not(fingerprint: str, schema: str) -> str:
    book = contracts()
    book.judge("payment", fingerprint, schema)
    return book.why_not("payment", fingerprint)


def test_fingerprint_is_of_what_the_contract_says_not_of_its_layout() -> None:
    """The order of members and spaces does not matter; every word does."""
    shuffled = json.dumps(dict(reversed(json.loads(PAYMENT).items())))

    assert fingerprint_of(shuffled) == ("payment", FINGERPRINT)
    assert newer()[0] != FINGERPRINT
    assert incompatible()[0] != FINGERPRINT


def test_same_contract_needs_no_comparison() -> None:
    """Nor does an instance that has not said which it serves, or a module without a contract."""
    book = contracts()
    for module, fingerprint in (("payment", FINGERPRINT), ("payment", ""), ("nobody", "a" * 32)):
        assert book.is_judged(module, fingerprint)
        assert book.why_not(module, fingerprint) == ""


def test_unknown_contract_is_not_guessed_about() -> None:
    """Until its schema was read."""
    book = contracts()
    assert not book.is_judged("payment", "a" * 32)
    assert "not known here yet" in book.why_not("payment", "a" * 32)


def test_newer_and_older_contracts_that_only_add_get_along() -> None:
    """A rollout meets both: an instance with one error more, and one with one method less."""
    assert _why_not(*newer()) == ""
    methods = dict(load(PAYMENT).methods)
    methods.pop(sorted(methods)[0])
    assert _why_not(*changed(methods=methods)) == ""


def test_changed_result_and_new_required_field_do_not() -> None:
    """In either direction somebody would not understand."""
    assert "and returns boolean" in _why_not(*incompatible())

    commands = dict(load(PAYMENT).commands)
    name = sorted(commands)[0]
    commands[name] = {**commands[name], "purpose": FieldShape(type="string")}
    commands.pop(sorted(commands)[1])
    assert _why_not(*changed(commands=commands)) != ""


def test_events_are_no_matter_of_calls() -> None:
    """They travel by the bus, which has versions for them."""
    events = {
        name: dataclasses.replace(shape, key="other", fields={})
        for name, shape in load(PAYMENT).events.items()
    }
    assert _why_not(*changed(events=events)) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"module": 7}', "[" * 100_000])
def test_text_that_is_no_contract(text: str) -> None:
    """Whatever somebody sent."""
    with pytest.raises(BadSchema):
        fingerprint_of(text)


def test_schema_that_is_not_what_its_fingerprint_says() -> None:
    """A registry that mixes them up is not believed."""
    with pytest.raises(BadSchema, match="is not the contract"):
        contracts().judge("payment", FINGERPRINT, newer()[1])
