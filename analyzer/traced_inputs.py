"""The example inputs that a traced archive keeps, read without running anything the file says."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass

import torch

from analyzer.archive import Archive
from analyzer.graph import TensorType
from analyzer.tensor_types import element_type

_STORAGES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _OtherError(Exception):
    """An input that is built of more than tensors, of which nothing is read."""


# What Python's reader of pickles raises on damaged ones.
_UNREADABLE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class _Storage:
    dtype: torch.dtype


def _tensor(storage: object, _offset: object, shape: object, *_rest: object) -> TensorType:
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple):
        raise pickle.UnpicklingError("not a tensor")
    return TensorType(element_type(storage.dtype), tuple(int(size) for size in shape))


def _tagged(value: object, _tag: object) -> object:
    return value


class _TypesOnly(pickle.Unpickler):
    """Reads tensors as their types; every name but those of tensors is refused."""

    def find_class(self, module: str, name: str) -> object:
        """What stands for ``module.name``: one of four names, nothing that is imported."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return _tagged
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise _OtherError(f"{module}.{name} is not part of an example input")

    def persistent_load(self, pid: object) -> object:
        """A storage by its element type."""
        if isinstance(pid, tuple) and len(pid) > 1 and isinstance(pid[1], torch.dtype):
            return _Storage(pid[1])
        raise _OtherError("not a storage")


def read_traced_inputs(archive: Archive) -> tuple[TensorType, ...] | None:
    """The types of the inputs that ``forward`` was traced with, or None where the archive keeps none.

    Raises `zipfile.BadZipFile` where they are damaged.
    """
    info = archive.members.get(f"{archive.prefix}traced_inputs.pkl")
    if info is None:
        return None
    try:
        found = _TypesOnly(io.BytesIO(archive.read(info))).load()
    except _OtherError:
        return None
    except _UNREADABLE as error:
        raise zipfile.BadZipFile(f"{info.filename} is damaged") from error
    inputs = found.get("forward") if isinstance(found, dict) else None
    return tuple(_flat(inputs)) if inputs is not None else None


def _flat(item: object) -> list[TensorType]:
    if isinstance(item, TensorType):
        return [item]
    if isinstance(item, dict):
        return [kind for part in item.values() for kind in _flat(part)]
    if isinstance(item, (list, tuple)):
        return [kind for part in item for kind in _flat(part)]
    return []
