"""What tells the file of a model from every other: its size and its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nnapi_check.reports.views import FileView


def file_view(path: Path) -> FileView | None:
    """The size and hash of a file, None for what is no plain file or can be read no more."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return FileView(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return None
