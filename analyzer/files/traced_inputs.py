"""The example inputs that a traced archive keeps, read without making anything the file names."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import torch

from nnapi_check.analyzer.files.archive import Archive
from nnapi_check.analyzer.files.screening.pickle_reading import (
    DamagedPickleError,
    Made,
    Name,
    PickleError,
    Sequence,
    Storage,
    Value,
    read_pickle,
)
from nnapi_check.analyzer.graph import PerTensor, TensorType
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.tensor_types import element_type

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
    "QUInt8Storage": torch.quint8,
    "QInt8Storage": torch.qint8,
    "QInt32Storage": torch.qint32,
}


def read_traced_inputs(archive: Archive) -> Call | None:
    """The types of the arguments that ``forward`` was traced with, or None where the archive keeps none.

    Raises `zipfile.BadZipFile` where they are damaged.
    """
    info = archive.members.get(f"{archive.prefix}traced_inputs.pkl")
    if info is None:
        return None
    try:
        read = read_pickle(archive.read(info))
    except DamagedPickleError as error:
        raise zipfile.BadZipFile(f"{info.name} is damaged") from error
    except PickleError:
        return None
    try:
        root = _untagged(read.root)
        if not isinstance(root, Sequence) or not root.is_mapping:
            return None
        inputs = [value for key, value in root.pairs() if key == "forward"]
        found = _types(inputs[0]) if inputs else None
    except (PickleError, ValueError):
        return None
    if isinstance(found, dict):
        return Call((), found)
    return Call(tuple(found)) if isinstance(found, (list, tuple)) else None


def _untagged(value: Value) -> Value:
    """What a value is without the name of its type, which PyTorch writes around lists and dictionaries."""
    while isinstance(value, Made) and value.name == Name("torch.jit._pickle", "restore_type_tag"):
        inner = value.given
        value = inner.items[0] if isinstance(inner, Sequence) and inner.items else None
    return value


def _types(value: Value) -> object:
    """The types of tensors, in the lists, tuples and dictionaries that they are in."""
    match _untagged(value):
        case Sequence() as found if found.is_mapping:
            return {_key(key): _types(part) for key, part in found.pairs()}
        case Sequence() as found:
            parts = [_types(part) for part in found.items]
            return tuple(parts) if found.is_tuple else parts
        case Made(name=Name(module="torch._utils", name="_rebuild_tensor_v2"), given=Sequence() as given):
            return _tensor(given.items)
        case Made(name=Name(module="torch._utils", name="_rebuild_qtensor"), given=Sequence() as given):
            return _quantized(given.items)
        case Made(name=Name(module="torch.jit._pickle", name="build_tensorlist"), given=Sequence(items=[parts])):
            return _types(parts)
        case str() | int() | float() | bool() | None as plain:
            return plain
        case other:
            raise PickleError(f"an example input holds {other}")


def _key(value: Value) -> str | int:
    if isinstance(value, (str, int)):
        return value
    raise PickleError(f"an example input has the key {value}")


def _tensor(given: list[Value]) -> TensorType:
    match given:
        case [Storage(given=Sequence(items=[_, Name(module="torch", name=kind), *_])), _, Sequence() as shape, *_]:
            if kind in _STORAGES and all(isinstance(size, int) and size >= 0 for size in shape.items):
                return TensorType(
                    element_type(_STORAGES[kind]), tuple(int(size) for size in shape.items if isinstance(size, int))
                )
        case _:
            pass
    raise PickleError("an example input is damaged")


def _quantized(given: list[Value]) -> TensorType:
    match given[4:5]:
        case [Sequence(items=[Name(module="torch", name="per_tensor_affine"), float() as scale, int() as zero_point])]:
            return replace(_tensor(given), quant=PerTensor(scale, zero_point))
        case _:
            raise PickleError("an example input is quantized otherwise than with one scale")
