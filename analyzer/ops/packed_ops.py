"""Quantized ops that hold their weights in packed parameters, told as ops with a weight and a bias.

The weight and the bias of packed parameters at ``path`` are parameters called ``path.weight`` and ``path.bias``.
TorchScript reaches the packed parameters as the attribute at ``path``, and the two tensors by ``unpack()`` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch

from nnapi_check.analyzer.errors import OpError
from nnapi_check.analyzer.graph import Literal, Parameter
from nnapi_check.analyzer.growing_graph import Draft, ObjectAttribute
from nnapi_check.analyzer.ops.calls import Operation
from nnapi_check.analyzer.ops.window_rules import Arguments, Rule, convolved, meta, transpose_convolved
from nnapi_check.analyzer.tensor_types import reach_of, tensor_type
from nnapi_check.analyzer.torchscript import attribute, children, has_attribute
from nnapi_check.coverage_db.card_arguments import PACKED_NAMES, card_name

_CLASSES = {
    "__torch__.torch.classes.quantized.Conv2dPackedParamsBase": "conv2d",
    "__torch__.torch.classes.quantized.Conv3dPackedParamsBase": "conv3d",
    "__torch__.torch.classes.quantized.LinearPackedParamsBase": "linear",
}
_LEGACY = ("stride", "padding", "dilation", "groups")


ATTRIBUTE = "_packed_params"
"""What PyTorch's quantized layers call their packed parameters."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What packed parameters hold; the numbers are those of a convolution."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    numbers: dict[str, object]
    is_transposed: bool


def is_packed(item: object) -> bool:
    """Whether an attribute is packed parameters that can be taken apart."""
    return isinstance(item, torch._C.ScriptObject) and _class_of(item) in _CLASSES


def _class_of(item: torch._C.ScriptObject) -> str:
    return str(item._type().qualified_name())


def unpack(packed: torch._C.ScriptObject) -> Unpacked:
    """Take packed parameters apart."""
    kind = _CLASSES[_class_of(packed)]
    weight, bias = cast("tuple[torch.Tensor, torch.Tensor | None]", _call(f"{kind}_unpack", packed))
    if kind == "linear":
        return Unpacked(weight, bias, {}, is_transposed=False)
    numbers: dict[str, object] = {
        name: _plain(_call(f"{kind}_{name}", packed)) for name in ("stride", "padding", "dilation", "groups")
    }
    is_transposed = bool(_call(f"{kind}_transpose", packed))
    if is_transposed:
        numbers["output_padding"] = _plain(_call(f"{kind}_output_padding", packed))
    return Unpacked(weight, bias, numbers, is_transposed)


def _call(name: str, packed: torch._C.ScriptObject) -> object:
    return cast("Callable[..., object]", getattr(torch.ops.quantized, name))(packed)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, (list, tuple)) else value


def unpacked_tensor(packed: object, part: str) -> torch.Tensor:
    """The weight or the bias in packed parameters."""
    if not isinstance(packed, torch._C.ScriptObject) or not is_packed(packed):
        raise ValueError("not packed parameters")
    found = unpack(packed)
    tensor = found.weight if part == "weight" else found.bias
    if tensor is None:
        raise ValueError("these packed parameters have no bias")
    return tensor.detach()


def packed_elements(module: torch._C.ScriptModule) -> int:
    """How many numbers the weights have that the modules of a model hold packed, as PyTorch's own layers do."""
    held = attribute(module, ATTRIBUTE) if has_attribute(module, ATTRIBUTE) else None
    own = unpack(held).weight.numel() if isinstance(held, torch._C.ScriptObject) and is_packed(held) else 0
    return own + sum(packed_elements(child) for _, child in children(module))


class PackedParameters:
    """The drafts of the weights and biases in packed parameters, one of each however often they are used."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[dict[str, object], Unpacked]] = {}

    def arguments(self, operation: Operation, items: Sequence[object]) -> tuple[dict[str, object], Unpacked] | None:
        """The arguments of an op that reads packed parameters, by the names cards know; None for every other op."""
        packed = next((item for item in items if isinstance(item, ObjectAttribute) and is_packed(item.object)), None)
        if packed is None or not operation.name.startswith("quantized::"):
            return None
        if packed.path not in self._known:
            self._known[packed.path] = _drafts_of(packed)
        parts, unpacked = self._known[packed.path]
        arguments: dict[str, object] = {}
        for argument, item in zip(operation.arguments, items, strict=False):
            if isinstance(item, ObjectAttribute) and argument.name in PACKED_NAMES:
                arguments.update(parts)
            elif argument.name not in _LEGACY:
                arguments[card_name(argument.name)] = item
        if operation.name.startswith("quantized::conv1d"):
            arguments = {**arguments, **_one_axis(unpacked)}
        return arguments, unpacked


def _one_axis(unpacked: Unpacked) -> dict[str, object]:
    # PyTorch packs a convolution over one axis as one over two, of which the first is 1.
    return {name: value[-1:] for name, value in unpacked.numbers.items() if isinstance(value, list) and len(value) == 2}


def _drafts_of(packed: ObjectAttribute) -> tuple[dict[str, object], Unpacked]:
    unpacked = unpack(cast("torch._C.ScriptObject", packed.object))
    parts: dict[str, object] = {"weight": _part(packed, "weight", unpacked.weight)}
    parts["bias"] = _part(packed, "bias", unpacked.bias) if unpacked.bias is not None else None
    return {**parts, **unpacked.numbers}, unpacked


def _part(packed: ObjectAttribute, name: str, tensor: torch.Tensor) -> Draft:
    path = f"{packed.path}.{name}"
    origin = Parameter(path) if packed.is_attribute else Literal(path, None)
    known = tensor if tensor.is_quantized else tensor.detach().to("meta")
    reach = reach_of(tensor.detach())
    return Draft(packed.value, tensor_type(tensor), known, origin, is_constant=True, part=name, reach=reach)


def packed_result(operation: Operation, arguments: Arguments, unpacked: Unpacked) -> torch.Tensor | None:
    """What an op with packed parameters returns, without its elements; None where that is not known.

    Raises ``OpError`` where the input's shape does not fit the weight's.
    """
    x = arguments["input"]
    if not isinstance(x, Draft) or x.tensor is None:
        return None
    shape = _result_shape(operation, x.tensor, unpacked)
    if shape is None:
        given, weight = tuple(x.tensor.shape), tuple(unpacked.weight.shape)
        raise OpError(f"an input of shape {given} does not fit a weight of shape {weight}")
    if operation.name.endswith("_dynamic"):
        return meta(shape, torch.float32)
    scale, zero_point = arguments.get("output_scale"), arguments.get("output_zero_point")
    if not isinstance(scale, (int, float)) or not isinstance(zero_point, int):
        return None
    return torch._empty_affine_quantized(shape, scale=float(scale), zero_point=zero_point, dtype=torch.quint8)


def _result_shape(operation: Operation, x: torch.Tensor, unpacked: Unpacked) -> Sequence[int] | None:
    weight = unpacked.weight
    if "linear" in operation.name:
        return (*x.shape[:-1], weight.shape[0]) if x.dim() and x.shape[-1] == weight.shape[1] else None
    flat = meta(x.shape, torch.float32)
    kernel = meta(weight.shape, torch.float32)
    is_line = operation.name.startswith("quantized::conv1d")
    if is_line:
        flat = flat.unsqueeze(2)
    rule: Rule = transpose_convolved if unpacked.is_transposed else convolved
    answer = rule({"input": flat, "weight": kernel, **unpacked.numbers})
    if answer is None:
        return None
    return tuple(answer.shape[:2]) + tuple(answer.shape[3:]) if is_line else tuple(answer.shape)
