"""The directory of a zip archive, read by one strict reading.

Readers of zip archives differ in what they make of odd ones. What is accepted here has one meaning for all of them: a
single directory at the very end, members that lie apart from each other and whose local headers agree with it, and
names that differ by more than case, for PyTorch takes two that do not for the same.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from nnapi_check.analyzer.files.screening.suspect import SuspectError

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_NARROW = 0xFFFFFFFF
_EXTRA_64 = 1
_ENCRYPTED = 0x1
_MAX_MEMBERS = 1 << 20
_MAX_INFLATED = 64 << 20
_MAX_GROWTH = 32
"""What is compressed is text, which does not grow more than that; a file of a few bytes may all the same."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: where its bytes start in the file, how many are stored, and what they stand for."""

    name: str
    header: int
    start: int
    stored_size: int
    size: int
    checksum: int
    method: int

    @property
    def is_compressed(self) -> bool:
        """Whether the stored bytes are compressed."""
        return self.method == zipfile.ZIP_DEFLATED


def read_directory(data: mmap.mmap | bytes) -> dict[str, Member]:
    """The members of an archive by name, in the directory's order.

    Raises `zipfile.BadZipFile` for what is damaged.
    """
    try:
        count, size, start = _end_of(data)
        members = list(_entries(data, count, start, start + size))
    except struct.error as error:
        raise zipfile.BadZipFile("its directory is damaged") from error
    _check_places(members, start)
    found = {member.name: member for member in members}
    if len(found) != len(members):
        raise zipfile.BadZipFile("it has two members of one name")
    return found


def check_members(members: Collection[Member], file_size: int) -> None:
    """Raise `SuspectError` for members that readers take for one another, or that grow beyond measure."""
    names: set[bytes] = set()
    for member in members:
        _check_name(member.name)
        # PyTorch's reader finds members without regard to the case of ASCII letters.
        key = member.name.encode().lower()
        if key in names:
            raise SuspectError(f"two members named {member.name[:80]!r}", "names that differ by more than case")
        names.add(key)
    inflated = sum(member.size for member in members if member.is_compressed)
    if inflated > _MAX_INFLATED and inflated > _MAX_GROWTH * file_size:
        raise SuspectError(
            f"compressed members that grow from {file_size:,} bytes to {inflated:,}",
            f"at most {_MAX_GROWTH} times the file's size",
        )


def _end_of(data: mmap.mmap | bytes) -> tuple[int, int, int]:
    """The number of members, and the size and place of the directory."""
    at = len(data) - _END.size
    if at < 0 or data[at : at + 4] != b"PK\5\6":
        raise zipfile.BadZipFile("it has no directory at its end")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(data, at)
    locator = at - _LOCATOR_64.size
    end = at
    if locator >= 0 and data[locator : locator + 4] == b"PK\6\7":
        _, _, end, _ = _LOCATOR_64.unpack_from(data, locator)
        if end != locator - _END_64.size or data[end : end + 4] != b"PK\6\6":
            raise zipfile.BadZipFile("its directory is damaged")
        _, _, _, _, disk, first_disk, here, count, size, start = _END_64.unpack_from(data, end)
    if comment or disk or first_disk or here != count or start + size != end or count > _MAX_MEMBERS:
        raise zipfile.BadZipFile("its directory is damaged")
    return count, size, start


def _entries(data: mmap.mmap | bytes, count: int, start: int, end: int) -> Iterator[Member]:
    at = start
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise zipfile.BadZipFile("its directory is damaged")
        fields = _CENTRAL.unpack_from(data, at)
        signature, _, _, flags, method, _, _, checksum, stored_size, size, *lengths = fields
        name_length, extra_length, comment_length, _, _, _, header = lengths
        names = at + _CENTRAL.size
        extra = data[names + name_length : names + name_length + extra_length]
        if signature != b"PK\1\2" or flags & _ENCRYPTED or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("its directory is damaged")
        size, stored_size, header = _widened(size, stored_size, header, extra)
        raw_name = data[names : names + name_length]
        yield Member(
            _text_of(raw_name),
            header,
            _start_of(data, header, raw_name, start),
            stored_size,
            size,
            checksum,
            method,
        )
        at = names + name_length + extra_length + comment_length
    if at != end:
        raise zipfile.BadZipFile("its directory is damaged")


def _widened(size: int, stored_size: int, header: int, extra: bytes) -> tuple[int, int, int]:
    """The three fields, taken from the extra field of 64 bits where they do not fit into 32."""
    found = [size, stored_size, header]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _EXTRA_64:
            wide = extra[at + 4 : at + 4 + length]
            for place, narrow in enumerate(found):
                if narrow == _NARROW:
                    found[place] = struct.unpack_from("<Q", wide)[0]
                    wide = wide[8:]
        at += 4 + length
    if _NARROW in found:
        raise zipfile.BadZipFile("its directory is damaged")
    return found[0], found[1], found[2]


def _text_of(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise zipfile.BadZipFile("a member's name is damaged") from error


def _start_of(data: mmap.mmap | bytes, header: int, name: bytes, limit: int) -> int:
    """Where the bytes of a member start, by its local header, which must name it as the directory does."""
    if header + _LOCAL.size > limit:
        raise zipfile.BadZipFile("a member lies outside of it")
    signature, *_, name_length, extra_length = _LOCAL.unpack_from(data, header)
    names = header + _LOCAL.size
    if signature != b"PK\3\4" or data[names : names + name_length] != name:
        raise zipfile.BadZipFile("a member is not where its directory says")
    return int(names + name_length + extra_length)


def _check_name(name: str) -> None:
    if "\0" in name or "\\" in name or name.startswith("/") or ".." in name.split("/"):
        raise SuspectError(f"a member named {name[:80]!r}", "names that stay inside the archive")


def _check_places(members: list[Member], limit: int) -> None:
    spans = sorted((member.header, member.start + member.stored_size) for member in members)
    if spans and spans[-1][1] > limit:
        raise zipfile.BadZipFile("a member lies outside of it")
    if any(end > following for (_, end), (following, _) in pairwise(spans)):
        raise zipfile.BadZipFile("its members overlap")
    for member in members:
        if not member.is_compressed and member.size != member.stored_size:
            raise zipfile.BadZipFile(f"the size of {member.name} is damaged")
