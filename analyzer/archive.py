"""TorchScript archives: their members, and a copy in memory without the elements of large tensors.

The copy is the archive with two changes. The pickles that list the tensors place every large one on ``meta``, and
the members that hold elements of those are left empty. Small integer tensors and scalars stay as they are: shapes,
indices and slices may depend on them.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Lightened:
    """A copy of an archive: its bytes, and whether every storage in it was understood."""

    data: io.BytesIO
    is_complete: bool


def members_prefix(archive: zipfile.ZipFile) -> str:
    """The folder that all members of the archive are in."""
    return archive.namelist()[0].partition("/")[0] + "/"


def mentions_quantization(archive: zipfile.ZipFile) -> bool:
    """Whether the code in the archive works on quantized tensors or holds packed parameters."""
    return any(
        b"quantize" in archive.read(info) or b"torch.classes." in archive.read(info)
        for info in archive.infolist()
        if "/code/" in info.filename and info.filename.endswith(".py")
    )


def lighten(archive: zipfile.ZipFile) -> Lightened:
    """The archive without the elements of large tensors."""
    prefix = members_prefix(archive)
    pickles: dict[str, bytes] = {}
    kept: set[str] = set()
    is_complete = True
    for name, folder in (("data.pkl", "data/"), ("constants.pkl", "constants/")):
        member = prefix + name
        if member not in archive.NameToInfo:
            continue
        text = archive.read(member)
        pickles[member], keys = _place_on_meta(text)
        kept.update(f"{prefix}{folder}{key}" for key in keys)
        is_complete = is_complete and len(_STORAGE.findall(text)) == text.count(b"tQ")
    elements = (f"{prefix}data/", f"{prefix}constants/")
    unread = (f"{prefix}bytecode", f"{prefix}mobile_debug_handles", f"{prefix}extra/", f"{prefix}traced_inputs")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as out:
        for info in archive.infolist():
            name = info.filename
            if name in pickles:
                out.writestr(name, pickles[name])
            elif name.startswith(elements) and name not in kept:
                out.writestr(name, b"")
            elif not name.startswith(unread):
                out.writestr(name, archive.read(info))
    data.seek(0)
    return Lightened(data, is_complete)


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
