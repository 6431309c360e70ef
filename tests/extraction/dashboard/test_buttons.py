"""Which verbs are buttons, and what each asks: as the command line has it. No database."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

import pytest
from django import forms

from modules.extraction.dashboard.buttons import buttons_for, verb_named
from modules.extraction.dashboard.forms import options_form, options_of
from modules.extraction.phases import Phase, Standing, Transition
from modules.extraction.verbs import VERBS, Verb


@pytest.mark.parametrize("name", sorted(name for name in VERBS if verb_named(name)))
def test_every_verb_has_the_options_of_the_command_line(name: str) -> None:
    """A field for each but files of this machine; by default the values of the command line."""
    verb = verb_named(name)
    assert isinstance(verb, Verb)
    parser = ArgumentParser()
    verb.arguments(parser)
    fields = options_form(verb)().fields
    wanted = {one.dest for one in parser._actions if one.dest != "help" and one.metavar != "FILE"}
    assert set(fields) == wanted
    required = {one.dest for one in parser._actions if one.required}
    assert {key for key, one in fields.items() if one.required} == required
    options = options_of(verb, {})
    assert {key: value for key, value in options.items() if key not in required} == {
        key: parser.get_default(key) for key in options if key not in required
    }


def test_files_of_the_machine_are_not_asked_for() -> None:
    """create --database FILE is for who sits at it."""
    create = verb_named("create")
    assert create is not None
    assert options_form(create)().fields == {}
    assert options_of(create, {}) == {"database": ""}


def test_lists_are_given_with_blanks() -> None:
    """shadow --show A --show B is one field."""
    shadow = verb_named("shadow")
    assert shadow is not None
    form: Any = options_form(shadow)({"percent": "5", "show": "email name", "learn": "1.5"})
    assert form.is_valid(), form.errors
    chosen = options_of(shadow, form.cleaned_data)
    assert (chosen["show"], chosen["percent"], chosen["learn"]) == (["email", "name"], 5, 1.5)
    assert isinstance(form.fields["percent"], forms.IntegerField)


def test_shares_are_read_as_the_command_line_reads_them() -> None:
    """run --steps 5,25: a tuple, also after it was kept as JSON; what is none is said."""
    run = verb_named("run")
    assert run is not None
    form: Any = options_form(run)({"steps": "5,25", "hold": "2", "longest": "0"})
    assert form.is_valid(), form.errors
    chosen = options_of(run, form.cleaned_data)
    assert chosen["steps"] == (5, 25)
    assert options_of(run, json.loads(json.dumps(chosen))) == chosen
    wrong: Any = options_form(run)({"steps": "some", "hold": "2", "longest": "0"})
    assert "is no list of shares" in str(wrong.errors["steps"])


def test_several_of_a_list_are_ticked() -> None:
    """run --skip A --skip B are boxes; none is the default."""
    run = verb_named("run")
    assert run is not None
    given = {"steps": "5", "hold": "2", "longest": "0", "to": "watch"}
    seconds = {"shadow": "1", "watch": "1", "wait": "1"}
    offered = [value for value, _ in options_form(run)().fields["skip"].choices]  # type: ignore[attr-defined]
    for ticked in ([], offered[:1], offered):
        form: Any = options_form(run)({**given, **seconds, "skip": ticked})
        assert form.is_valid(), form.errors
        assert options_of(run, form.cleaned_data)["skip"] == ticked


class Everybody:
    """May everything."""

    def has_perm(self, name: str) -> bool:
        return True


@pytest.mark.parametrize(
    ("phase", "paused", "there", "absent"),
    [
        (Phase.MONOLITH, False, {"create", "doctor"}, {"backfill", "pause", "cutover", "cancel"}),
        (Phase.SHADOW, False, {"backfill", "verify", "pause", "cutover", "cancel"}, {"resume"}),
        (Phase.SHADOW, True, {"resume", "verify"}, {"pause", "backfill", "repair"}),
        (Phase.CANARY, False, {"canary", "rollback", "cutover"}, {"cancel", "create"}),
        (
            Phase.EXTRACTED,
            False,
            {"rollback", "verify", "repair"},
            {"cutover", "backfill", "create"},
        ),
    ],
)
def test_buttons_that_fit(phase: Phase, paused: bool, there: set[str], absent: set[str]) -> None:
    """What leads on from the phase is offered, what cannot be is not."""
    found = buttons_for(Everybody(), Standing(phase=phase, paused=paused))
    names = {one.name for one in found}
    assert there <= names
    assert not absent & names
    assert all(one.leads_on == (one.name in set(Transition)) for one in found)
    assert "watch" not in names
