"""What a button asks: the verb's own options, as the command line has them, and always why."""

from __future__ import annotations

from argparse import Action, ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from modules.extraction.verbs import Verb
from modules.platform.backoffice.forms import ReasonForm

ON_THIS_MACHINE = "FILE"  # what such an option names is for who sits at it, not for a browser


class ConfirmForm(ReasonForm):
    """Why, with what was looked at. ``meant`` is asked for what the command line asks, too."""

    field_order = ("reason", "meant", "token")
    meant = forms.BooleanField(required=False, widget=UnfoldBooleanWidget())
    token = forms.CharField(widget=forms.HiddenInput, max_length=4000)

    def __init__(self, verb: Verb, module: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not verb.asks:
            del self.fields["meant"]
        else:
            self.fields["meant"].required = True
            self.fields["meant"].label = f"{verb.name.capitalize()} {module}: I mean it"


class ReadField(forms.CharField):
    """Text as the command line reads it: a list of shares, a moment."""

    def __init__(self, read: Callable[[str], Any], **said: Any) -> None:
        super().__init__(**said)
        self._read = read

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return self._read(text) if text else None
        except (ArgumentTypeError, ValueError, TypeError) as error:
            raise forms.ValidationError(str(error)) from error


def options_form(verb: Verb) -> type[forms.Form]:
    """A form with a field for each of the verb's own options."""
    fields = {one.dest: _field(one) for one in _actions(verb) if one.metavar != ON_THIS_MACHINE}
    return type("OptionsForm", (forms.Form,), fields)


def options_of(verb: Verb, given: dict[str, Any]) -> dict[str, Any]:
    """All options by name as the verb takes them; what is not in ``given`` is as by default."""
    found = {}
    for one in _actions(verb):
        value = given.get(one.dest)
        if isinstance(one.default, list) and isinstance(value, str):
            value = value.split()
        if isinstance(one.default, tuple) and isinstance(value, list):
            value = tuple(value)  # as it was before it was kept as JSON
        found[one.dest] = one.default if value in (None, "") else value
    return found


def _actions(verb: Verb) -> list[Action]:
    parser = ArgumentParser(add_help=False)
    verb.arguments(parser)
    return [one for one in parser._actions if one.option_strings]


def _field(one: Action) -> forms.Field:
    label = (one.dest or "").replace("_", " ").capitalize()
    said: dict[str, Any] = {"label": label, "help_text": one.help or "", "required": one.required}
    if one.nargs == 0:
        return forms.BooleanField(
            **said | {"required": False}, initial=bool(one.default), widget=UnfoldBooleanWidget()
        )
    said["initial"] = one.default
    if one.choices is not None:
        choices = [(value, value) for value in one.choices]
        if isinstance(one.default, list):
            several = forms.CheckboxSelectMultiple()
            return forms.MultipleChoiceField(**said, choices=choices, widget=several)
        return forms.ChoiceField(**said, choices=choices, widget=UnfoldAdminSelectWidget())
    if isinstance(one.default, list):
        said |= {"initial": " ".join(one.default), "help_text": f"{one.help} With blanks between."}
    if one.type is int:
        return forms.IntegerField(**said, widget=UnfoldAdminIntegerFieldWidget())
    if one.type is float:
        return forms.FloatField(**said, widget=UnfoldAdminTextInputWidget())
    if isinstance(one.default, tuple):
        said["initial"] = ",".join(map(str, one.default))
    if callable(one.type) and one.type is not str:
        return ReadField(one.type, **said, max_length=500, widget=UnfoldAdminTextInputWidget())
    return forms.CharField(**said, max_length=500, widget=UnfoldAdminTextInputWidget())
