"""Edits in words: what they keep of a model's numbers, and what is said of them to those who read about an op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from nnapi_check.coverage_db.checks import wording
from nnapi_check.coverage_db.edits.edit import Keeps, edits_for
from nnapi_check.reports.terminal import Paint, wrapped

SHAPE_NOTE = "y.shape is the shape that the call gives; write its numbers."


class Keeping(Protocol):
    """What is told of an edit's numbers: as the views of reports have it."""

    @property
    def keeps(self) -> str:
        """How far the numbers stay the same."""

    @property
    def within(self) -> float | None:
        """By how much numbers move that are kept near."""

    @property
    def provided(self) -> str:
        """What must hold of the values."""


@dataclass(frozen=True, slots=True)
class KnownEdit:
    """An edit of any call of an op where ``when`` holds; without, of every call. ``says`` is it in a sentence.

    ``reads_shape`` says that the code asks for the shape of what the call gives, which a user's own code states.
    """

    id: str
    says: str
    when: str | None
    before: str
    after: str
    keeps: str
    within: float | None
    provided: str
    reads_shape: bool


def known_edits(op: str) -> tuple[KnownEdit, ...]:
    """What to write in place of calls of an op, in the order in which it is tried."""
    return tuple(
        KnownEdit(
            id=edit.id,
            says=edit.says,
            when=None if edit.when is None else wording(edit.when),
            before=edit.before.for_any_call,
            after=edit.after.for_any_call,
            keeps=edit.keeps.value,
            within=edit.within,
            provided=edit.provided,
            reads_shape=any(path.startswith("output.") for path in edit.after.quantities),
        )
        for edit in edits_for(op)
    )


def known_edit_lines(op: str) -> Iterator[str]:
    """The lines that tell what to write in place of calls of an op: none where nothing is known."""
    for edit in known_edits(op):
        yield ""
        yield from wrapped(edit.says, "  Edit: ")
        if edit.when is not None:
            yield from wrapped(edit.when, "    where  ")
        yield from code_lines(edit.before, edit.after, "    ", Paint(is_colored=False))
        if edit.reads_shape:
            yield from wrapped(SHAPE_NOTE, "    note   ")
        yield from wrapped(kept_words(edit), "    keeps  ")


def code_lines(before: str, after: str, indentation: str, paint: Paint) -> Iterator[str]:
    """What to write, with what stands there now before it. Nothing is wrapped, so that it can be copied."""
    yield from (f"{indentation}{paint.removed(f'- {line}')}" for line in before.splitlines())
    yield from (f"{indentation}{paint.added(f'+ {line}')}" for line in after.splitlines())


def kept_words(edit: Keeping) -> str:
    """What becomes of the model's numbers by an edit."""
    match Keeps(edit.keeps):
        case Keeps.EXACT:
            words = "the numbers"
        case Keeps.ROUNDING:
            words = "the numbers, but for rounding"
        case Keeps.NEAR:
            words = f"each number within {edit.within:g} here: measure the model's accuracy again"
        case Keeps.RETRAIN:
            words = "not the numbers: it is another network, to be trained again"
    return f"{words}, provided {edit.provided}" if edit.provided else words
