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
from dataclasses import dataclass
from pathlib import Path

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
# More need another kind of directory.
_MAX_MEMBERS = 0xFFFF


# Members that PyTorch's full loader does not read.
_UNREAD = ("bytecode", "mobile_debug_handles", "extra/", "traced_inputs")
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_SIGNATURE = b"PK\3\4"
# Bit 11 of a member's flags: its name is UTF-8.
_UTF_8 = 0x800
_SIZES_OF_NAMES = struct.Struct("<HH")
_VERSION = 20
# What Python's reader of zip archives raises on damaged ones.
_UNREADABLE = (
    ValueError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Lightened:
    """A copy of an archive: its bytes, and whether every storage in it was understood."""

    data: io.BytesIO
    is_complete: bool


class Archive:
    """A TorchScript archive open for reading, whose members are taken as they lie in the file."""

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except _UNREADABLE as error:
            raise zipfile.BadZipFile(str(error)) from error
        self.members = {info.filename: info for info in entries}
        if len(self.members) != len(entries):
            raise zipfile.BadZipFile("two of its members have one name")
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.prefix = next(iter(self.members), "").partition("/")[0] + "/"
        try:
            self._check_names()
        except zipfile.BadZipFile:
            self._bytes.close()
            raise

    def _check_names(self) -> None:
        """Raise `zipfile.BadZipFile` where a member has another name in the directory than where it lies.

        A name that was damaged would read as a member that is not there.
        """
        for info in self.members.values():
            name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF_8 else "cp437")
            start = info.header_offset + _LOCAL.size
            if self._bytes[info.header_offset : info.header_offset + 4] != _LOCAL_SIGNATURE or (
                self._bytes[start : start + len(name)] != name
                or _SIZES_OF_NAMES.unpack_from(self._bytes, info.header_offset + 26)[0] != len(name)
            ):
                raise zipfile.BadZipFile(f"{info.filename} is damaged")

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()

    def stored(self, info: zipfile.ZipInfo) -> bytes:
        """The bytes of a member as they are stored, compressed or not."""
        if info.header_offset + _LOCAL.size > len(self._bytes) or info.header_offset < 0:
            raise zipfile.BadZipFile(f"{info.filename} lies outside the file")
        name, extra = _SIZES_OF_NAMES.unpack_from(self._bytes, info.header_offset + 26)
        start = info.header_offset + _LOCAL.size + name + extra
        return self._bytes[start : start + info.compress_size]

    def check(self) -> None:
        """Raise `zipfile.BadZipFile` where a member that holds no elements of tensors is damaged.

        PyTorch does not look, and stops the process or worse on what it then reads.
        """
        for name, info in self.members.items():
            if not name.startswith((f"{self.prefix}data/", f"{self.prefix}constants/")):
                self.read(info)

    def read(self, info: zipfile.ZipInfo) -> bytes:
        """The bytes of a member; `zipfile.BadZipFile` where they are damaged."""
        data = self.stored(info)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            try:
                data = zlib.decompress(data, -zlib.MAX_WBITS)
            except zlib.error as error:
                raise zipfile.BadZipFile(f"{info.filename} is damaged") from error
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise zipfile.BadZipFile(f"{info.filename} is damaged")
        return data


class _Copy:
    """A zip archive being written to memory."""

    def __init__(self) -> None:
        self._data = io.BytesIO()
        self._directory: list[bytes] = []

    def add(self, name: str, stored: bytes, *, size: int, checksum: int, method: int = zipfile.ZIP_STORED) -> None:
        """Add a member whose ``stored`` bytes stand for ``size`` bytes."""
        text = name.encode()
        fields = (_VERSION, _UTF_8, method, 0, 0, checksum, len(stored), size, len(text), 0)
        offset = self._data.tell()
        self._directory.append(_CENTRAL.pack(b"PK\1\2", _VERSION, *fields, 0, 0, 0, 0, offset) + text)
        self._data.write(_LOCAL.pack(_LOCAL_SIGNATURE, *fields) + text + stored)

    def finish(self) -> io.BytesIO:
        """The whole archive."""
        start = self._data.tell()
        directory = b"".join(self._directory)
        count = len(self._directory)
        self._data.write(directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0))
        self._data.seek(0)
        return self._data


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
    copy = _Copy()
    for name, info in archive.members.items():
        if name in pickles:
            copy.add(name, pickles[name], size=len(pickles[name]), checksum=zlib.crc32(pickles[name]))
        elif name.startswith(elements) and name not in kept:
            copy.add(name, b"", size=0, checksum=0)
        elif not name.startswith(unread):
            copy.add(name, archive.stored(info), size=info.file_size, checksum=info.CRC, method=info.compress_type)
    return Lightened(copy.finish(), is_complete)


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
