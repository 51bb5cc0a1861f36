"""What an import changes: one line for a reader, and whether it is taken in or left to be decided by hand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ChangeKind(Enum):
    """What becomes of something that the document says and the registry does not, or says otherwise."""

    NEW_LEVEL = "new level"
    NEW_OPERATION = "new operation"
    NEW_TYPE = "new element type"
    SIGNATURE = "changed signature"
    FACT = "changed fact"
    MEMBER = "new member"
    DISPUTED = "disputed"
    """The registry says otherwise, and keeps what it says until it is changed by hand."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between document and registry. ``suggested`` are ops that could use a new operation."""

    kind: ChangeKind
    subject: str
    words: str
    suggested: tuple[str, ...] = ()

    @property
    def is_taken(self) -> bool:
        """Whether the import takes it in."""
        return self.kind is not ChangeKind.DISPUTED
