"""What a rendering says: its files, and a note for everything that the target cannot do alike."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How much of an option a target keeps."""

    LOST = "lost"  # nothing: the option has no effect there
    APPROXIMATED = "approximated"  # it has an effect, but not quite this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One option that a target does not do as written. ``path`` is ``$.routes[3].cache``."""

    path: str
    severity: Severity
    reason: str
    instead: str = ""

    def __str__(self) -> str:
        advice = f" Instead: {self.instead}." if self.instead else ""
        return f"{self.severity} {self.path}: {self.reason}.{advice}"


@dataclass(frozen=True, slots=True)
class Rendering:
    """Configuration of a data plane: file names relative to one folder, their text, the notes."""

    files: dict[str, str]
    notes: tuple[Note, ...]

    @property
    def lost(self) -> tuple[Note, ...]:
        """What has no effect at the target."""
        return tuple(note for note in self.notes if note.severity is Severity.LOST)


@dataclass(slots=True)
class Notes:
    """Collects notes while a target is rendered; the same note is kept once."""

    found: dict[Note, None] = field(default_factory=dict)

    def lost(self, path: str, reason: str, instead: str = "") -> None:
        """The option at ``path`` has no effect at the target."""
        note = Note(path=path, severity=Severity.LOST, reason=reason, instead=instead)
        self.found[note] = None

    def approximated(self, path: str, reason: str, instead: str = "") -> None:
        """The option at ``path`` has an effect, but not quite the one that it has here."""
        note = Note(path=path, severity=Severity.APPROXIMATED, reason=reason, instead=instead)
        self.found[note] = None

    def sorted(self) -> tuple[Note, ...]:
        """What is lost first, then by place."""
        return tuple(sorted(self.found, key=lambda note: (note.severity != "lost", note.path)))


def text_of(notes: Iterable[Note]) -> str:
    """The notes for people: those that differ only in their place share one line."""
    places: dict[tuple[Severity, str, str], list[str]] = {}
    for note in notes:
        places.setdefault((note.severity, note.reason, note.instead), []).append(note.path)
    lines = []
    for (severity, reason, instead), paths in places.items():
        more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        lines.append(f"{severity:12} {paths[0]}{more}: {reason}.")
        if instead:
            lines.append(f"{'':12} Instead: {instead}.")
    return "\n".join(lines)


def deliver(rendering: Rendering, target: str, out_dir: Path | None, *, strict: bool) -> int:
    """Write the files to ``out_dir`` (None: to stdout) and the notes to stderr.

    Returns the exit code: 0, or 3 if ``strict`` and something is lost. Raises OSError for a
    folder that cannot be written.
    """
    if out_dir is None:
        sys.stdout.write(_stream(rendering.files))
    else:
        _write(rendering.files, out_dir)
    count = Counter(note.severity for note in rendering.notes)
    summary = ", ".join(f"{count[severity]} options {severity}" for severity in Severity)
    lines = [text_of(rendering.notes)] if rendering.notes else []
    sys.stderr.write("\n".join([*lines, f"{target}: {summary}.", ""]))
    return 3 if strict and rendering.lost else 0


def _stream(files: dict[str, str]) -> str:
    """One file as it is; several each under a line with its name."""
    if len(files) == 1:
        return next(iter(files.values()))
    return "".join(f"# ---- {name}\n{text}" for name, text in files.items())


def _write(files: dict[str, str], out_dir: Path) -> None:
    for name, text in files.items():
        path = out_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
