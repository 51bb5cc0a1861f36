"""TorchScript's nodes that only build or take apart lists, tuples and dictionaries: answered, not called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.growing_graph import Draft, Fields
from nnapi_check.analyzer.tensor_types import number_of_dtype

MAX_LISTED = 1 << 16
"""Lists and texts with more parts than this are built by the run alone."""

_MAX_IN_A_RUN = 1 << 28

UNANSWERED: tuple[object, ...] = (object(),)
"""The answer of a node that must be treated as any other op."""

_KEYS = (str, int, float, bool)

_VIEWS = frozenset(
    f"aten::{name}" for name in ("as_strided", "expand", "permute", "select", "slice", "squeeze", "unsqueeze", "view")
)
"""Ops that give a tensor of its own, if over the storage of another one."""

StructureOp = Callable[[torch._C.Node, Sequence[object]], Sequence[object]]


def weight(item: object) -> int:
    """How many parts an item has, those of lists in it included; counting ends soon after ``MAX_LISTED``."""
    if isinstance(item, str):
        return len(item)
    if isinstance(item, dict):
        item = list(item.values())
    if not isinstance(item, (list, tuple)):
        return 1
    total = 1
    for part in item:
        total += weight(part)
        if total > MAX_LISTED:
            break
    return total


def _list_construct(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (list(items),)


def _tuple_construct(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (tuple(items),)


def _dict_construct(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    keys = items[::2]
    if not all(isinstance(key, _KEYS) for key in keys):
        return UNANSWERED
    return (dict(zip(keys, items[1::2], strict=True)),)


def _object(_node: torch._C.Node, _items: Sequence[object]) -> Sequence[object]:
    return (Fields(),)


def _unpack(node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    (parts,) = items
    outputs = list(node.outputs())
    if not isinstance(parts, (list, tuple)) or len(parts) != len(outputs):
        return UNANSWERED
    return tuple(parts)


def name_part(part: object, value: torch._C.Value) -> None:
    """Where PyTorch has one value for a list, let a tensor in it have the value that it is taken out as."""
    if not isinstance(part, Draft) or part.part or value.type().kind() != "TensorType":
        return
    if part.torch_value.type().kind() not in ("TensorType", "OptionalType"):
        part.torch_value = value


def _tuple_index(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    parts, index = items
    if isinstance(parts, tuple) and isinstance(index, int):
        return (parts[index],)
    return UNANSWERED


def _get_item(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    parts, index = items
    if isinstance(parts, (list, tuple)) and isinstance(index, int) and -len(parts) <= index < len(parts):
        return (parts[index],)
    if isinstance(parts, dict) and isinstance(index, (str, int)) and index in parts:
        return (parts[index],)
    return UNANSWERED


def _length(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    (parts,) = items
    if isinstance(parts, (list, tuple, dict, str)):
        return (len(parts),)
    return UNANSWERED


def _same(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (items[0],)


def _is_none(item: object) -> bool | None:
    """Whether an item is None; nothing where only the run will tell."""
    if isinstance(item, Draft) and item.tensor is None:
        return None if "Optional" in item.torch_value.type().annotation_str else False
    return item is None


def _is(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    if all(isinstance(item, Draft) and item.tensor is not None for item in items):
        return _is_one_tensor(items)
    first, second = map(_is_none, items)
    if first is None or second is None or not (first or second):
        return UNANSWERED
    return (first and second,)


def _is_one_tensor(items: Sequence[object]) -> Sequence[object]:
    first, second = items
    if first is second:
        return (True,)
    if not isinstance(first, Draft) or not isinstance(second, Draft):
        return UNANSWERED
    are_apart = _storage_of(first) != _storage_of(second) or (_is_made_anew(first) and _is_made_anew(second))
    return (False,) if are_apart else UNANSWERED


def _is_made_anew(draft: Draft) -> bool:
    """Whether a tensor is no other one, as `contiguous` and `to` may give the one that they are given."""
    return draft.torch_value.node().kind() in _VIEWS


def _storage_of(draft: Draft) -> int | None:
    return draft.tensor.untyped_storage()._cdata if draft.tensor is not None else None


def _is_not(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    answer = _is(_node, items)
    return answer if answer is UNANSWERED else (not answer[0],)


def _size(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    x = items[0]
    if not isinstance(x, Draft) or x.tensor is None:
        return UNANSWERED
    if len(items) == 1:
        return (list(x.tensor.shape),)
    axis = items[1]
    if isinstance(axis, int) and -x.tensor.dim() <= axis < x.tensor.dim():
        return (x.tensor.shape[axis],)
    return UNANSWERED


def _dim(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    x = items[0]
    return (x.tensor.dim(),) if isinstance(x, Draft) and x.tensor is not None else UNANSWERED


def _slice(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    parts, bounds = items[0], items[1:]
    if not isinstance(parts, (list, str)) or not all(bound is None or isinstance(bound, int) for bound in bounds):
        return UNANSWERED
    start, end, step = (bound if isinstance(bound, int) else None for bound in bounds)
    return (parts[start:end:step],)


def _contains(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    parts, item = items
    if isinstance(parts, (list, tuple, dict)) and isinstance(item, (str, int, float)):
        return (item in parts,)
    return UNANSWERED


def _keys(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (list(items[0]),) if isinstance(items[0], dict) else UNANSWERED


def _values(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (list(items[0].values()),) if isinstance(items[0], dict) else UNANSWERED


def _pairs(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (list(items[0].items()),) if isinstance(items[0], dict) else UNANSWERED


def _joined(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    first, second = items
    if not isinstance(first, list) or not isinstance(second, list) or weight(first) + weight(second) > MAX_LISTED:
        return UNANSWERED
    return (first + second,)


def _copied(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (list(items[0]),) if isinstance(items[0], (list, tuple, str)) else UNANSWERED


def _repeated(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    parts, times = items
    if not isinstance(parts, list) or not isinstance(times, int):
        return UNANSWERED
    if len(parts) * times > _MAX_IN_A_RUN:
        raise InputError(
            f"The model makes a list of {len(parts) * times:,} elements, for which no device has room; "
            "pass inputs of other shapes, or change the model."
        )
    return (parts * times,) if weight(parts) * times <= MAX_LISTED else UNANSWERED


def _text(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (str(items[0]),) if isinstance(items[0], (int, str)) else UNANSWERED


def _formatted(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    template, *parts = items
    if not isinstance(template, str) or not all(isinstance(part, (int, float, str)) for part in parts):
        return UNANSWERED
    # TorchScript knows no other field than this one.
    pieces = template.split("{}")
    if len(pieces) != len(parts) + 1:
        return UNANSWERED
    return (pieces[0] + "".join(f"{part}{piece}" for part, piece in zip(parts, pieces[1:], strict=True)),)


def _dtype(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    x = items[0]
    number = number_of_dtype(x.tensor.dtype) if isinstance(x, Draft) and x.tensor is not None else None
    return (number,) if number is not None else UNANSWERED


def _device(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    # A model is always captured for the CPU, wherever its tensors were when it was saved.
    return (torch.device("cpu"),) if isinstance(items[0], Draft) else UNANSWERED


def _device_type(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (items[0].type,) if isinstance(items[0], torch.device) else UNANSWERED


def _false_of_tensor(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    return (False,) if isinstance(items[0], Draft) and items[0].tensor is not None else UNANSWERED


def _is_quantized(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    x = items[0]
    return (x.tensor.is_quantized,) if isinstance(x, Draft) and x.tensor is not None else UNANSWERED


def _is_instance(node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    """Whether an item is a tensor, where nothing else is asked."""
    if [kind.kind() for kind in node.tys("types")] != ["TensorType"]:
        return UNANSWERED
    x = items[0]
    if isinstance(x, Draft):
        return (True,) if x.tensor is not None else UNANSWERED
    return (False,)


def _to_list(node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    """The elements of a small constant as numbers in lists."""
    x = items[0]
    if not isinstance(x, Draft) or x.tensor is None or not x.is_real or x.tensor.is_quantized:
        return UNANSWERED
    return (x.tensor.tolist(),) if x.is_constant and x.tensor.numel() <= MAX_LISTED else UNANSWERED


def _range_list(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    (count,) = items
    return (list(range(count)),) if isinstance(count, int) and count <= MAX_LISTED else UNANSWERED


def _dict(_node: torch._C.Node, items: Sequence[object]) -> Sequence[object]:
    """A new dictionary: empty, from pairs, or from another one."""
    if not items:
        return ({},)
    (given,) = items
    if isinstance(given, dict):
        return (dict(given),)
    if not isinstance(given, list):
        return UNANSWERED
    pairs = [pair for pair in given if isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], _KEYS)]
    return (dict(pairs),) if len(pairs) == len(given) else UNANSWERED


def _uninitialized(node: torch._C.Node, _items: Sequence[object]) -> Sequence[object]:
    return (None,) * node.outputsSize()


STRUCTURE_OPS: dict[str, StructureOp] = {
    "prim::ListConstruct": _list_construct,
    "prim::TupleConstruct": _tuple_construct,
    "prim::DictConstruct": _dict_construct,
    "prim::CreateObject": _object,
    "prim::ListUnpack": _unpack,
    "prim::TupleUnpack": _unpack,
    "prim::TupleIndex": _tuple_index,
    "prim::unchecked_cast": _same,
    "prim::unchecked_unwrap_optional": _same,
    "prim::Uninitialized": _uninitialized,
    "aten::__getitem__": _get_item,
    "aten::len": _length,
    "aten::__is__": _is,
    "aten::__isnot__": _is_not,
    "aten::size": _size,
    "aten::dim": _dim,
    "prim::dtype": _dtype,
    "prim::device": _device,
    "prim::type": _device_type,
    "prim::isinstance": _is_instance,
    "prim::is_quantized": _is_quantized,
    "prim::is_nested": _false_of_tensor,
    "prim::is_cuda": _false_of_tensor,
    "prim::is_sparse": _false_of_tensor,
    "prim::is_mkldnn": _false_of_tensor,
    "prim::requires_grad": _false_of_tensor,
    "aten::__contains__": _contains,
    "aten::keys": _keys,
    "aten::values": _values,
    "aten::items": _pairs,
    "aten::list": _copied,
    "aten::str": _text,
    "aten::format": _formatted,
    "aten::dict": _dict,
    "prim::tolist": _to_list,
    "prim::rangelist": _range_list,
}
"""Nodes by kind; each function answers one item an output, or `UNANSWERED`."""

LIST_OPS: dict[str, StructureOp] = {
    "aten::slice": _slice,
    "aten::add": _joined,
    "aten::mul": _repeated,
    "aten::copy": _copied,
}
"""The same for kinds that TorchScript shares with tensors and numbers, where the first argument is a list."""
