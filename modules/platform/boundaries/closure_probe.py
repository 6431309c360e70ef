"""A program that tells what a host's Django finds by name; ``closure_of_host.py`` runs it.

Run by its path, with the project's root as working directory and DJANGO_SETTINGS_MODULE set; it
needs nothing of this tree, for it may not be the tree that is looked at. Prints one line: a JSON
list of [dotted name, where it comes from]. Starts no server and connects to none.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

TOPS = ("modules", "shop", "extracted", "strangler_proxy")
_NAME = re.compile(rf"({'|'.join(TOPS)})(\.[A-Za-z_]\w*)+(:\w+)?")
Found = tuple[str, str]


def everything(root: Path) -> set[Found]:
    """All that is found, once the host's apps are there and what Django loads late is loaded."""
    import django

    django.setup()
    found = {*in_settings(), *in_apps(), *in_folders(root)}
    _load_migrations()
    return found | {(name, "loaded") for name in list(sys.modules) if _is_ours(name)}


def in_settings() -> Iterator[Found]:
    """Dotted names anywhere in the settings; the addresses and the entrance are loaded too."""
    from django.conf import settings

    for name in filter(str.isupper, dir(settings)):
        for text in _texts(getattr(settings, name)):
            if _NAME.fullmatch(text):
                yield text.partition(":")[0], name
    if getattr(settings, "ROOT_URLCONF", None):
        import_module(settings.ROOT_URLCONF)
    for name in ("WSGI_APPLICATION", "ASGI_APPLICATION"):
        if path := getattr(settings, name, None):
            import_module(path.rpartition(".")[0])


def in_apps() -> Iterator[Found]:
    """The installed apps; their commands are loaded, as ``manage.py`` would one by one."""
    from django.apps import apps
    from django.core.management import find_commands

    for app in apps.get_app_configs():
        if _is_ours(app.name):
            yield app.name, "INSTALLED_APPS"
            for command in find_commands(str(Path(app.path) / "management")):
                import_module(f"{app.name}.management.commands.{command}")


def in_folders(root: Path) -> Iterator[Found]:
    """Folders of templates, static files and translations below ``root``, as dotted names."""
    for place, where in _folders():
        path = Path(place).resolve()
        if path.is_relative_to(root) and path != root:
            parts = path.relative_to(root).parts
            if not any(part.startswith(".") for part in parts):
                yield ".".join(parts), where


def _folders() -> Iterator[Found]:
    from django.apps import apps
    from django.conf import settings
    from django.contrib.staticfiles import finders
    from django.template.utils import get_app_template_dirs

    for folder in get_app_template_dirs("templates"):
        yield str(folder), "templates"
    for engine in settings.TEMPLATES:
        for named in engine.get("DIRS", ()):
            yield str(named), "TEMPLATES"
    for locale in settings.LOCALE_PATHS:
        yield str(locale), "LOCALE_PATHS"
    if apps.is_installed("django.contrib.staticfiles"):
        for finder in finders.get_finders():
            for storage in getattr(finder, "storages", {}).values():
                yield str(storage.location), "static files"


def _load_migrations() -> None:
    from django.conf import settings
    from django.db.migrations.loader import MigrationLoader

    if settings.DATABASES:
        MigrationLoader(None)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in (*value, *value.values()):
            yield from _texts(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _texts(one)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in TOPS


if __name__ == "__main__":
    # By its path Python puts this folder first, where ``graph`` and ``source`` are names of ours.
    sys.path[0] = os.getcwd()
    sys.stdout.write(json.dumps(sorted(everything(Path.cwd().resolve()))) + "\n")
