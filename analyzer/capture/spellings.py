"""Op names and arguments in one spelling, whichever way a model was captured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import torch

from nnapi_check.analyzer.capture.places import by_places
from nnapi_check.analyzer.graph import Literal, TensorType, is_ints
from nnapi_check.analyzer.growing_graph import Draft, ObjectAttribute, drafts_in
from nnapi_check.analyzer.ops.calls import Operation
from nnapi_check.analyzer.tensor_types import dtype_of_number, element_type
from nnapi_check.coverage_db.cards import OtherCall

_LAYOUTS = {0: "strided", 1: "sparse", 5: "mkldnn"}
_MEMORY_FORMATS = {0: "contiguous", 1: "preserve", 2: "channels_last", 3: "channels_last_3d"}
_CONVOLUTIONS = frozenset({"aten._convolution.default", "aten._convolution.deprecated", "aten.convolution.default"})
_CONVOLUTION_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_POOLING = frozenset({f"aten.{kind}_pool{rank}d.default" for kind in ("max", "avg") for rank in (1, 2, 3)}) | frozenset(
    f"aten.max_pool{rank}d_with_indices.default" for rank in (2, 3)
)
_NUMBERS_AS_TENSORS = frozenset(f"quantized.{op}.Tensor" for op in ("add_scalar", "mul_scalar", "mul_scalar_relu"))
_SORTS = frozenset({"aten.sort.default", "aten.sort.stable"})
_TURNED_AROUND = {
    "aten.sub.Tensor": "aten.rsub.Scalar",
    "aten.add.Tensor": "aten.add.Tensor",
    "aten.mul.Tensor": "aten.mul.Tensor",
}
"""By ops of a tensor and another, what they are where the first is a number, as decompositions write it."""

_NEW_TENSORS = frozenset({"aten::mean", "aten::sum", "aten::amax", "aten::amin"})
"""Ops whose result is no view, and dense."""

_PROGRAM_CASTS = frozenset(f"aten.to.prim_{overload}" for overload in ("Device", "dtype", "other"))
"""What scripts write for a call of ``to`` with or without a device and an element type."""

_NUMBERS = frozenset({"other", "exponent", "value", "min", "max"})
"""Arguments that are tensors by their schema, for which a number serves as well."""


def op_name(operation: Operation) -> str:
    """The op's name as cards spell it: ``aten.add.Tensor``, ``aten.relu.default``."""
    return f"{operation.name.replace('::', '.')}.{operation.overload or 'default'}"


def plain_arguments(operation: Operation, items: Sequence[object]) -> dict[str, object]:
    """The arguments by name, with numbers that stand for a whole list repeated and enumerations spelled out."""
    return {
        argument.name: _plain(argument.kind, argument.length, item)
        for argument, item in zip(operation.arguments, items, strict=False)
    }


def respelled(
    op: str, arguments: Mapping[str, object], calls: Mapping[str, OtherCall]
) -> tuple[str, dict[str, object]]:
    """The name and arguments that cards know for this call. ``calls`` are the ops whose calls are another's."""
    arguments = {name: _number(item) if name in _NUMBERS else item for name, item in arguments.items()}
    if op in calls:
        op, arguments = calls[op].op, calls[op].arguments(arguments, lambda value: value)
    if op in _TURNED_AROUND and isinstance(arguments["self"], int | float):
        op, arguments = _turned_around(op, arguments)
    if op == "aten.div.Tensor_mode" and isinstance(arguments["other"], int | float):
        op = "aten.div.Scalar_mode"
    # Without an order the norm is Euclidean, of matrices as of vectors.
    if op == "aten.linalg_norm.default" and (arguments["ord"] is None or _is_one_dimension(arguments["dim"])):
        op, arguments = (
            "aten.linalg_vector_norm.default",
            {**arguments, "ord": 2 if arguments["ord"] is None else arguments["ord"]},
        )
    if op in _NUMBERS_AS_TENSORS and isinstance(number := _only_element(arguments["b"]), int | float):
        op, arguments = op.replace(".Tensor", ".default"), {**arguments, "b": number}
    if op in _PROGRAM_CASTS:
        op, arguments = (
            "aten.to.dtype_layout",
            {**arguments, "dtype": _plain("ScalarType", None, arguments.get("dtype"))},
        )
    if op in _CONVOLUTIONS:
        op, arguments = _convolution(op, arguments)
    if op == "aten._convolution_mode.default":
        op, arguments = _convolution_mode(op, arguments)
    if op.startswith("aten.conv") and op.endswith(".padding"):
        op, arguments = _padding_by_name(op, arguments)
    if op == "aten.as_strided.default" and _is_reshape(arguments):
        op, arguments = "aten.view.default", {name: arguments[name] for name in ("self", "size")}
    if op in _SORTS:
        op, arguments = _sort(op, arguments)
    if op == "aten.index.Tensor":
        op, arguments = by_places(arguments) or (op, arguments)
    if op in _POOLING and arguments.get("stride") == []:
        arguments["stride"] = arguments["kernel_size"]
    return op, arguments


def _plain(kind: str, length: int | None, item: object) -> object:
    if isinstance(item, int) and not isinstance(item, bool):
        if "ScalarType" in kind:
            dtype = dtype_of_number(item)
            return element_type(dtype).value if dtype is not None else f"dtype {item}"
        if "MemoryFormat" in kind:
            return _MEMORY_FORMATS.get(item, f"memory format {item}")
        if "Layout" in kind:
            return _LAYOUTS.get(item, f"layout {item}")
        if length:
            return [item] * length
    if isinstance(item, torch.device):
        return str(item)
    if length and isinstance(item, list) and len(item) == 1 and not isinstance(item[0], Draft):
        return item * length
    # TorchScript may append to a list after this op has read it.
    return list(item) if isinstance(item, list) else item


def _number(item: object) -> object:
    """A number that a trace wrote as a tensor of rank 0, of the element type that PyTorch gives to numbers."""
    if not isinstance(item, Draft) or not isinstance(item.origin, Literal) or item.tensor is None:
        return item
    is_number = item.tensor.dim() == 0 and item.tensor.dtype in (torch.float64, torch.int64)
    return item.tensor.item() if is_number and item.is_real else item


def _only_element(item: object) -> object:
    """The number in a constant tensor of one element."""
    if not isinstance(item, Draft) or not item.is_constant or not item.is_real or item.tensor is None:
        return None
    return item.tensor.item() if item.tensor.numel() == 1 else None


def _turned_around(op: str, arguments: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """A call whose first argument is a number as one whose second is; a factor of the second stays where it is."""
    is_plain = op == "aten.sub.Tensor" or arguments.get("alpha", 1) == 1
    if not is_plain:
        return op, dict(arguments)
    return _TURNED_AROUND[op], {**arguments, "self": arguments["other"], "other": arguments["self"]}


def _convolution(op: str, arguments: dict[str, object]) -> tuple[str, dict[str, object]]:
    stride = arguments.get("stride")
    weight = arguments.get("weight")
    rank = None
    if isinstance(weight, Draft) and isinstance(weight.type, TensorType):
        rank = weight.type.rank - 2
    elif isinstance(stride, list):
        rank = len(stride)
    transposed = arguments.get("transposed")
    if rank not in (1, 2, 3) or not isinstance(transposed, bool):
        return op, arguments
    for name in ("stride", "padding", "dilation", "output_padding"):
        item = arguments[name]
        if isinstance(item, list) and len(item) == 1:
            arguments[name] = item * rank
    if not transposed:
        return f"aten.conv{rank}d.default", {name: arguments[name] for name in _CONVOLUTION_ARGUMENTS}
    overload = "default" if rank == 1 else "input"
    return f"aten.conv_transpose{rank}d.{overload}", {name: arguments[name] for name in _TRANSPOSED_ARGUMENTS}


def _convolution_mode(op: str, arguments: dict[str, object]) -> tuple[str, dict[str, object]]:
    """What traces and exported programs write for a convolution whose padding has a name."""
    weight = arguments["weight"]
    rank = weight.type.rank - 2 if isinstance(weight, Draft) and isinstance(weight.type, TensorType) else None
    if rank not in (1, 2, 3):
        return op, arguments
    for name in ("stride", "dilation"):
        item = arguments[name]
        if isinstance(item, list) and len(item) == 1:
            arguments[name] = item * rank
    return f"aten.conv{rank}d.padding", arguments


def _sort(op: str, arguments: dict[str, object]) -> tuple[str, dict[str, object]]:
    """As many of the greatest elements as there are, or of the least, where equal ones may come in any order."""
    source, dim = arguments["self"], arguments["dim"]
    kind = source.type if isinstance(source, Draft) else None
    if arguments.get("stable") or not isinstance(kind, TensorType) or not isinstance(dim, int) or not kind.rank:
        return op, arguments
    asked = {"self": source, "k": kind.shape[dim], "dim": dim, "largest": arguments["descending"], "sorted": True}
    return "aten.topk.default", asked


def _is_one_dimension(dim: object) -> bool:
    return isinstance(dim, int) or (is_ints(dim) and len(dim) == 1)


def _is_reshape(arguments: Mapping[str, object]) -> bool:
    """Whether strides say no more than a size: they step through all of a new tensor along one dimension.

    Decompositions write them for a mean over an image, to keep the strides that an adaptive pooling gave it.
    """
    source, size, stride = (arguments[name] for name in ("self", "size", "stride"))
    if not isinstance(source, Draft) or not isinstance(source.type, TensorType) or source.origin is not None:
        return False
    if not is_ints(size) or not is_ints(stride) or arguments["storage_offset"] not in (None, 0):
        return False
    steps = [step for length, step in zip(size, stride, strict=True) if length != 1]
    is_new = source.torch_value.node().kind() in _NEW_TENSORS
    return is_new and prod(size) == source.type.numel and steps in ([], [1])


def _padding_by_name(op: str, arguments: dict[str, object]) -> tuple[str, dict[str, object]]:
    """Padding by name as numbers; "same" around an even window pads one side more, which numbers cannot say."""
    weight, dilation, padding = arguments["weight"], arguments["dilation"], arguments["padding"]
    if not isinstance(weight, Draft) or not isinstance(weight.type, TensorType) or not isinstance(dilation, list):
        return op, arguments
    kernel = weight.type.shape[2:]
    dilation = dilation * len(kernel) if len(dilation) == 1 else dilation
    if list(drafts_in(dilation)):
        return op, arguments
    totals = [0 if padding == "valid" else d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if padding not in ("valid", "same") or any(total % 2 for total in totals):
        return op, arguments
    return op.replace(".padding", ".default"), {**arguments, "padding": [total // 2 for total in totals]}


def describe_object(item: ObjectAttribute) -> str:
    """What an attribute that is no tensor is called in an argument."""
    return f"object {item.path}"
