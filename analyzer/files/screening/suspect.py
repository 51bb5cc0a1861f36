"""What is said of a file that is not opened unless its maker is trusted."""

from __future__ import annotations


class SuspectError(Exception):
    """A file holds ``found``, which cannot be shown to be harmless; ``wanted`` says what could."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"holds {found}; wanted {wanted}")
        self.found = found
