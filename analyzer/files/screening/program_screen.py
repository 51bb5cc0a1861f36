"""An exported program (``.pt2``) as PyTorch may read it: an archive of what was looked through, and of nothing else."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence

from nnapi_check.analyzer.files.archive import Archive, ArchiveCopy
from nnapi_check.analyzer.files.gpu_programs import moved_description, moved_tensors
from nnapi_check.analyzer.files.screening.pickle_reading import Name, PickleError, read_pickle
from nnapi_check.analyzer.files.screening.program_json import (
    Json,
    read_json,
    screened_payload,
    screened_program,
    spaces_of_ops,
)
from nnapi_check.analyzer.files.screening.script_pickles import (
    ELEMENT_SIZES,
    MARKED,
    MARKED_PARAMETER,
    PLAIN,
    check_tensors,
)
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.screening.zip_directory import check_members
from nnapi_check.analyzer.ops.op_libraries import import_op_libraries

_MODEL = "models/model.json"
_FORMATS = ("archive_format", "archive_version", "byteorder", ".data/version", ".format_version", ".storage_alignment")
_INPUTS = "data/sample_inputs/model.pt"
_FOLDERS = ("data/weights/", "data/constants/")
_LEGACY = ("data/weights/model.pt", "data/constants/model.pt")
_FIRST_MODEL = "serialized_exported_program.json"
_FIRST_PICKLES = ("serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt")
_NAMES = frozenset(
    {
        Name("collections", "OrderedDict"),
        Name("torch", "Size"),
        Name("torch._utils", "_rebuild_tensor_v2"),
        Name("torch._utils", "_rebuild_parameter"),
        *(MARKED, MARKED_PARAMETER, PLAIN),
        *(Name("torch", kind) for kind in ELEMENT_SIZES),
    }
)
_MAX_BYTES = 0xFFFF0000


def screened_parts(archive: Archive) -> Sequence[bytes | memoryview]:
    """What PyTorch may read of an archive, as an archive in parts, which hold on to the first one's memory.

    Raises `SuspectError` where something in it could be executed.
    """
    check_members(archive.members.values(), archive.size)
    if archive.size > _MAX_BYTES:
        raise SuspectError(f"{archive.size:,} bytes", f"at most {_MAX_BYTES:,}")
    copy = ArchiveCopy()
    if _FIRST_MODEL in archive.members:
        _copy_first_format(archive, copy)
    else:
        _copy_present_format(archive, copy)
    return copy.finish()


def _copy_first_format(archive: Archive, copy: ArchiveCopy) -> None:
    """The format of before PyTorch 2.8: a few files, without a folder."""
    copy.add_text(_FIRST_MODEL, _program(archive, _FIRST_MODEL))
    for name in _FIRST_PICKLES:
        if name in archive.members:
            _copy_saved(archive, copy, name, name)
    if "version" in archive.members:
        copy.add_member(archive, "version")


def _copy_present_format(archive: Archive, copy: ArchiveCopy) -> None:
    prefix = archive.prefix
    for name in _FORMATS:
        if prefix + name in archive.members:
            copy.add_member(archive, prefix + name)
    if prefix + _MODEL not in archive.members:
        raise SuspectError("no program named model", "one saved by torch.export.save")
    copy.add_text(prefix + _MODEL, _program(archive, prefix + _MODEL))
    for name in (_INPUTS, *_LEGACY):
        if prefix + name in archive.members:
            _copy_saved(archive, copy, prefix + name, name)
    for folder in _FOLDERS:
        for name in archive.members:
            if not name.startswith(prefix + folder) or name.removeprefix(prefix) in _LEGACY:
                continue
            if name.endswith("_config.json"):
                copy.add_text(name, _payload(archive, name, prefix + folder))
            else:
                copy.add_member(archive, name)


def _copy_saved(archive: Archive, copy: ArchiveCopy, name: str, told: str) -> None:
    data = archive.read(archive.members[name])
    _check_saved(told, data)
    moved = moved_tensors(data, trust=False)
    if moved is data:
        copy.add_member(archive, name)
    else:
        copy.add_text(name, moved)


def _program(archive: Archive, name: str) -> bytes:
    # What an op does is known once it is there.
    import_op_libraries(spaces_of_ops(archive.read(archive.members[name])))
    return _written(screened_program(_json(archive, name)))


def _payload(archive: Archive, name: str, folder: str) -> bytes:
    def size_of(path: str) -> int:
        member = archive.members.get(folder + path)
        return member.size if member is not None else 0

    return _written(screened_payload(_json(archive, name), size_of))


def _json(archive: Archive, name: str) -> Json:
    try:
        return read_json(archive.read(archive.members[name]))
    except ValueError as error:
        raise zipfile.BadZipFile(f"{name} is damaged") from error


def _written(document: Json) -> bytes:
    return json.dumps(moved_description(document)).encode()


def _check_saved(name: str, data: bytes) -> None:
    """Raise `SuspectError` unless ``data`` is what `torch.save` writes of plain tensors in tuples and dictionaries."""
    if not data:
        return
    try:
        with Archive(data) as inner:
            check_members(inner.members.values(), inner.size)
            members = inner.members
            found = read_pickle(inner.read(members[f"{inner.prefix}data.pkl"]))
            unknown = next((str(used)[:200] for used in found.names if used not in _NAMES), None)
            if unknown is not None:
                raise PickleError(f"it names {unknown}")
            folder = f"{inner.prefix}data/"
            check_tensors(
                found,
                {key.removeprefix(folder): member.size for key, member in members.items() if key.startswith(folder)},
            )
    except (zipfile.BadZipFile, KeyError, PickleError) as error:
        raise SuspectError(f"tensors ({name}) that torch.save would not write ({error})", "plain tensors") from error
