"""Writes a host's files, or says which differ from what would be written."""

from __future__ import annotations

from pathlib import Path

from modules.platform.boundaries import closure_files
from modules.platform.boundaries.closure import NotStandalone, find_closure
from shop.scaffolding.files import CLOSURE, HostFiles, host_files

PROGRAMS = frozenset({"manage.py"})


def differing(files: HostFiles) -> tuple[str, ...]:
    """The paths whose text is not what it should be, or that are missing."""
    return tuple(
        path
        for path, text in sorted(files.texts.items())
        if not (files.folder / path).exists() or (files.folder / path).read_text() != text
    )


def scaffold(module: str, *, root: Path, folder: Path) -> tuple[str, ...]:
    """Write the host of ``module`` and its closure; the paths written.

    Raises CannotHost, NotPinned, OSError, and what finding the closure raises.
    """
    written = write(host_files(module, root=root, folder=folder))
    tree = folder.parent.parent
    found = find_closure(module, tree)
    if found.violations:
        raise NotStandalone(module, found.violations)
    if closure_files.write(tree, found):
        written = (*written, CLOSURE)
    # The Dockerfile copies what the closure has.
    again = write(host_files(module, root=root, folder=folder))
    return tuple(dict.fromkeys((*written, *again)))


def write(files: HostFiles) -> tuple[str, ...]:
    """Write what differs; the paths written. Raises OSError."""
    written = differing(files)
    for path in written:
        target = files.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(files.texts[path])
        if path in PROGRAMS:
            target.chmod(0o755)
    package = files.folder.parent / "__init__.py"
    if not package.exists():
        package.write_text(
            '"""Standalone hosts, one module each; ``manage.py scaffold_host`` writes them."""\n'
        )
    return written
