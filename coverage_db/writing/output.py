"""The one way in which anything is written: a file is replaced whole or not at all, and nothing else is harmed.

A link is followed, and what it leads to is replaced. A pipe, a socket or a device that takes characters is written
through where the format can be read as a stream, and refused where it cannot; a folder, a disk, an input of the same
command and what the command's own output goes to are never replaced. It lies in the lowest layer, for all layers write.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.writing.unfinished import unfinished

_SYNCED_BYTES = 32 << 20
"""Up to this size a file is put on the disk before its name is; for a larger one that would take seconds."""


class OutputError(UserError):
    """An output cannot be written: the message names it and says why. What was there before is still there."""


class Format(Enum):
    """Whether what is written can be read as a stream, as texts can, or only as a file."""

    STREAM = "stream"
    FILE = "file"


class _Through(Enum):
    """What takes an output as a stream, so that nothing is replaced."""

    STANDARD_STREAM = "what this command's own output goes to"
    PIPE = "a pipe"
    SOCKET = "a socket"
    CHARACTER_DEVICE = "a device"


_THROUGH = {stat.S_IFIFO: _Through.PIPE, stat.S_IFSOCK: _Through.SOCKET, stat.S_IFCHR: _Through.CHARACTER_DEVICE}


def check_output(path: Path, form: Format, inputs: Iterable[Path] = (), others: Iterable[Path] = ()) -> None:
    """Raise ``OutputError`` where nothing can be written to ``path``, before any work is done.

    ``inputs`` are the files that the command reads, and ``others`` those that it writes as well.
    """
    with writing(path):
        place = _place(path, form, inputs)
        if isinstance(place, Path) and any(_same(place, other) for other in others):
            raise OutputError(f"{path} is named for two outputs; name another file for one of them")


def write_text(path: Path, text: str, inputs: Iterable[Path] = ()) -> None:
    """Write a text. Raises ``OutputError``."""
    # A file's name need not be text, and it may be told in one.
    data = text.encode("utf-8", errors="replace")
    with writing(path):
        match _place(path, Format.STREAM, inputs):
            case Path():
                write_whole(path, data, inputs)
            case _Through() as through:
                _send(path, through, data)


def write_whole(path: Path, data: bytes, inputs: Iterable[Path] = ()) -> None:
    """Put ``data`` at ``path``: a reader finds the old file or the new one, never a part. Raises ``OutputError``."""
    with replaced(path, inputs) as draft, writing(path):
        draft.write_bytes(data)


@contextmanager
def replaced(path: Path, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """A file to write to, with the name of ``path``, which takes its place at the end. Raises ``OutputError``.

    Where anything is raised before, what was at ``path`` is as it was.
    """
    with ExitStack() as open_folders:
        with writing(path):
            place = _place(path, Format.FILE, inputs)
            if not isinstance(place, Path):
                raise OutputError(f"{path} cannot be written: it is {place.value}")
            draft = open_folders.enter_context(unfinished(place.parent)) / place.name
        yield draft
        with writing(path):
            _put(draft, place)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell what the system says of writing to ``path`` as an ``OutputError``."""
    if not _is_name(path):
        raise OutputError(f"{os.fspath(path)!r} cannot be written: it is no name of a file")
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _is_name(path: Path) -> bool:
    """Whether the system can be asked for it: not with a null character, nor with one that names cannot hold."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def place_of(path: Path) -> Path:
    """Where ``path`` leads, after all links, whether something is there or not. Raises ``OutputError``."""
    with writing(path):
        with suppress(FileNotFoundError, NotADirectoryError):
            path.stat()
        return Path(os.path.realpath(path))


def check_parent(path: Path, place: Path) -> None:
    """Raise ``OutputError`` where nothing can be put into the folder of ``place``."""
    parent = place.parent
    if not parent.is_dir():
        words = "is no folder" if parent.exists() else "does not exist"
        raise OutputError(f"{path} cannot be written: the folder {parent} {words}")
    if not _may(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: the folder {parent} is not writable")


def _place(path: Path, form: Format, inputs: Iterable[Path]) -> Path | _Through:
    """The file to replace, or what to write through."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        place = Path(os.path.realpath(path))
        check_parent(path, place)
        return place
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise OutputError(f"{path} is a folder; name a file to write to")
    if any(_same(path, source) for source in inputs):
        raise OutputError(f"{path} is read by this command; name another file to write to")
    is_standard = _standard_stream(found) is not None
    if kind == stat.S_IFREG and not is_standard:
        place = Path(os.path.realpath(path))
        check_parent(path, place)
        if not _may(place, os.W_OK):
            raise OutputError(f"{path} cannot be written: it is write-protected")
        return place
    through = _Through.STANDARD_STREAM if is_standard else _THROUGH.get(kind)
    if through is None:
        raise OutputError(f"{path} is a disk, which would be overwritten; name a file to write to")
    if form is Format.FILE:
        raise OutputError(f"{path} is {through.value}, where this cannot be written; name a file to write to")
    if through in (_Through.PIPE, _Through.CHARACTER_DEVICE) and not _may(path, os.W_OK):
        raise OutputError(f"{path} cannot be written: it is write-protected")
    return through


def _may(path: Path, rights: int) -> bool:
    return os.access(path, rights, effective_ids=os.access in os.supports_effective_ids)


def _standard_stream(found: os.stat_result) -> int | None:
    """The descriptor of the standard output or error stream that a file or a socket is. Others can be opened anew."""
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISSOCK(found.st_mode)):
        return None
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    return None


def _same(path: Path, other: Path) -> bool:
    """Whether two names lead to one file, through links of either kind; both may be new."""
    try:
        return path.samefile(other)
    except OSError:
        return os.path.realpath(path) == os.path.realpath(other)


def _put(draft: Path, place: Path) -> None:
    """Give a finished file its name, and the rights and the owner of the one that it replaces."""
    handle = os.open(draft, os.O_RDONLY)
    try:
        if os.fstat(handle).st_size <= _SYNCED_BYTES:
            os.fsync(handle)
        with suppress(FileNotFoundError):
            before = place.stat()
            if not stat.S_ISREG(before.st_mode):
                raise OutputError(f"{place} is no file any more; nothing was written")
            with suppress(OSError):
                os.chown(handle, before.st_uid, before.st_gid)
            os.chmod(handle, stat.S_IMODE(before.st_mode) & 0o777)
    finally:
        os.close(handle)
    draft.replace(place)


def _send(path: Path, through: _Through, data: bytes) -> None:
    match through:
        case _Through.STANDARD_STREAM:
            sys.stdout.flush()
            descriptor = _standard_stream(path.stat())
            if descriptor is not None:
                _send_all(os.dup(descriptor), data)
        case _Through.SOCKET:
            import socket

            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.connect(os.fspath(path))
                connection.sendall(data)
        case _Through.PIPE | _Through.CHARACTER_DEVICE:
            # Not created where it is gone meanwhile, and not what a process is controlled by.
            _send_all(os.open(path, os.O_WRONLY | os.O_NOCTTY), data)


def _send_all(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as stream:
        stream.write(data)
