"""Quantization as exported programs write it (``quantized_decomposed``), in ops that every PyTorch has, phones' too.

A tensor of integers between a quantize and the dequantize of the same scale becomes a quantized tensor, as do integers
that the module stores. The rest is written in arithmetic. All of it gives the same bits, of NaN and of what is 2**31
steps or more from 0 aside, where PyTorch's quantized tensors have no rule, and of what is within a rounding of halfway
between two steps of a scale that float32 does not hold, which observers give none of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import torch

from nnapi_check.analyzer.capture.decomposed_arithmetic import arithmetic_graphs
from nnapi_check.analyzer.capture.own_ranges import nodes_of_own_ranges
from nnapi_check.analyzer.nnapi_types import SCALES
from nnapi_check.analyzer.ops.scale_faults import refuse_scale_fault
from nnapi_check.analyzer.torchscript import (
    attribute_at,
    attributes_read,
    constant,
    insert_constant,
    inserted,
    nodes_of_kind,
    tensor_op,
)

_SPACE = "quantized_decomposed::"
_QUANTIZED = {torch.uint8: torch.quint8, torch.int8: torch.qint8}
_NUMBERS = {0: torch.uint8, 1: torch.int8}
"""Element types of 8 bits by the number that TorchScript writes for them."""

_FLOAT32 = 6
_HALVES = (torch.float16, torch.bfloat16)
_SMALLEST, _LARGEST = SCALES

_QUANTIZES = ("quantize_per_tensor", "quantize_per_channel")
_DEQUANTIZES = ("dequantize_per_tensor", "dequantize_per_channel")
_CHOOSES = ("choose_qparams", "choose_qparams_symmetric")


def express_decomposed_quantization(module: torch._C.ScriptModule, traced: torch._C.Graph) -> bool:
    """Write a module's ``quantized_decomposed`` ops in ops of PyTorch Mobile; whether there were any to write so.

    ``traced`` is the graph that a trace made, with the types that freezing it leaves out. What is rounded to its own
    range waits for `own_ranges.express_own_ranges`, after which `express_rest` writes what is left of that. Raises
    ``InputError`` where a scale is none that a quantization may have.
    """
    graph = module._get_method("forward").graph
    if not any(nodes_of_kind(graph, _SPACE + kind) for kind in (*_QUANTIZES, *_DEQUANTIZES, *_CHOOSES)):
        return False
    writer = _Writer(module, graph)
    for kind in (*_QUANTIZES, *_DEQUANTIZES):
        for node in nodes_of_kind(graph, _SPACE + kind):
            writer.refuse_fault(node)
    found = False
    is_plain = not _holds_halves(graph, traced)
    waiting = nodes_of_own_ranges(graph) if is_plain else frozenset()
    for kinds, express in (
        (_QUANTIZES if is_plain else (), writer.quantize),
        (_DEQUANTIZES, writer.dequantize),
        ((*_DEQUANTIZES, *_QUANTIZES, *_CHOOSES), writer.arithmetic),
    ):
        for kind in kinds:
            for node in nodes_of_kind(graph, _SPACE + kind):
                found = node.outputsAt(0).unique() in waiting or express(node) or found
    graph.setInsertPoint(graph.return_node())
    return found


def express_rest(module: torch._C.ScriptModule) -> None:
    """Write what no range of its own was made of."""
    graph = module._get_method("forward").graph
    torch._C._jit_pass_dce(graph)
    writer = _Writer(module, graph)
    for kind in (*_DEQUANTIZES, *_QUANTIZES, *_CHOOSES):
        for node in nodes_of_kind(graph, _SPACE + kind):
            writer.arithmetic(node)
    graph.setInsertPoint(graph.return_node())


def _holds_halves(graph: torch._C.Graph, traced: torch._C.Graph) -> bool:
    """Whether a graph with a quantize has tensors of half precision, which a quantized tensor is not made of."""
    if not any(nodes_of_kind(graph, _SPACE + kind) for kind in _QUANTIZES):
        return False
    values = [*traced.inputs(), *(value for node in _nodes(traced) for value in node.outputs())]
    kinds = (value.type() for value in values)
    return any(isinstance(kind, torch._C.TensorType) and kind.dtype() in _HALVES for kind in kinds)


def split_dequantizes(graph: torch._C.Graph) -> None:
    """Give each reader of floats that a dequantize makes a dequantize of its own, so that they can become one op."""
    for node in nodes_of_kind(graph, "aten::dequantize"):
        for use in list(node.output().uses())[1:]:
            made = graph.create("aten::dequantize", [node.input()], 1)
            made.insertAfter(node)
            made.copyMetadata(node)
            made.output().setType(node.output().type())
            use.user.replaceInput(use.offset, made.output())


class _Writer:
    """Writes nodes of one graph in other ops."""

    def __init__(self, module: torch._C.ScriptModule, graph: torch._C.Graph) -> None:
        self._module = module
        self._graph = graph
        self._names = 0
        self._set = {node.s("name") for node in nodes_of_kind(graph, "prim::SetAttr")}
        self._written = {_root(node.inputsAt(0)) for node in _nodes(graph) if "!" in node.schema()}

    def refuse_fault(self, node: torch._C.Node) -> None:
        """Raise an `InputError` where a node's scale, as far as it is known, is none."""
        known = {name: self._known(value) for name, value in _named(node).items() if name in ("scale", "scales")}
        refuse_scale_fault(node.kind().removeprefix(_SPACE), known)

    def quantize(self, node: torch._C.Node) -> bool:
        """Write a quantize with numbers for parameters as one to a quantized tensor."""
        given = _given(node)
        if _overload(node) or not node.kind().endswith("per_tensor"):
            return False
        kind = _steps_of(given)
        if kind is None:
            is_weight = self._known(node.inputsAt(0)) is not None
            return _are_whole_floats(given) and not is_weight and self._round(node, given)
        self._graph.setInsertPoint(node)
        numbers = [given["scale"], given["zero_point"], _number_of(kind)]
        held = self._op("aten::quantize_per_tensor", [node.inputsAt(0), *map(self._constant, numbers)], node)
        integers: torch._C.Value | None = None
        for use in list(node.output().uses()):
            if _reads_steps(use.user, given):
                self._graph.setInsertPoint(use.user)
                use.user.output().replaceAllUsesWith(self._op("aten::dequantize", [held], use.user))
                use.user.destroy()
            elif integers is None:
                self._graph.setInsertPoint(node)
                integers = self._op("aten::int_repr", [held], node)
        if integers is not None:
            node.output().replaceAllUsesWith(integers)
        node.destroy()
        return True

    def _round(self, node: torch._C.Node, given: Mapping[str, object]) -> bool:
        """Write a quantize and what makes floats of its steps as rounding of floats; whether something does."""
        numbers = [given[name] for name in ("scale", "zero_point", "quant_min", "quant_max")]
        found = [use.user for use in list(node.output().uses()) if _reads_steps(use.user, given)]
        for reader in found:
            self._graph.setInsertPoint(reader)
            inputs = [node.inputsAt(0), *map(self._constant, numbers)]
            (made,) = self._graph.insertGraph(arithmetic_graphs()["round_to_steps"], inputs)
            reader.output().replaceAllUsesWith(made)
            reader.destroy()
        if found and not list(node.output().uses()):
            node.destroy()
        return bool(found)

    def dequantize(self, node: torch._C.Node) -> bool:
        """Write a dequantize of integers that the module stores as one of a quantized tensor that it stores."""
        stored = self._stored_steps(node)
        if stored is None:
            return False
        self._graph.setInsertPoint(node)
        name = self._free_name()
        self._module._register_attribute(name, torch._C.TensorType.get(), stored)  # type: ignore[attr-defined]  # PyTorch's stubs leave it out
        read = tensor_op(self._graph, "prim::GetAttr", [next(iter(self._graph.inputs()))])
        read.s_("name", name)
        self._graph.insertNode(read)
        node.output().replaceAllUsesWith(self._op("aten::dequantize", [read.output()], node))
        node.destroy()
        return True

    def arithmetic(self, node: torch._C.Node) -> bool:
        """Write a node as the arithmetic that it stands for."""
        name = "_".join(filter(None, (node.kind().removeprefix(_SPACE), _overload(node))))
        given = list(node.inputs())
        if node.kind().removeprefix(_SPACE) in _DEQUANTIZES:
            self._graph.setInsertPoint(node)
            if constant(given[-1]) is None:
                given[-1] = self._constant(_FLOAT32)
            if name == "dequantize_per_channel" and isinstance(given[2].type(), torch._C.NoneType):
                name += "_symmetric"
        function = arithmetic_graphs().get(name)
        if function is None:
            return False
        self._graph.setInsertPoint(node)
        made = inserted(self._graph, function, given, node.outputsSize())
        for output, value in zip(node.outputs(), made, strict=True):
            output.replaceAllUsesWith(value)
        node.destroy()
        return True

    def _stored_steps(self, node: torch._C.Node) -> torch.Tensor | None:
        """The quantized tensor that a dequantize reads, where the module stores its integers, or what they are of."""
        given = {name: self._known(value) for name, value in _named(node).items()}
        integers, out = given["input"], given.get("out_dtype")
        if not isinstance(integers, torch.Tensor) or out not in (None, _FLOAT32):
            return None
        if integers.dtype not in _QUANTIZED or _NUMBERS.get(cast("int", given["dtype"])) is not integers.dtype:
            return None
        if node.kind().endswith("per_channel"):
            return _per_channel(integers, given)
        return _per_tensor(integers, given)

    def _known(self, value: torch._C.Value) -> object:
        """What a value is before the model runs: a constant, what the module stores, or a quantize of that."""
        node = value.node()
        if node.kind() == "prim::GetAttr":
            path = self._path(value)
            written = [found for found in self._written if found.node().kind() == "prim::GetAttr"]
            if path is None or path in map(self._path, written):
                return None
            return attribute_at(self._module, path)
        if node.kind().removeprefix(_SPACE) in _QUANTIZES and node.kind().startswith(_SPACE):
            given = [self._known(item) for item in node.inputs()]
            if not isinstance(given[0], torch.Tensor) or given[0].is_meta or given[0].dtype is not torch.float32:
                return None
            if any(item is None for item in given):
                return None
            op = getattr(torch.ops.quantized_decomposed, node.kind().removeprefix(_SPACE))
            given[-1] = _NUMBERS.get(cast("int", given[-1]))
            return None if given[-1] is None else getattr(op, _overload(node) or "default")(*given)
        return constant(value)

    def _path(self, value: torch._C.Value) -> str | None:
        """Where the module stores a value that it never sets; None where it does not."""
        names, origin = attributes_read(value)
        is_own = origin.unique() == next(iter(self._graph.inputs())).unique()
        return ".".join(names) if is_own and names[-1] not in self._set else None

    def _free_name(self) -> str:
        while self._module.hasattr(f"quantized_{self._names}"):  # type: ignore[attr-defined]  # as above
            self._names += 1
        return f"quantized_{self._names}"

    def _constant(self, value: object) -> torch._C.Value:
        return insert_constant(self._graph, value)

    def _op(self, kind: str, inputs: list[torch._C.Value], like: torch._C.Node) -> torch._C.Value:
        node = tensor_op(self._graph, kind, inputs)
        node.copyMetadata(like)
        self._graph.insertNode(node)
        return node.output()


def _nodes(block: torch._C.Graph | torch._C.Block) -> Iterator[torch._C.Node]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _root(value: torch._C.Value) -> torch._C.Value:
    """What a value may be a view of, by the first inputs of what makes it: an attribute, or what has no inputs."""
    while value.node().kind() != "prim::GetAttr" and value.node().inputsSize():
        value = value.node().inputsAt(0)
    return value


def _named(node: torch._C.Node) -> dict[str, torch._C.Value]:
    names = [argument.name for argument in torch._C.parse_schema(node.schema()).arguments]
    return dict(zip(names, node.inputs(), strict=True))


def _given(node: torch._C.Node) -> dict[str, object]:
    return {name: constant(value) for name, value in _named(node).items()}


def _overload(node: torch._C.Node) -> str:
    return torch._C.parse_schema(node.schema()).overload_name


def _number_of(kind: torch.dtype) -> int:
    return {torch.quint8: 13, torch.qint8: 12}[kind]


def _steps_of(given: Mapping[str, object]) -> torch.dtype | None:
    """The quantized type whose steps these parameters tell; None where they leave some out, or PyTorch's own quantized
    tensors would round otherwise."""
    match given:
        case {"scale": float() as scale, "zero_point": int() as zero_point, "dtype": int() as number}:
            plain = _NUMBERS.get(number)
            if plain is None or not _SMALLEST < scale < _LARGEST:
                return None
            limits = torch.iinfo(plain)
            whole = given.get("quant_min") == limits.min and given.get("quant_max") == limits.max
            return _QUANTIZED[plain] if whole and limits.min <= zero_point <= limits.max else None
        case _:
            return None


_PLAIN = {0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 27: torch.uint16}
_WHOLE = 2**24
"""Up to this, float32 holds every integer."""


def _are_whole_floats(given: Mapping[str, object]) -> bool:
    """Whether the integers that a quantize makes are told apart by float32, so that it can round without them."""
    match given:
        case {
            "scale": float(),
            "zero_point": int() as zero_point,
            "quant_min": int() as low,
            "quant_max": int() as high,
            "dtype": int() as number,
        } if number in _PLAIN:
            limits = torch.iinfo(_PLAIN[number])
            is_held = limits.min <= low <= high <= limits.max
            return is_held and max(-low, high) + abs(zero_point) <= _WHOLE
        case _:
            return False


def _reads_steps(node: torch._C.Node, written: Mapping[str, object]) -> bool:
    """Whether a node makes floats of the steps that a quantize has written."""
    if node.kind() != f"{_SPACE}dequantize_per_tensor" or _overload(node):
        return False
    given = _given(node)
    is_same = all(given[name] == written[name] for name in ("scale", "zero_point", "dtype"))
    return is_same and given.get("out_dtype") in (None, _FLOAT32)


def _per_tensor(integers: torch.Tensor, given: Mapping[str, object]) -> torch.Tensor | None:
    scale, zero_point = (_scalar(given[name]) for name in ("scale", "zero_point"))
    if scale is None or zero_point is None or not _SMALLEST < scale < _LARGEST:
        return None
    if not _is_stored(torch.tensor(zero_point), integers.dtype):
        return None
    if integers.is_meta:
        return torch._empty_affine_quantized(
            integers.shape, scale=float(scale), zero_point=int(zero_point), dtype=_QUANTIZED[integers.dtype]
        )
    make = cast("Callable[..., torch.Tensor]", torch._make_per_tensor_quantized_tensor)
    return make(integers, float(scale), int(zero_point))


def _per_channel(integers: torch.Tensor, given: Mapping[str, object]) -> torch.Tensor | None:
    scales, zero_points, axis = given["scales"], given["zero_points"], given["axis"]
    if not isinstance(scales, torch.Tensor) or scales.is_meta or scales.dtype is not torch.float32:
        return None
    if not isinstance(axis, int) or not 0 <= axis < integers.dim() or scales.shape != (integers.shape[axis],):
        return None
    zeros = torch.zeros_like(scales, dtype=torch.int64) if zero_points is None else zero_points
    if not isinstance(zeros, torch.Tensor) or zeros.is_meta or zeros.is_floating_point():
        return None
    if not bool(((scales > _SMALLEST) & (scales < _LARGEST)).all()) or not _is_stored(zeros, integers.dtype):
        return None
    if integers.is_meta:
        return torch._empty_per_channel_affine_quantized(
            integers.shape,
            scales=scales.double(),
            zero_points=zeros.long(),
            axis=axis,
            dtype=_QUANTIZED[integers.dtype],
        )
    make = cast("Callable[..., torch.Tensor]", torch._make_per_channel_quantized_tensor)
    return make(integers, scales.double(), zeros.long(), axis)


def _is_stored(zero_points: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether zero points are among the integers that are stored."""
    limits = torch.iinfo(dtype)
    return bool(((zero_points >= limits.min) & (zero_points <= limits.max)).all())


def _scalar(item: object) -> float | int | None:
    match item:
        case torch.Tensor():
            return item.item() if item.numel() == 1 and not item.is_meta else None
        case int() | float():
            return item
        case _:
            return None
