"""A document's lines with their numbers, and the error that names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError


class HeaderError(UserError):
    """A document cannot be imported. The message says what was found, what was wanted, and in which line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document and its number, from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document's lines, and the name that errors give it."""

    name: str
    lines: tuple[Line, ...]

    def fail(self, number: int, problem: str) -> HeaderError:
        """The error to raise for a line."""
        return HeaderError(f"{self.name}, line {number}: {problem}")


_LARGEST_BYTES = 16 * 1024 * 1024


def read_bytes(path: Path) -> bytes:
    """The bytes of a document; raises ``HeaderError`` where they cannot be read or are not a document's."""
    try:
        if path.is_file() and path.stat().st_size > _LARGEST_BYTES:
            raise HeaderError(f"{path} is larger than {_LARGEST_BYTES:,} bytes; it is not a header")
        data = path.read_bytes()
    except OSError as error:
        raise HeaderError(f"{path} cannot be read: {error.strerror}") from error
    if not data.strip():
        raise HeaderError(f"{path} is empty")
    return data


def read_document(path: Path, data: bytes) -> Document:
    """The lines of a document's bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(f"{path} is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}") from error
    if "\0" in text:
        raise HeaderError(f"{path} is not text: it holds zero bytes")
    # A header's lines end where its compiler ends them; splitlines() would also break at form feeds and the like.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Document(path.name, tuple(Line(number, line) for number, line in enumerate(lines, 1)))
