"""TorchScript archives: their members, and a copy in memory without the elements of large tensors.

The copy is the archive with two changes. The pickles that list the tensors place every large one on ``meta``, and
the members that hold elements of those are left empty. Small integer tensors and scalars stay as they are: shapes,
indices and slices may depend on them.
"""

from __future__ import annotations

import io
import mmap
import re
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from nnapi_check.analyzer.files.screening.zip_directory import Member, read_directory

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PUT = rb"(?:q.|r.{4})"
_GET = rb"(?:h.|j.{4})"
# ('storage', type, key, location, number of elements), as PyTorch's pickler writes it before BINPERSID.
_STORAGE = re.compile(
    rb"\((?:X\x07\x00\x00\x00storage" + _PUT + rb"|" + _GET + rb")"
    rb"(?P<type>ctorch\n\w+\n(?P<put>" + _PUT + rb")|" + _GET + rb")"
    rb"(?:X.{4}(?P<key>\d+)" + _PUT + rb"|(?P<known_key>" + _GET + rb"))"
    rb"(?P<location>X.{4}(?P<device>[a-z:0-9]+)(?P<memo>" + _PUT + rb")|" + _GET + rb")"
    rb"(?P<count>K.|M..|J.{4}|\x8a\x00|\x8a[\x01-\x08].{1,8}?)tQ",
    re.DOTALL,
)
# A text of digits that the pickle may refer to again, such as a module's name in a list.
_DIGITS = re.compile(rb"X(?P<length>.{4})(?P<digits>\d+)(?P<put>" + _PUT + rb")", re.DOTALL)
_ON_META = b"X\x04\x00\x00\x00meta"
_ON_CPU = b"X\x03\x00\x00\x00cpu"
_INTEGER_STORAGES = frozenset({b"LongStorage", b"IntStorage", b"ShortStorage", b"CharStorage", b"ByteStorage"})
_MAX_INTEGERS = 4096
_MAX_OTHERS = 16
# Text that is read more than once.
_MAX_KEPT = 1 << 20
# More need another kind of directory.
_MAX_MEMBERS = 0xFFFF


# Members that PyTorch's full loader does not read.
_UNREAD = ("bytecode", "mobile_debug_handles", "extra/", "traced_inputs")
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 20


@dataclass(frozen=True, slots=True)
class Lightened:
    """A copy of an archive: its bytes, its pickles by name, and whether every storage in it was understood."""

    data: io.BytesIO
    pickles: Mapping[str, bytes]
    is_complete: bool


class Archive:
    """A TorchScript archive open for reading, whose members are taken as they lie in the file."""

    def __init__(self, source: Path | bytes) -> None:
        if isinstance(source, bytes):
            self._bytes: bytes | mmap.mmap = source
        else:
            with source.open("rb") as file:
                try:
                    self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except ValueError as error:
                    raise zipfile.BadZipFile("it is empty") from error
        self._read: dict[str, bytes] = {}
        self.members = read_directory(self._bytes)
        self.prefix = next(iter(self.members), "").partition("/")[0] + "/"

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return len(self._bytes)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._bytes, mmap.mmap):
            # What is still in view keeps the memory.
            with suppress(BufferError):
                self._bytes.close()

    def stored(self, member: Member) -> bytes:
        """The bytes of a member as they are stored, compressed or not."""
        return self._bytes[member.start : member.start + member.stored_size]

    def view(self, member: Member) -> memoryview:
        """The bytes of a member as they are stored, where they lie; for as long as it lives the archive stays open."""
        return memoryview(self._bytes)[member.start : member.start + member.stored_size]

    def check(self) -> None:
        """Raise `zipfile.BadZipFile` where a member that holds no elements of tensors is damaged.

        PyTorch does not look, and stops the process or worse on what it then reads.
        """
        for name, info in self.members.items():
            if not name.startswith((f"{self.prefix}data/", f"{self.prefix}constants/")):
                self.read(info)

    def read(self, member: Member) -> bytes:
        """The bytes of a member; `zipfile.BadZipFile` where they are damaged."""
        known = self._read.get(member.name)
        if known is not None:
            return known
        data = self.stored(member)
        if member.is_compressed:
            data = _inflated(data, member)
        if zlib.crc32(data) != member.checksum:
            raise zipfile.BadZipFile(f"{member.name} is damaged")
        if len(data) <= _MAX_KEPT:
            self._read[member.name] = data
        return data


def _inflated(data: bytes, member: Member) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than said shows that more would come.
        found = inflater.decompress(data, member.size + 1)
    except zlib.error as error:
        raise zipfile.BadZipFile(f"{member.name} is damaged") from error
    if len(found) != member.size or not inflater.eof:
        raise zipfile.BadZipFile(f"{member.name} is damaged")
    return found


class ArchiveCopy:
    """A zip archive being put together of bytes, which are not copied again."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self._directory: list[bytes] = []

    def add(
        self, name: str, stored: bytes | memoryview, *, size: int, checksum: int, method: int = zipfile.ZIP_STORED
    ) -> None:
        """Add a member whose ``stored`` bytes stand for ``size`` bytes."""
        text = name.encode()
        # Bit 11: the name is UTF-8.
        fields = (_VERSION, 0x800, method, 0, 0, checksum, len(stored), size, len(text), 0)
        self._directory.append(_CENTRAL.pack(b"PK\1\2", _VERSION, *fields, 0, 0, 0, 0, self._size) + text)
        self._append(_LOCAL.pack(b"PK\3\4", *fields) + text)
        self._append(stored)

    def add_text(self, name: str, data: bytes) -> None:
        """Add a member as it is."""
        self.add(name, data, size=len(data), checksum=zlib.crc32(data))

    def add_member(self, archive: Archive, name: str) -> None:
        """Add a member of an archive as it lies there."""
        member = archive.members[name]
        self.add(name, archive.view(member), size=member.size, checksum=member.checksum, method=member.method)

    def finish(self) -> Sequence[bytes | memoryview]:
        """The parts of the whole archive, in order."""
        directory = b"".join(self._directory)
        count = len(self._directory)
        self._append(directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), self._size, 0))
        return self._parts

    def _append(self, data: bytes | memoryview) -> None:
        self._parts.append(data)
        self._size += len(data)


class Joined(io.RawIOBase):
    """A file of parts that lie in memory apart from each other."""

    def __init__(self, parts: Sequence[bytes | memoryview]) -> None:
        super().__init__()
        self._parts = parts
        self._ends = list(accumulate(len(part) for part in parts))
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1] if self._ends else 0}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer, as far as there is anything left to read."""
        target = memoryview(buffer).cast("B")
        filled = 0
        for index in range(bisect_right(self._ends, self._at), len(self._parts)):
            part = self._parts[index]
            start = self._at - (self._ends[index] - len(part))
            found = part[start : start + len(target) - filled]
            target[filled : filled + len(found)] = found
            filled += len(found)
            self._at += len(found)
            if filled == len(target):
                break
        return filled


def mentions_quantization(archive: Archive) -> bool:
    """Whether the code in the archive works on quantized tensors or holds packed parameters."""
    for name, info in archive.members.items():
        if "/code/" in name and name.endswith(".py"):
            code = archive.read(info)
            if b"quantize" in code or b"torch.classes." in code:
                return True
    return False


def lighten(archive: Archive) -> Lightened:
    """The archive without the elements of large tensors."""
    prefix = archive.prefix
    pickles: dict[str, bytes] = {}
    kept: set[str] = set()
    is_complete = len(archive.members) < _MAX_MEMBERS
    for name, folder in (("data.pkl", "data/"), ("constants.pkl", "constants/")):
        info = archive.members.get(prefix + name)
        if info is None:
            continue
        text = archive.read(info)
        pickles[prefix + name], keys = _place_on_meta(text)
        kept.update(f"{prefix}{folder}{key}" for key in keys)
        is_complete = is_complete and len(_STORAGE.findall(text)) == text.count(b"tQ")
    elements = (f"{prefix}data/", f"{prefix}constants/")
    unread = tuple(prefix + name for name in _UNREAD)
    copy = ArchiveCopy()
    for name, info in archive.members.items():
        if name in pickles:
            copy.add(name, pickles[name], size=len(pickles[name]), checksum=zlib.crc32(pickles[name]))
        elif name.startswith(elements) and name not in kept:
            copy.add(name, b"", size=0, checksum=0)
        elif not name.startswith(unread):
            copy.add(name, archive.stored(info), size=info.size, checksum=info.checksum, method=info.method)
    return Lightened(io.BytesIO(b"".join(copy.finish())), pickles, is_complete)


def _place_on_meta(text: bytes) -> tuple[bytes, list[str]]:
    """The pickle with large tensors on ``meta``, and the keys of the storages that keep their elements."""
    types: dict[bytes, bytes] = {}
    digits = {
        _as_get(match["put"]): match["digits"].decode()
        for match in _DIGITS.finditer(text)
        if int.from_bytes(match["length"], "little") == len(match["digits"])
    }
    kept: list[str] = []

    def placed(match: re.Match[bytes]) -> bytes:
        kind = match["type"]
        if match["put"] is not None:
            name = kind[len(b"ctorch\n") :].partition(b"\n")[0]
            types[_as_get(match["put"])] = name
        else:
            name = types.get(kind, b"")
        limit = _MAX_INTEGERS if name in _INTEGER_STORAGES else _MAX_OTHERS
        key = match["key"].decode() if match["key"] is not None else digits.get(match["known_key"])
        stays = key is not None and _number(match["count"]) <= limit
        if stays and key is not None:
            kept.append(key)
        before = text[match.start() : match.start("location")]
        # The pickle may refer to the location's text again, so it stays in the memo.
        memo = match["location"] if match["memo"] is not None else b""
        return before + (_ON_CPU if stays else _ON_META) + match["count"] + memo + b"tQ"

    return _STORAGE.sub(placed, text), kept


def _as_get(put: bytes) -> bytes:
    return (b"h" if put[:1] == b"q" else b"j") + put[1:]


def _number(count: bytes) -> int:
    digits = count[2:] if count[:1] == b"\x8a" else count[1:]
    return int.from_bytes(digits, "little")
