"""Exported programs that were made on a GPU, with all that they hold on the processor, where phones have it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence

import torch

from nnapi_check.analyzer.files.archive import Archive, ArchiveCopy
from nnapi_check.analyzer.files.gpu_names import ON_PHONES
from nnapi_check.analyzer.files.screening.pickle_reading import PickleError, read_pickle
from nnapi_check.analyzer.files.screening.pickle_reading import Sequence as Items
from nnapi_check.analyzer.files.screening.program_json import Json, read_json


def moved_description(document: Json) -> Json:
    """A description in which every device but ``meta`` is the processor."""
    match document:
        case list():
            return [moved_description(item) for item in document]
        case {"type": str(kind), "index": _, **others} if not others:
            return document if kind in ON_PHONES else {"type": "cpu", "index": None}
        case dict():
            return {name: moved_description(item) for name, item in document.items()}
        case _:
            return document


def moved_tensors(data: bytes, *, trust: bool) -> bytes:
    """What `torch.save` wrote, with every tensor on the processor. ``trust`` permits more than tensors."""
    if not _names_gpu(data):
        return data
    moved = io.BytesIO()
    torch.save(torch.load(io.BytesIO(data), map_location="cpu", weights_only=not trust), moved)
    return moved.getvalue()


def _names_gpu(data: bytes) -> bool:
    try:
        with Archive(data) as inner:
            found = read_pickle(inner.read(inner.members[f"{inner.prefix}data.pkl"]))
    except (zipfile.BadZipFile, KeyError, PickleError):
        return False
    given = [storage.given.items for storage in found.storages if isinstance(storage.given, Items)]
    return any(len(items) > 3 and items[3] not in ON_PHONES for items in given)


def moved_parts(archive: Archive) -> Sequence[bytes | memoryview] | None:
    """The whole of a trusted archive on the processor, as an archive in parts; None where it names no GPU."""
    moved = {name: data for name in archive.members if (data := _moved(archive, name)) is not None}
    if not moved:
        return None
    copy = ArchiveCopy()
    for name in archive.members:
        if name in moved:
            copy.add_text(name, moved[name])
        else:
            copy.add_member(archive, name)
    return copy.finish()


def _moved(archive: Archive, name: str) -> bytes | None:
    """A member as it is on the processor; None where it names no GPU."""
    if name.endswith(".pt"):
        data = archive.read(archive.members[name])
        return moved_tensors(data, trust=True) if _names_gpu(data) else None
    if not name.endswith(".json"):
        return None
    try:
        found = read_json(archive.read(archive.members[name]))
        moved = moved_description(found)
    except (ValueError, RecursionError):
        # PyTorch's reader tells what is wrong with it.
        return None
    return json.dumps(moved).encode() if moved != found else None
