"""What the pickles of a TorchScript archive may make: tensors inside their storages, and objects of its classes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nnapi_check.analyzer.files.screening.pickle_reading import (
    Made,
    Name,
    Pickle,
    PickleError,
    Sequence,
    Storage,
    Value,
    read_pickle,
)
from nnapi_check.analyzer.files.screening.suspect import SuspectError

ELEMENT_SIZES = {
    "BoolStorage": 1,
    "ByteStorage": 1,
    "CharStorage": 1,
    "ShortStorage": 2,
    "IntStorage": 4,
    "LongStorage": 8,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "FloatStorage": 4,
    "DoubleStorage": 8,
    "ComplexHalfStorage": 4,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
    "QInt8Storage": 1,
    "QUInt8Storage": 1,
    "QInt32Storage": 4,
}
_SCHEMES = ("per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric")
_PER_CHANNEL = ("per_channel_affine", "per_channel_symmetric", "per_channel_affine_float_qparams")
_LISTS = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")
_TENSORS = ("_rebuild_tensor_v2", "_rebuild_qtensor")
MARKED = Name("torch._tensor", "_rebuild_from_type_v2")
"""Makes a tensor with attributes: `torch.export` leaves marks on the examples of dynamic sizes."""
MARKED_PARAMETER = Name("torch._utils", "_rebuild_parameter_with_state")
"""The same of a parameter: PyTorch 2.6 leaves marks on those of a program whose sizes vary."""
PLAIN = Name("torch", "Tensor")
_MARKS = re.compile(r"_specialize_on|_dynamo_[a-z_]+")
_CLASSES_OF_PYTORCH = frozenset(
    {
        "quantized.Conv2dPackedParamsBase",
        "quantized.Conv3dPackedParamsBase",
        "quantized.LinearPackedParamsBase",
        "quantized.EmbeddingPackedParamsBase",
        "rnn.CellParamsBase",
    }
)
_PREFIX_OF_PYTORCH = "__torch__.torch.classes."
_TYPE = re.compile(r"[\w.\[\], ()]{1,2000}")
_MAX_TYPE_DEPTH = 20
_DEVICE = re.compile(r"[a-z]+(:\d{1,3})?")
_KEY = re.compile(r"[\w.]{1,100}")
_MAX_RANK = 64
_MAX_ELEMENTS = 1 << 40


def read_script_pickle(name: str, data: bytes, sizes: Mapping[str, int], *, has_meta: bool = False) -> Pickle:
    """Read a pickle of an archive whose storages have these sizes in bytes, by key.

    With ``has_meta`` storages on ``meta`` need no elements. Raises `SuspectError` where it would make anything else
    than values of TorchScript, or a tensor that reaches out of its storage.
    """
    try:
        found = read_pickle(data)
        for used in found.names:
            if not _is_known(used):
                raise PickleError(f"it names {str(used)[:200]}")
        check_tensors(found, sizes, has_meta=has_meta)
    except PickleError as error:
        raise SuspectError(
            f"a pickle ({name}) that PyTorch would not write ({error})", "one saved by torch.jit.save"
        ) from error
    return found


def check_tensors(found: Pickle, sizes: Mapping[str, int], *, has_meta: bool = False) -> None:
    """Raise `PickleError` where a tensor or storage of a pickle reaches beyond the bytes that there are."""
    for storage in found.storages:
        _check_storage(storage, sizes, has_meta=has_meta)
    for made in found.made:
        _check_made(made)


def _is_known(used: Name) -> bool:
    match used.module:
        case "torch":
            return used.name in ELEMENT_SIZES or used.name in (*_SCHEMES, *_PER_CHANNEL, "device")
        case "torch._utils":
            return used.name in _TENSORS
        case "torch.jit._pickle":
            return used.name in (*_LISTS, "restore_type_tag")
        case "collections":
            return used.name == "OrderedDict"
        case "builtins":
            return used.name == "complex"
        case module:
            whole = f"{module}.{used.name}"
            if whole.startswith(_PREFIX_OF_PYTORCH):
                return whole.removeprefix(_PREFIX_OF_PYTORCH) in _CLASSES_OF_PYTORCH
            return whole.startswith("__torch__.")


def _check_storage(storage: Storage, sizes: Mapping[str, int], *, has_meta: bool) -> None:
    match _items(storage.given):
        case ["storage", Name(module="torch", name=kind), str(key), str(device), int(count), *_] if (
            kind in ELEMENT_SIZES
        ):
            if not _KEY.fullmatch(key) or not _DEVICE.fullmatch(device) or count < 0:
                raise PickleError("a storage of it is damaged")
            if not (has_meta and device == "meta") and count and count * ELEMENT_SIZES[kind] > sizes.get(key, 0):
                raise PickleError(f"storage {key} is shorter than the {count} elements it says")
        case _:
            raise PickleError("a storage of it is damaged")


def _check_made(made: Made) -> None:
    given = _items(made.given)
    match made.name:
        case Name("torch._utils", "_rebuild_tensor_v2"):
            _check_tensor(given)
        case name if name == MARKED:
            _check_marked(given)
        case name if name == MARKED_PARAMETER:
            _check_marked_parameter(given)
        case Name("torch._utils", "_rebuild_qtensor"):
            _check_tensor(given)
            _check_quantizer(_items(given[4] if len(given) > 4 else None), _items(given[2]))
        case Name("torch.jit._pickle", "restore_type_tag"):
            _check_tag(given)
        case Name("torch.jit._pickle", _):
            if len(given) != 1 or not isinstance(given[0], Sequence) or given[0].is_tuple or given[0].is_mapping:
                raise PickleError("a list of it is damaged")
        case Name("torch", "device"):
            if len(given) != 1 or not isinstance(given[0], str) or not _DEVICE.fullmatch(given[0]):
                raise PickleError("a device of it is damaged")
        case Name("builtins", "complex"):
            if len(given) != 2 or not all(isinstance(part, float) for part in given):
                raise PickleError("a complex number of it is damaged")
        case Name("torch", _):
            raise PickleError("it calls what is no function")
        case _:
            pass


def _items(value: Value) -> list[Value]:
    return value.items if isinstance(value, Sequence) and value.is_tuple else []


def _check_tensor(given: list[Value]) -> None:
    match given[:4]:
        case [Storage() as storage, int(offset), Sequence() as shape, Sequence() as strides]:
            sizes = [size for size in shape.items if isinstance(size, int) and size >= 0]
            steps = [step for step in strides.items if isinstance(step, int) and step >= 0]
        case _:
            raise PickleError("a tensor of it is damaged")
    count = _items(storage.given)[4]
    if not len(sizes) == len(shape.items) == len(steps) == len(strides.items) <= _MAX_RANK or offset < 0:
        raise PickleError("a tensor of it is damaged")
    elements = 1
    for size in sizes:
        elements *= size
    last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if elements > _MAX_ELEMENTS or not isinstance(count, int) or (elements and last >= count):
        raise PickleError("a tensor of it reaches out of its storage")


def _check_marked(given: list[Value]) -> None:
    match given:
        case [Name("torch._utils", "_rebuild_tensor_v2"), kind, Sequence() as tensor, marks] if (
            kind == PLAIN and _are_marks(marks)
        ):
            _check_tensor(_items(tensor))
        case _:
            raise PickleError("a tensor of it has attributes of its own")


def _check_marked_parameter(given: list[Value]) -> None:
    match given:
        case [Made(), bool(), Made() as hooks, marks] if hooks.is_empty_dictionary and _are_marks(marks):
            return
        case _:
            raise PickleError("a parameter of it has attributes of its own")


def _are_marks(marks: Value) -> bool:
    return isinstance(marks, Sequence) and marks.is_mapping and all(_is_mark(*pair) for pair in marks.pairs())


def _is_mark(name: Value, value: Value) -> bool:
    """Whether an attribute says what PyTorch's compiler may take for fixed of a tensor, by words and numbers."""
    return isinstance(name, str) and _MARKS.fullmatch(name) is not None and _is_plain(value)


def _is_plain(value: Value) -> bool:
    if isinstance(value, Sequence):
        return all(map(_is_plain, value.items))
    return value is None or isinstance(value, int | float | str)


def _check_quantizer(given: list[Value], shape: list[Value]) -> None:
    match given:
        case [Name(module="torch", name=scheme), float(), int()] if scheme in _SCHEMES:
            return
        case [Name(module="torch", name=scheme), Made() as scales, Made() as zeros, int(axis)] if (
            scheme in _PER_CHANNEL
        ):
            lengths = [_items(_items(part.given)[2]) for part in (scales, zeros) if len(_items(part.given)) > 2]
            if len(lengths) == 2 and 0 <= axis < len(shape) and all(length == [shape[axis]] for length in lengths):
                return
        case _:
            pass
    raise PickleError("the quantization of a tensor of it is damaged")


def _check_tag(given: list[Value]) -> None:
    match given:
        case [_, str(text)] if _TYPE.fullmatch(text) and text.count("[") <= _MAX_TYPE_DEPTH:
            return
        case _:
            raise PickleError("a type of it is damaged")
