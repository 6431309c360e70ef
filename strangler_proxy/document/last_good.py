"""The last good table on disk: what a front door starts with if nobody tells it better."""

from __future__ import annotations

import os
from pathlib import Path

from strangler_proxy.config import Document
from strangler_proxy.document.loading import dump, load_file

NAME = "table.json"


class LastGood:
    """In the folder ``state`` of the document; without one nothing is kept."""

    def __init__(self, folder: str | None) -> None:
        self._path = Path(folder) / NAME if folder else None

    def save(self, document: Document) -> None:
        """Whole or not at all, also when the power fails. Raises OSError."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        import tempfile  # which takes a while to load, and most keep nothing

        descriptor, draft = tempfile.mkstemp(dir=self._path.parent, prefix=f".{NAME}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(dump(document))
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    def read(self) -> Document | None:
        """What was saved, None if nothing was. Raises TableRefused if it is not readable."""
        if self._path is None or not self._path.exists():
            return None
        return load_file(self._path)
